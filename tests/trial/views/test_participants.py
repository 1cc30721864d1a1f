"""Participants: list, screening, screening log, status."""

from __future__ import annotations

import datetime as dt

import pytest

from audit import clock
from audit.models import Deed
from trial import participant_columns
from trial.actions import participants, statuses
from trial.definition.model import CodelistsFile
from trial.definitions import definition_of
from trial.models import Participant, ScreeningOutcome, Site, Status

from .helpers import counted, words

pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------- the list


def test_the_list_shows_the_sites_of_the_person(cast):
    """TRIAL-140: own site only; status, next visit; search by code."""
    own = cast.screened()
    other = cast.screened(by=cast.oscar_coordinator, site=cast.other_site)
    page = words(cast.client_of(cast.theo_coordinator).get("/participants/"))
    assert own.code in page
    assert other.code not in page
    assert "In screening" in page
    everything = words(cast.client_of(cast.dan_data_manager).get("/participants/"))
    assert own.code in everything
    assert other.code in everything
    found = words(cast.client_of(cast.dan_data_manager).get("/participants/?q=02-"))
    assert own.code not in found
    assert other.code in found


def test_the_list_filters_and_sorts_by_links(cast):
    """TRIAL-141: site, status and sort are links; nonsense in the address is ignored."""
    kept = cast.screened()
    gone = cast.screened()
    participants.fail_screening(participant=gone, reason="OTHER", by=cast.theo_coordinator)
    client = cast.client_of(cast.dan_data_manager)
    assert kept.code not in words(client.get("/participants/?status=screen_failure"))
    assert gone.code in words(client.get("/participants/?status=screen_failure&site=01"))
    assert kept.code not in words(client.get("/participants/?site=02"))
    page = words(client.get("/participants/?sort=-code"))
    assert page.index(gone.code) < page.index(kept.code)
    for sort in ("status", "-status", "next", "-next", "screened", "nonsense"):
        assert client.get(f"/participants/?sort={sort}&page=99").status_code == 200
    assert "No participant fits" in words(client.get("/participants/?q=zz"))


def test_the_list_is_paged_and_bounded(cast):
    """TRIAL-142: fifty a page, and as many statements for 60 as for 5."""
    client = cast.client_of(cast.theo_coordinator)
    for _n in range(5):
        cast.screened()
    _page, few = counted(client, "/participants/")
    for _n in range(55):
        cast.screened()
    page, many = counted(client, "/participants/")
    assert many == few
    assert words(page).count('class="row-link"') == 50
    assert words(client.get("/participants/?page=2")).count('class="row-link"') == 10


def test_the_list_tells_no_arm_to_who_reads_many(cast):
    """TRIAL-143: sponsor roles never get visits of one arm in the list, whatever their right to single arms."""
    participant = cast.randomized()
    definition = definition_of(participant.version_id)
    revealing = [
        definition.text(visit.label, "en") for visit in definition.visits if definition.reveals_arm(visit_id=visit.id)
    ]
    assert revealing
    for person in (cast.dan_data_manager, cast.mona_monitor, cast.paul_sponsor):
        page = words(cast.client_of(person).get("/participants/"))
        assert participant.code in page
        assert not [label for label in revealing if label in page]
        assert "Safety visit, day 56" in page


def test_rooms_above_add_counts(cast, monkeypatch):
    """TRIAL-144: a registered column is read with the list and shown as a badge."""
    from django.db.models import IntegerField, Value

    monkeypatch.setattr(participant_columns, "_columns", {})
    participant_columns.register(
        participant_columns.Column(
            "sample", "Sample count", lambda person: Value(7, output_field=IntegerField()), url=lambda p: "/there/"
        )
    )
    participant_columns.register(participant_columns.Column("hidden", "Not for them", lambda person: None))
    cast.screened()
    page = words(cast.client_of(cast.theo_coordinator).get("/participants/"))
    assert "Sample count" in page
    assert 'href="/there/"' in page
    assert "Not for them" not in page


# ---------------------------------------------------------------- screening


def test_screening_gives_a_code_and_keeps_nothing_personal(cast):
    """TRIAL-150: the day as typed, the site's next code, no personal field on the page."""
    client = cast.client_of(cast.theo_coordinator)
    page = words(client.get("/participants/screen/"))
    assert "Nothing personal before consent" in page
    assert "initials" not in [line.split('"')[0] for line in page.split('name="')[1:]]
    typed = clock.today().strftime("%d%m%Y")
    answer = client.post("/participants/screen/", {"site": cast.site.pk, "on": typed})
    assert answer.status_code == 302
    made = Participant.objects.get(code="01-001")
    assert (made.site, made.screened_on, made.sex, made.birth_year) == (cast.site, clock.today(), "", None)


@pytest.mark.parametrize("typed", ["", "tomorrow", "31/02/2026", "01/01/2199", "14/03/26"])
def test_a_day_that_is_none_is_refused_and_kept(cast, typed):
    """TRIAL-151: what was typed stays on the page, nothing is written."""
    answer = cast.client_of(cast.theo_coordinator).post("/participants/screen/", {"site": cast.site.pk, "on": typed})
    assert answer.status_code == 422
    assert f'value="{typed}"' in words(answer) or not typed
    assert not Participant.objects.exists()


def test_nobody_screens_at_another_site(cast):
    """TRIAL-152: a forged site is refused; a role without screening gets 403 in words."""
    client = cast.client_of(cast.theo_coordinator)
    assert client.post("/participants/screen/", {"site": cast.other_site.pk, "on": "01/01/2026"}).status_code == 422
    answer = cast.client_of(cast.mona_monitor).post("/participants/screen/", {"site": cast.site.pk, "on": "01/01/2026"})
    assert answer.status_code == 403
    assert "Only site staff" in words(answer)
    assert not Participant.objects.exists()


def test_a_person_of_two_sites_chooses(cast):
    """TRIAL-153: with several open sites the page asks which."""
    from trial.actions import people

    people.delegate(
        person=cast.theo_coordinator, role="coordinator", site=cast.other_site, starts_on=clock.today(), by=None
    )
    client = cast.client_of(cast.theo_coordinator)
    assert "Hôpital du Parc" in words(client.get("/participants/screen/"))
    client.post("/participants/screen/", {"site": cast.other_site.pk, "on": clock.today().strftime("%d/%m/%Y")})
    assert Participant.objects.get().code == "02-001"


def test_a_closed_site_screens_nobody(cast):
    """TRIAL-154: the page says why instead of a form."""
    import audit

    site = Site.objects.get(pk=cast.site.pk)
    site.closed_on = clock.today()
    audit.save(site, by=None)
    answer = cast.client_of(cast.theo_coordinator).get("/participants/screen/")
    assert "No site of yours includes participants now" in words(answer)


def test_the_screening_log_holds_every_outcome(cast):
    """TRIAL-160: month, outcome, reason; failures included; filters by outcome and site."""
    pending, failed = cast.screened(), cast.screened()
    participants.fail_screening(
        participant=failed, reason="OTHER", detail="Four progressing lesions", by=cast.theo_coordinator
    )
    client = cast.client_of(cast.theo_coordinator)
    page = words(client.get("/screening/"))
    assert pending.code in page
    assert "Four progressing lesions" in page
    assert f"{clock.today():%m/%Y}" in page
    only = words(client.get("/screening/?outcome=failed"))
    assert pending.code not in only
    assert failed.code in only
    assert "No screening here" in words(client.get("/screening/?year=1999"))
    read = words(cast.client_of(cast.mona_monitor).get("/screening/"))
    assert failed.code in read
    assert "Close without inclusion" not in read


def test_a_screening_is_closed_with_its_reason_and_reopened(cast):
    """TRIAL-161: reason kept; the second close is refused in words with what was typed; reopening asks why."""
    participant = cast.screened()
    client = cast.client_of(cast.theo_coordinator)
    address = f"/screening/{participant.code}/close/"
    today = clock.today().strftime("%d/%m/%Y")
    assert client.post(address, {"detail": "Declined", "on": today}).status_code == 422
    other = client.post(address, {"reason": "OTHER", "detail": "", "on": today})
    assert other.status_code == 422
    assert "Say which other reason" in words(other)
    assert client.post(address, {"reason": "OTHER", "detail": "Declined", "on": today})["Location"] == "/screening/"
    participant.refresh_from_db()
    assert (participant.screening_outcome, participant.failure_detail) == (ScreeningOutcome.FAILED, "Declined")
    again = client.post(address, {"reason": "OTHER", "detail": "Typed twice", "on": today})
    assert again.status_code == 422
    assert "already closed" in words(again)
    assert "Typed twice" in words(again)
    reopen = f"/screening/{participant.code}/reopen/"
    assert "Declined" in words(client.get(reopen))
    assert client.post(reopen, {"reason": ""}).status_code == 422
    assert client.post(reopen, {"reason": "Wrong line"}).status_code == 302
    participant.refresh_from_db()
    assert participant.status == Status.SCREENING
    assert client.post(reopen, {"reason": "Again"}).status_code == 422


def test_reasons_come_from_the_study_when_it_lists_them(cast):
    """TRIAL-162: one of the reasons of the codelist `screen_failure_reason` is chosen, and shown in the language."""
    participant = cast.screened()
    listed = definition_of(participant.version_id).codelists["screen_failure_reason"]
    client = cast.client_of(cast.theo_coordinator)
    address = f"/screening/{participant.code}/close/"
    page = words(client.get(address))
    assert all(entry.label["en"] in page for entry in listed.codes)
    today = clock.today().strftime("%d/%m/%Y")
    assert client.post(address, {"reason": "FORGED", "on": today}).status_code == 422
    assert client.post(address, {"reason": "BRAIN", "detail": "", "on": today}).status_code == 302
    assert "Active brain metastases" in words(client.get("/screening/"))
    participant.refresh_from_db()
    assert (participant.failure_reason, participant.failure_detail) == ("BRAIN", "")


def test_a_study_that_lists_no_reasons_asks_for_words(cast, monkeypatch):
    """TRIAL-164: without the codelist the reason is typed, and kept under “other”."""
    participant = cast.screened()
    definition = definition_of(participant.version_id)
    others = tuple(c for c in definition.codelists_file.codelists if c.id != "screen_failure_reason")
    monkeypatch.setattr(definition, "codelists_file", CodelistsFile(codelists=others))
    definition.__dict__.pop("codelists", None)
    try:
        client = cast.client_of(cast.theo_coordinator)
        address = f"/screening/{participant.code}/close/"
        today = clock.today().strftime("%d/%m/%Y")
        assert client.post(address, {"detail": "", "on": today}).status_code == 422
        assert client.post(address, {"detail": "Moved abroad", "on": today}).status_code == 302
        participant.refresh_from_db()
        assert (participant.failure_reason, participant.failure_detail) == ("OTHER", "Moved abroad")
    finally:
        definition.__dict__.pop("codelists", None)


def test_closing_is_for_site_staff(cast):
    """TRIAL-163: a monitor reads the log and closes nothing."""
    participant = cast.screened()
    answer = cast.client_of(cast.mona_monitor).post(f"/screening/{participant.code}/close/", {"detail": "x"})
    assert answer.status_code == 403
    participant.refresh_from_db()
    assert participant.status == Status.SCREENING


# ---------------------------------------------------------------- status


def status_form(**said):
    return {"kind": "withdrawn_visits", "on": clock.today().strftime("%d/%m/%Y"), "reason": "Own wish", **said}


def test_a_withdrawal_is_recorded_told_and_taken_back(cast):
    """TRIAL-170: with date and reason; the story names who; taken back with a reason, both stay."""
    participant = cast.consented()
    client = cast.client_of(cast.theo_coordinator)
    address = f"/participants/{participant.code}/status/"
    assert client.post(address, status_form())["Location"] == address
    participant.refresh_from_db()
    assert (participant.status, participant.withdrawn_visits_on) == (Status.WITHDRAWN, clock.today())
    page = words(client.get(address))
    assert "Withdrawn from visits" in page
    assert "Own wish" in page
    assert "Théo Coordinator" in page
    back = f"{address}reverse/"
    assert client.post(back, {"kind": "withdrawn_visits", "reason": ""}).status_code == 422
    assert client.post(back, {"kind": "withdrawn_visits", "reason": "Wrong participant"}).status_code == 302
    participant.refresh_from_db()
    assert participant.withdrawn_visits_on is None
    page = words(client.get(address))
    assert "taken back" in page
    assert "Wrong participant" in page
    assert client.post(back, {"kind": "withdrawn_visits", "reason": "Again"}).status_code == 422


@pytest.mark.parametrize(
    "said",
    [
        {"on": "01/01/2000"},
        {"on": "not a day"},
        {"reason": ""},
        {"kind": "died"},
        {"kind": ""},
        {"on": "01/01/2199"},
    ],
)
def test_a_status_that_cannot_be_is_refused_and_kept(cast, said):
    """TRIAL-171: before consent, in the future, without reason, or a status that follows from a form."""
    participant = cast.consented()
    client = cast.client_of(cast.theo_coordinator)
    answer = client.post(f"/participants/{participant.code}/status/", status_form(detail="Typed words", **said))
    assert answer.status_code == 422
    assert "Typed words" in words(answer)
    participant.refresh_from_db()
    assert participant.status == Status.SCREENING


def test_before_consent_there_is_no_withdrawal(cast):
    """TRIAL-172: the page leads to closing the screening instead."""
    participant = cast.screened()
    page = words(cast.client_of(cast.theo_coordinator).get(f"/participants/{participant.code}/status/"))
    assert "No consent is recorded yet" in page
    assert 'name="kind"' not in page


def test_who_reads_the_status_changes_nothing(cast):
    """TRIAL-173: a monitor sees the story, has no form, and is refused when posting."""
    participant = cast.consented()
    client = cast.client_of(cast.mona_monitor)
    address = f"/participants/{participant.code}/status/"
    assert 'name="kind"' not in words(client.get(address))
    assert client.post(address, status_form()).status_code == 403
    assert client.post(f"{address}reverse/", {"kind": "lost", "reason": "x"}).status_code == 403
    participant.refresh_from_db()
    assert participant.status == Status.SCREENING


def test_the_second_of_two_equal_withdrawals_is_refused(cast):
    """TRIAL-174: two people at once: one line, and words for the second."""
    participant = cast.consented()
    statuses.record_by_hand(
        participant=participant, kind="lost", on=clock.today(), reason="No answer", by=cast.ines_investigator
    )
    answer = cast.client_of(cast.theo_coordinator).post(
        f"/participants/{participant.code}/status/", status_form(kind="lost")
    )
    assert answer.status_code == 422
    assert participant.status_changes.filter(kind="lost").count() == 1


def test_dates_are_shown_with_the_month_in_letters(cast):
    """TRIAL-175: in the person's language."""
    from trial.actions import people

    participant = cast.screened()
    people.set_locale(person=cast.theo_coordinator, locale="fr", by=cast.theo_coordinator)
    page = words(cast.client_of(cast.theo_coordinator).get(f"/participants/{participant.code}/status/"))
    from trial.presenters import date_words

    assert date_words(clock.today(), "fr") in page
    assert isinstance(clock.today(), dt.date)


FORGED = ["01-999", "01-1", "99-001", "01-001 ", "01-001%00", "01-001%27--", "..%2F01-001", "%C3%A9-001", "0" * 300]


@pytest.mark.parametrize("code", FORGED)
def test_a_forged_participant_code_is_not_found(cast, code):
    """TRIAL-305: whatever is put in place of a code, every page answers “not found”, and nothing is written."""
    cast.screened()
    client = cast.client_of(cast.theo_coordinator)
    before = Deed.objects.count()
    for rest in ("", "status/", "eligibility/", "randomize/", "allocation/", "allocation.pdf"):
        assert client.get(f"/participants/{code}/{rest}").status_code == 404
    for address in (f"/screening/{code}/close/", f"/participants/{code}/randomize/", f"/participants/{code}/status/"):
        assert client.post(address, {"reason": "OTHER", "detail": "x", "password": "x"}).status_code == 404
    assert Deed.objects.count() == before
