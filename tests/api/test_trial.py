"""Me, the study, participants and visits, each: works; wrong role; wrong site; wrong state; second try; bad input."""

from __future__ import annotations

import datetime as dt
from typing import Any

import audit
from audit import clock
from audit.models import Deed
from tests.cast import Cast
from trial.actions import people
from trial.models import Participant, Visit

# --- Me


def test_me_says_who_and_what_and_where(api: Any, cast: Cast) -> None:
    """API-020."""
    me = api(cast.theo_coordinator).get("me/").body
    assert me["name"] == "Théo Coordinator"
    assert me["roles"] == [{"role": "coordinator", "label": "Site coordinator", "site": "01"}]
    held = {each["permission"]: each for each in me["permissions"]}
    assert held["participant.randomize"] == {
        "permission": "participant.randomize",
        "everywhere": False,
        "sites": ["01"],
    }
    assert "query.ask" not in held


def test_me_of_somebody_at_every_site(api: Any, cast: Cast) -> None:
    """API-020."""
    me = api(cast.dan_data_manager).get("me/").body
    assert me["roles"] == [{"role": "data_manager", "label": "Data manager", "site": None}]
    assert {"permission": "record.lock", "everywhere": True, "sites": []} in me["permissions"]


def test_me_without_a_role_is_empty(api: Any, cast: Cast) -> None:
    """API-020: a delegation that ended gives nothing."""
    delegation = cast.theo_coordinator.delegations.get()
    yesterday = clock.today() - dt.timedelta(days=1)
    people.end_delegation(delegation=delegation, on=yesterday, by=cast.adam_admin, reason="Left")
    me = api(cast.theo_coordinator).get("me/").body
    assert (me["roles"], me["permissions"]) == ([], [])


# --- The study


def test_the_study_and_its_versions(api: Any, cast: Cast) -> None:
    """API-021."""
    study = api(cast.theo_coordinator).get("study/").body
    assert study["code"] == "STORM01"
    assert study["version"]["content_hash"] == cast.version.content_hash
    assert [each["number"] for each in study["versions"]] == [cast.version.number]
    assert {arm["id"] for arm in study["arms"]} == {"SRT", "SWITCH"}


def test_a_form_is_told_whole(api: Any, cast: Cast) -> None:
    """API-021: everything that a program needs to fill it."""
    form = api(cast.theo_coordinator).get("study/forms/laboratory/").body
    items = {item["id"]: item for group in form["groups"] for item in group["items"]}
    assert set(items) == set(cast.definition.form("laboratory").items)
    hgb = items["hgb"]
    assert (hgb["type"], hgb["unit"], hgb["required"]) == ("decimal", "g/dL", True)
    assert hgb["units"]
    assert form["checks"] or not cast.definition.form("laboratory").checks


def test_every_form_and_the_visit_plan(api: Any, cast: Cast) -> None:
    """API-021."""
    client = api(cast.theo_coordinator)
    forms = client.get("study/forms/").body
    assert [form["id"] for form in forms] == list(cast.definition.forms)
    for form in forms:
        found = client.get(f"study/forms/{form['id']}/").body
        assert sum(len(group["items"]) for group in found["groups"]) == form["items"]
    visits = client.get("study/visits/").body
    assert [visit["id"] for visit in visits] == [visit.id for visit in cast.definition.visits]


def test_the_study_is_for_people_of_the_study(api: Any, cast: Cast) -> None:
    """API-021."""
    stranger = people.create(
        email="stranger@example.org", given_name="S", family_name="T", password=cast.PASSWORD, by=None
    )
    for address in ("study/", "study/forms/", "study/forms/laboratory/", "study/visits/"):
        assert api(stranger).get(address).code == "permission.study.view"


def test_what_the_study_does_not_have(api: Any, cast: Cast) -> None:
    """API-021."""
    for asked in ["study/?version=99", "study/forms/nothing/", "study/forms/?version=99"]:
        assert api(cast.theo_coordinator).get(asked).status == 404


def test_a_version_that_is_none(api: Any, cast: Cast) -> None:
    """API-021."""
    for version in ["x", "-1", "0", "1.5", "9" * 30, "%00"]:
        assert api(cast.theo_coordinator).get(f"study/?version={version}").status == 422


# --- Participants


def test_participants_of_the_persons_sites_only(api: Any, cast: Cast) -> None:
    """API-022."""
    ours, theirs = cast.screened(), cast.screened(by=cast.oscar_coordinator, site=cast.other_site)
    assert [row["code"] for row in api(cast.theo_coordinator).get("participants/").body["results"]] == [ours.code]
    assert [row["code"] for row in api(cast.oscar_coordinator).get("participants/").body["results"]] == [theirs.code]
    assert api(cast.dan_data_manager).get("participants/").body["count"] == 2


def test_participants_are_filtered(api: Any, cast: Cast) -> None:
    """API-022."""
    cast.screened()
    cast.screened(by=cast.oscar_coordinator, site=cast.other_site)
    client = api(cast.dan_data_manager)
    assert client.get("participants/?site=02").body["count"] == 1
    assert client.get("participants/?site=77").body["count"] == 0
    assert client.get("participants/?status=screening").body["count"] == 2
    assert client.get("participants/?status=died").body["count"] == 0
    assert api(cast.theo_coordinator).get("participants/?site=02").body["count"] == 0
    assert client.get("participants/?status=happy").status == 422
    assert client.get("participants/?site=%00").status == 422


def test_participants_are_not_for_every_role(api: Any, cast: Cast) -> None:
    """API-022: who has no clinical role sees none, and an existing code looks as one that nobody has."""
    participant = cast.screened()
    for person in (cast.adam_admin, cast.stella_statistician, cast.bruno_blinded):
        client = api(person)
        assert client.get("participants/").code == "permission.participant.view"
        assert client.get(f"participants/{participant.code}/").body == client.get("participants/01-999/").body


def test_one_participant(api: Any, cast: Cast) -> None:
    """API-023."""
    participant = cast.consented()
    found = api(cast.mona_monitor).get(f"participants/{participant.code}/").body
    assert found["code"] == participant.code
    assert found["site"] == "01"
    assert found["consented_on"] == participant.consented_on.isoformat()
    assert found["version"] == cast.version.number


BELOW = ["", "visits/", "visits/{visit}/", "records/", "visits/{visit}/forms/consent/", "log/lesion/1/", "eligibility/",
         "allocation/"]  # fmt: skip


def test_another_sites_participant_looks_as_one_that_does_not_exist(api: Any, cast: Cast) -> None:
    """API-024: the same words and as many statements, so nobody learns which codes are taken."""
    participant = cast.randomized()
    visit = cast.visit(participant, "SCR")
    ours, theirs = api(cast.theo_coordinator), api(cast.oscar_coordinator)
    for below in (each.format(visit=visit.pk) for each in BELOW):
        assert ours.get(f"participants/{participant.code}/{below}").status == 200, below
        taken, free = theirs.get(f"participants/{participant.code}/{below}"), theirs.get(f"participants/01-999/{below}")
        assert (taken.status, taken.body, taken.queries) == (404, free.body, free.queries), below


def test_a_forged_code_is_not_found(api: Any, cast: Cast) -> None:
    """API-024."""
    cast.screened()
    client = api(cast.theo_coordinator)
    for code in ("%00", "01-001%00", "..", "%F0%9F%92%A9", "a" * 500, "01-001;x", "1' OR 1=1"):
        for below in BELOW:
            assert client.get(f"participants/{code}/{below.format(visit=1)}", valid=False).status == 404


def test_a_screening_is_opened(api: Any, cast: Cast) -> None:
    """API-025."""
    answer = api(cast.theo_coordinator).post("participants/", {"site": "01"})
    assert answer.status == 201
    participant = Participant.objects.get(code=answer.body["code"])
    assert participant.screened_on == clock.today()
    assert Visit.objects.filter(participant=participant, event="SCR").exists()
    assert Deed.objects.filter(verb="participant.screened", by_id=cast.theo_coordinator.pk).count() == 1


def test_a_screening_at_another_site_is_refused_as_at_a_site_that_does_not_exist(api: Any, cast: Cast) -> None:
    """API-025."""
    client = api(cast.theo_coordinator)
    other, none = client.post("participants/", {"site": "02"}), client.post("participants/", {"site": "99"})
    assert other.status == 422
    assert other.body == none.body
    assert not Participant.objects.exists()


def test_screening_belongs_to_site_staff(api: Any, cast: Cast) -> None:
    """API-025."""
    for person in (cast.mona_monitor, cast.paul_sponsor, cast.rose_radiation, cast.aude_auditor):
        answer = api(person).post("participants/", {"site": "01"})
        assert (answer.status, answer.code) == (403, "permission.participant.screen")
        assert not Participant.objects.exists()


def test_a_closed_site_screens_nobody(api: Any, cast: Cast) -> None:
    """API-025: wrong state."""
    cast.site.closed_on = clock.today()
    audit.save(cast.site, by=None)
    answer = api(cast.theo_coordinator).post("participants/", {"site": "01"})
    assert answer.status == 422
    assert "01" in answer.body["message"]


# --- Visits


def _address(participant: Participant, visit: Visit) -> str:
    return f"participants/{participant.code}/visits/{visit.pk}/"


def test_the_visits_of_a_participant(api: Any, cast: Cast) -> None:
    """API-026."""
    participant = cast.consented()
    found = api(cast.mona_monitor).get(f"participants/{participant.code}/visits/").body["results"]
    (screening,) = [visit for visit in found if visit["event"] == "SCR"]
    assert screening["status"] == "done"
    assert screening["actual_on"] == clock.today().isoformat()
    assert "consent" in screening["forms"]


def test_a_visit_takes_place(api: Any, cast: Cast) -> None:
    """API-027: recorded once; the same again changes nothing; another day needs its reason."""
    participant = cast.screened()
    visit = cast.visit(participant, "SCR")
    client, today = api(cast.theo_coordinator), clock.today().isoformat()
    first = client.patch(_address(participant, visit), {"actual_on": today})
    assert (first.status, first.body["status"]) == (200, "done")
    assert client.patch(_address(participant, visit), {"actual_on": today}).body == first.body
    assert Deed.objects.filter(verb="visit.dated").count() == 1


def test_a_visit_is_moved_only_with_a_reason(api: Any, cast: Cast) -> None:
    """API-027."""
    participant = cast.randomized()
    visit = cast.visit(participant, "SCR")
    yesterday = {"actual_on": (clock.today() - dt.timedelta(days=1)).isoformat()}
    client = api(cast.theo_coordinator)
    refused = client.patch(_address(participant, visit), yesterday)
    assert refused.status == 422
    visit.refresh_from_db()
    assert visit.actual_on == clock.today()


def test_what_cannot_have_happened_to_a_visit(api: Any, cast: Cast) -> None:
    """API-027: bad input and wrong state; nothing is changed."""
    participant = cast.consented()
    visit = cast.visit(participant, "SCR")
    client = api(cast.theo_coordinator)
    impossible: list[dict[str, Any]] = [
        {},
        {"actual_on": "2026-03-02", "missed_reason": "Ill"},
        {"missed_reason": ""},
        {"missed_reason": "x" * 301},
        {"actual_on": "yesterday"},
        {"actual_on": "2999-01-01"},
        {"actual_on": "1999-01-01"},
        {"actual_on": None},
        {"missed_reason": "It took place"},
    ]
    for body in impossible:
        answer = client.patch(_address(participant, visit), body)
        assert answer.status == 422, body
        assert answer.body["message"]
        visit.refresh_from_db()
        assert (visit.actual_on, visit.status) == (clock.today(), "done")


def test_a_visit_is_missed_and_then_has_no_date(api: Any, cast: Cast) -> None:
    """API-028: planned for today, missed with its reason; later ones cannot be missed yet."""
    participant = cast.screened()
    visit = cast.visit(participant, "SCR")
    client = api(cast.ines_investigator)
    answer = client.patch(_address(participant, visit), {"missed_reason": "In hospital elsewhere"})
    assert (answer.status, answer.body["status"], answer.body["missed_reason"]) == (
        200,
        "missed",
        "In hospital elsewhere",
    )
    assert Deed.objects.filter(verb="visit.missed", by_id=cast.ines_investigator.pk).count() == 1
    later = cast.randomized()
    refused = client.patch(_address(later, cast.visit(later, "M3")), {"missed_reason": "Not now"})
    assert refused.status == 422


def test_visits_are_recorded_by_site_staff(api: Any, cast: Cast) -> None:
    """API-027."""
    participant = cast.screened()
    address = _address(participant, cast.visit(participant, "SCR"))
    for person in (cast.mona_monitor, cast.rose_radiation, cast.paul_sponsor, cast.dan_data_manager):
        answer = api(person).patch(address, {"actual_on": clock.today().isoformat()})
        assert (answer.status, answer.code) == (403, "permission.visit.record")


def test_a_visit_of_somebody_else_is_not_found(api: Any, cast: Cast) -> None:
    """API-027: a visit's number with another participant's code, or of another site."""
    one, other = cast.screened(), cast.screened()
    client = api(cast.theo_coordinator)
    assert client.get(_address(one, cast.visit(other, "SCR"))).status == 404
    assert client.patch(_address(one, cast.visit(other, "SCR")), {"missed_reason": "x"}).status == 404
    assert client.get(f"participants/{one.code}/visits/{10**30}/").status == 404
    theirs = api(cast.oscar_coordinator)
    assert theirs.patch(_address(one, cast.visit(one, "SCR")), {"missed_reason": "x"}).status == 404
