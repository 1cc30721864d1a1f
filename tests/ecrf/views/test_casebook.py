"""The casebook: who, where they stand, visits × forms, logs, what is missing, what happened."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit import clock
from ecrf.actions import data_queries, records, verifications
from ecrf.casebooks import Casebook
from ecrf.standings import plan_in_force
from ecrf.where import Where
from simulation import patients
from tests.cast import PASSWORD, Cast
from tests.randomization import marked
from tests.randomization.marked import only_of_arm, revealing_words
from trial.actions import participants, statuses, visits
from trial.models import Participant, Person, StatusKind, Visit

pytestmark = pytest.mark.django_db
MOST_STATEMENTS = 15


def url(participant: Participant) -> str:
    return f"/participants/{participant.code}/"


def words_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def casebook(person: Person, participant: Participant, **options: Any) -> Casebook:
    return Casebook(person, Participant.objects.select_related("site").get(pk=participant.pk), **options)


def cells(found: Casebook) -> dict[tuple[str, str], dict[str, Any]]:
    """The cells of the grid by form and visit, as they are named on the page."""
    heads = [visit["label"] for visit in found.grid["visits"]]
    return {
        (row["label"], head): cell
        for section in found.grid["sections"]
        for row in section["rows"]
        for head, cell in zip(heads, row["cells"], strict=True)
        if cell
    }


def steps(found: Casebook) -> list[str]:
    return [step.text for step in found.missing]


def long_ago(cast: Cast, days: int = 215) -> Participant:
    """A participant randomized some days ago."""
    with clock.simulated(clock.now() - dt.timedelta(days=days)):
        return cast.randomized()


def attend(cast: Cast, visit: Visit) -> None:
    """Record that a visit took place on the day that was planned."""
    assert visit.planned_on is not None
    visits.record_date(visit=visit, on=visit.planned_on, by=cast.theo_coordinator)


# ---------------------------------------------------------------- who, and what may be done


def test_the_page_names_the_participant_and_where_they_stand(cast: Cast) -> None:
    """ECRF-200: code, site, sex, month and year of birth, status with its date, in few statements."""
    participant = cast.baseline_done()
    client = cast.client_of(cast.ines_investigator)
    with CaptureQueriesContext(connection) as statements:
        words = words_of(client, url(participant))
    assert len(statements) <= MOST_STATEMENTS
    for expected in (participant.code, "01 · Centre des Tilleuls", str(participant.birth_year), "In screening"):
        assert expected in words
    assert words.count("data-cell-start") == 1


def test_strangers_get_not_found(cast: Cast) -> None:
    """ECRF-201: another site, people without participants, a forged code: the same answer."""
    participant = cast.screened()
    for person in (cast.oscar_coordinator, cast.adam_admin, cast.bruno_blinded, cast.stella_statistician):
        assert cast.client_of(person).get(url(participant)).status_code == 404
    assert cast.client_of(cast.theo_coordinator).get("/participants/01-999/").status_code == 404
    assert cast.client_of(cast.theo_coordinator).post(url(participant)).status_code == 405


def test_buttons_follow_permission_and_state(cast: Cast) -> None:
    """ECRF-202: randomize for the delegated coordinator of an eligible participant, nothing to do for a reader."""

    def buttons(person: Person, participant: Participant) -> set[str]:
        return {action["label"] for action in casebook(person, participant).actions}

    participant = cast.screened()
    assert buttons(cast.theo_coordinator, participant) == {"Close screening"}
    cast.consented(participant)
    assert buttons(cast.theo_coordinator, participant) == {"Eligibility", "Add a visit", "Status", "Close screening"}
    cast.eligible(participant)
    assert "Randomize" in buttons(cast.theo_coordinator, participant)
    assert "Randomize" not in buttons(cast.ines_investigator, participant)
    assert buttons(cast.paul_sponsor, participant) == {"Eligibility"}
    assert buttons(cast.rose_radiation, participant) == {"Eligibility", "Sign…"}
    assert buttons(cast.mona_monitor, participant) == {"Eligibility", "Source verification"}
    assert buttons(cast.dan_data_manager, participant) == {"Eligibility", "Freeze and lock", "Source verification"}
    cast.list_in_use()
    cast.allocate(participant)
    assert buttons(cast.theo_coordinator, participant) == {"Eligibility", "Add a visit", "Status"}


# ---------------------------------------------------------------- visits × forms


def test_before_consent_only_the_consent_is_asked(cast: Cast) -> None:
    """ECRF-203: the other cells say when they open; what is missing names the date, then the consent."""
    participant = cast.screened()
    found = casebook(cast.theo_coordinator, participant)
    grid = cells(found)
    assert all(cell["state"] == "expected" for cell in grid.values())
    assert grid["Demographics", "Screening"]["url"] == ""
    assert "opens after the consent" in grid["Demographics", "Screening"]["label"]
    assert "the visit has no date yet" in grid["Informed consent", "Screening"]["label"]
    assert steps(found) == ["Screening: record the date of the visit"]
    visits.record_date(visit=cast.visit(participant, "SCR"), on=clock.today(), by=cast.theo_coordinator)
    assert steps(casebook(cast.theo_coordinator, participant)) == ["Screening: 1 form to complete"]


def test_a_cell_says_state_queries_verification_and_signature(cast: Cast) -> None:
    """ECRF-204: in icons and in one sentence; a change after the signature shows."""
    participant = cast.consented()
    consent = cast.record(participant, "consent", visit="SCR")
    items = [(row["_id"], item) for rows in consent.data.values() for row in rows for item in row if item[0] != "_"]
    verifications.verify(record=consent, values=items, by=cast.mona_monitor)
    records.sign(record=consent, password=PASSWORD, by=cast.ines_investigator)
    where = Where(participant, "consent", visit=cast.visit(participant, "SCR"))
    data_queries.ask(where=where, text="Which version?", by=cast.mona_monitor)
    cast.fill(participant, "demographics", visit="SCR", complete=False)
    demographics = cast.record(participant, "demographics", visit="SCR")
    verifications.verify(record=demographics, values=[("", "sex")], by=cast.mona_monitor)

    grid = cells(casebook(cast.mona_monitor, participant))
    cell = grid["Informed consent", "Screening"]
    assert (cell["state"], cell["marks"], cell["queries"]) == ("complete", ["verified", "signed"], 1)
    assert cell["label"] == "Informed consent, Screening: complete, verified at source, signed, 1 open query"
    cell = grid["Demographics", "Screening"]
    assert (cell["state"], cell["marks"]) == ("in_progress", ["partly_verified"])
    assert grid["Medical history", "Screening"]["state"] == "expected"

    cast.save(where, {}, complete=False, reason="To be read again")
    cast.save(where, {})
    found = casebook(cast.theo_coordinator, participant)
    assert "signed_changed" in cells(found)["Informed consent", "Screening"]["marks"]
    assert "1 query to answer" in steps(found)
    assert "Informed consent (Screening): changed since signing, to be signed again" in steps(found)


def test_visits_show_dates_windows_and_how_late_they_are(cast: Cast) -> None:
    """ECRF-205: done, overdue, due and planned visits, by date; the overdue one is the one to attend to."""
    participant = long_ago(cast, days=100)
    attend(cast, cast.visit(participant, "D56"))
    heads = {visit["label"]: visit for visit in casebook(cast.theo_coordinator, participant).grid["visits"]}
    assert heads["Safety visit, day 56"]["state"] == "done"
    assert heads["Month 3"]["state"] in ("due", "overdue") and "± 14 d" in heads["Month 3"]["date"]
    assert heads["Month 6"]["state"] == "planned"
    current = [label for label, visit in heads.items() if visit["current"]]
    assert current and heads[current[0]]["state"] == "overdue"
    found = casebook(cast.theo_coordinator, participant)
    dates = [visit.actual_on or visit.planned_on or dt.date.max for visit in found.visits]
    assert dates == sorted(dates)


def test_a_missed_visit_settles_its_forms(cast: Cast) -> None:
    """ECRF-206: not done, with the reason, and nothing of it is missing any more."""
    participant = long_ago(cast)
    visit = cast.visit(participant, "M3")
    assert any("Month 3" in text for text in steps(casebook(cast.theo_coordinator, participant)))
    visits.miss(visit=visit, reason="On holiday", by=cast.theo_coordinator)
    found = casebook(cast.theo_coordinator, participant)
    cell = cells(found)["Laboratory", "Month 3"]
    assert (cell["state"], cell["url"]) == ("not_done", "") and "On holiday" in cell["label"]
    assert not any("Month 3" in text for text in steps(found))


def test_what_is_no_longer_expected_is_not_asked(cast: Cast) -> None:
    """ECRF-207: after a withdrawal the visits to come leave the grid; they can be shown, as not applicable."""
    participant = long_ago(cast)
    statuses.record_by_hand(
        participant=participant,
        kind=StatusKind.WITHDRAWN_VISITS,
        on=clock.today() - dt.timedelta(days=200),
        reason="OTHER",
        by=cast.theo_coordinator,
    )
    found = casebook(cast.theo_coordinator, participant)
    assert not [text for text in steps(found) if "record the date" in text and "SRT" not in text]
    assert found.unexpected_visits >= 8
    whole = casebook(cast.theo_coordinator, participant, all_visits=True)
    states = {visit["label"]: visit["state"] for visit in whole.grid["visits"]}
    assert states["Month 12"] == "not_applicable"
    words = words_of(cast.client_of(cast.theo_coordinator), url(participant))
    assert "no longer expected" in words and "Month 12" not in words
    assert "Month 12" in words_of(cast.client_of(cast.theo_coordinator), url(participant) + "?visits=all")


def test_a_closed_screening_asks_for_nothing(cast: Cast) -> None:
    """ECRF-208: forms that nobody filled become not applicable; no log can be added to."""
    participant = cast.consented()
    participants.fail_screening(participant=participant, reason="OTHER", by=cast.theo_coordinator)
    found = casebook(cast.theo_coordinator, participant)
    assert steps(found) == []
    assert cells(found)["Laboratory", "Screening"]["state"] == "not_applicable"
    assert not any(log["add_url"] for log in found.logs)
    assert "Nothing is missing today" in words_of(cast.client_of(cast.theo_coordinator), url(participant))


def test_unscheduled_visits_have_their_own_columns(cast: Cast) -> None:
    """ECRF-209: numbered, on the day they took place."""
    participant = cast.randomized()
    for _n in range(2):
        visits.add_on_demand(participant=participant, event="UNS", on=clock.today(), by=cast.theo_coordinator)
    heads = [visit["label"] for visit in casebook(cast.theo_coordinator, participant).grid["visits"]]
    assert [label for label in heads if label.startswith("Unscheduled")] == [
        "Unscheduled visit 1",
        "Unscheduled visit 2",
    ]


# ---------------------------------------------------------------- logs


def test_logs_show_the_latest_entries_and_where_to_add(cast: Cast) -> None:
    """ECRF-210: count, five rows, queries; “Add” only for those who enter the form."""
    participant = cast.baseline_done()
    for day in range(7):
        cast.save(
            Where(participant, "concomitant_medication"),
            {"medication": f"Drug {day}", "med_start_on": clock.today() - dt.timedelta(days=30 - day)},
            complete=False,
        )
    by_id = {log["id"]: log for log in casebook(cast.theo_coordinator, participant).logs}
    log = by_id["concomitant_medication"]
    assert (log["count"], log["earlier"], [row["number"] for row in log["rows"]]) == (7, 2, [3, 4, 5, 6, 7])
    assert log["rows"][-1]["cells"][0]["text"] == "Drug 6"
    assert log["add_url"].endswith("/log/concomitant_medication/new/")
    assert "srt_course" not in by_id  # the allocated treatment waits for the randomization
    assert not any(log["add_url"] for log in casebook(cast.mona_monitor, participant).logs)
    words = words_of(cast.client_of(cast.mona_monitor), url(participant))
    assert "Drug 6" in words and "Drug 0" not in words and "/new/" not in words


def test_the_number_of_statements_does_not_depend_on_records(cast: Cast) -> None:
    """ECRF-211: a casebook with thirty more entries, each with a query, costs what it cost before."""
    participant = cast.randomized()

    def count(person: Person) -> int:
        client = cast.client_of(person)
        client.get(url(participant))
        with CaptureQueriesContext(connection) as statements:
            words_of(client, url(participant))
        return len(statements)

    people = (cast.ines_investigator, cast.mona_monitor, cast.paul_sponsor)
    before = [count(person) for person in people]
    for day in range(30):
        entry = cast.save(
            Where(participant, "concomitant_medication"),
            {"medication": f"Drug {day}", "med_start_on": clock.today() - dt.timedelta(days=90 - day)},
            complete=False,
        )
        where = Where(participant, "concomitant_medication", number=entry.number)
        data_queries.ask(where=where, text="Dose?", by=cast.mona_monitor)
    assert [count(person) for person in people] == before
    assert max(before) <= MOST_STATEMENTS


# ---------------------------------------------------------------- what happened


def test_the_story_tells_what_happened(cast: Cast) -> None:
    """ECRF-212: consent, eligibility, randomization with the arm, toxicities with their grade, newest first."""
    participant = long_ago(cast, days=60)
    with clock.simulated(clock.now() - dt.timedelta(days=20)):
        cast.save(Where(participant, "adverse_event"), {"start_on": clock.today()}, complete=False)
    story = casebook(cast.ines_investigator, participant).story
    titles = [event["title"] for event in story]
    assert titles[0] == "Adverse events" and titles[-1] == "Screened"
    assert {"Consent given", "Eligibility signed", "Randomized"} <= set(titles)
    (randomized,) = [event for event in story if event["title"] == "Randomized"]
    assert randomized["text"] == cast.definition.arms[participant.allocation.arm].label["en"]
    (seen,) = [e for e in casebook(cast.paul_sponsor, participant).story if e["title"] == "Randomized"]
    assert seen["text"] == "" and seen["url"] == ""


def test_an_eligible_participant_is_the_first_thing_to_do(cast: Cast) -> None:
    """ECRF-213: for the one who may randomize; the investigator is told that eligibility waits for a signature."""
    participant = cast.judged()
    assert "Eligibility is ready to be signed by an investigator" in steps(
        casebook(cast.ines_investigator, participant)
    )
    cast.eligible(participant)
    assert steps(casebook(cast.theo_coordinator, participant))[0] == "Ready to be randomized"
    assert "Ready to be randomized" not in steps(casebook(cast.paul_sponsor, participant))


# ---------------------------------------------------------------- blinded


class Skeleton(HTMLParser):
    """The elements of a page with their classes, without words, names and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.found.append(" ".join([tag, names.get("class") or "", names.get("data-state") or ""]))


def skeleton(text: str) -> list[str]:
    parser = Skeleton()
    parser.feed(text)
    return parser.found


def test_nothing_tells_the_arm_to_those_who_may_not_see_it(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """ECRF-214: no id or label of an arm, a pathway, a visit or a form that reveals, in any page; equal shape.

    Both participants have the same disease and the same history but for what their arm brings: its visit, dated and
    filled, and an entry in the log of its treatment.
    """
    cast = marked.cast_of()
    version = cast.version
    monkeypatch.setattr(
        Cast, "patient", lambda self, participant: patients.draw_patient(Random(5), participant.screened_on)
    )
    of_arm: dict[str, Participant] = {}
    with clock.simulated(clock.now() - dt.timedelta(days=70)):
        for _n in range(16):  # one stratum: a block of four or six holds both arms
            participant = cast.randomized()
            _version, plan = plan_in_force()
            rule = plan.rule(participant.site.number, clock.today()) if plan is not None else None
            if rule is None or not rule.draws(participant.code):  # whom the sample holds shows more marks, in any arm
                of_arm.setdefault(participant.allocation.arm, participant)
            if len(of_arm) == 2:
                break
    srt = cast.definition.form("zqmark_srt_course")  # an entry of the log of each pathway, whichever arm came first
    logs = {arm: srt.id if srt.is_for(p.pathway) else "zqmark_systemic_treatment" for arm, p in of_arm.items()}
    assert len(set(logs.values())) == len(of_arm) == 2
    for arm, participant in of_arm.items():
        attend(cast, cast.visit(participant, "D56"))
        for event in only_of_arm(cast.definition, arm):
            visit = cast.visit(participant, event)
            attend(cast, visit)
            for form in cast.definition.visit(event).forms:
                cast.save(Where(participant, form, visit=visit), {}, complete=False)
        cast.save(Where(participant, logs[arm]), {}, complete=False)

    words = revealing_words(version)
    assert len(words) > 20
    for person in (cast.paul_sponsor, cast.aude_auditor):
        client = cast.client_of(person)
        for page in ("", "?visits=all", "eligibility/"):
            shapes = []
            for participant in of_arm.values():
                text = client.get(url(participant) + page).content.decode()
                assert not [word for word in words if word in text], (person.given_name, page)
                shapes.append(skeleton(re.sub(participant.code, "", text)))
            assert shapes[0] == shapes[1], (person.given_name, page)
        for arm, participant in of_arm.items():
            visit = cast.visit(participant, only_of_arm(cast.definition, arm)[0])
            form = cast.definition.visit(visit.event).forms[0]
            for hidden in (
                f"visits/{visit.pk}/forms/{form}/",
                f"log/{logs[arm]}/",
                f"log/{logs[arm]}/1/",
                "allocation/",
            ):
                assert client.get(url(participant) + hidden).status_code == 404
    site = cast.client_of(cast.theo_coordinator)
    for arm, participant in of_arm.items():
        assert cast.definition.arms[arm].label["en"] in site.get(url(participant)).content.decode()
