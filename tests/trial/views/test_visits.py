"""Visits: dates, missed, added."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from audit import clock
from trial.actions import visits as actions
from trial.models import Visit, VisitStatus

from .helpers import bare, words

pytestmark = pytest.mark.django_db


def typed(day: dt.date) -> str:
    return day.strftime("%d/%m/%Y")


def address_of(visit: Visit) -> str:
    return f"/participants/{visit.participant.code}/visits/{visit.pk}/"


def test_the_day_of_a_visit_is_recorded(cast):
    """TRIAL-180: the page shows plan and window, takes the day, and lists the forms."""
    visit = cast.visit(cast.screened(), "SCR")
    client = cast.client_of(cast.theo_coordinator)
    page = words(client.get(address_of(visit)))
    assert "Informed consent" in page
    assert 'name="reason"' not in page.split("The visit was missed")[0]
    assert client.post(address_of(visit), {"deed": "date", "on": typed(clock.today())}).status_code == 302
    visit.refresh_from_db()
    assert (visit.actual_on, visit.status) == (clock.today(), VisitStatus.DONE)


def test_changing_a_day_asks_for_the_reason(cast):
    """TRIAL-181: without it the page keeps the new day and asks; with it history has both."""
    with clock.simulated(timezone.now() - dt.timedelta(days=20)):
        participant = cast.screened()
        first = clock.today()
        visit = actions.record_date(visit=cast.visit(participant, "SCR"), on=first, by=cast.theo_coordinator)
    client = cast.client_of(cast.theo_coordinator)
    later = typed(first + dt.timedelta(days=2))
    refused = client.post(address_of(visit), {"deed": "date", "on": later, "reason": ""})
    assert refused.status_code == 422
    assert f'value="{later}"' in words(refused)
    assert client.post(address_of(visit), {"deed": "date", "on": later, "reason": "Typing error"}).status_code == 302
    visit.refresh_from_db()
    assert visit.actual_on == first + dt.timedelta(days=2)
    assert visit.history.order_by("-history_id").first().history_change_reason == "Typing error"


@pytest.mark.parametrize("day", ["", "x", "01/01/2199", "01/01/2001"])
def test_a_day_that_cannot_be_is_refused(cast, day):
    """TRIAL-182: future, before screening, or none; nothing is written."""
    visit = cast.visit(cast.screened(), "SCR")
    answer = cast.client_of(cast.theo_coordinator).post(address_of(visit), {"deed": "date", "on": day})
    assert answer.status_code == 422
    visit.refresh_from_db()
    assert visit.actual_on is None


def test_a_day_outside_the_window_is_kept_with_a_warning(cast):
    """TRIAL-183: the window warns, it does not refuse."""
    with clock.simulated(timezone.now() - dt.timedelta(days=100)):
        visit = cast.visit(cast.screened(), "SCR")
    client = cast.client_of(cast.theo_coordinator)
    client.post(address_of(visit), {"deed": "date", "on": typed(clock.today())})
    visit.refresh_from_db()
    assert visit.actual_on == clock.today()
    late = (clock.today() - visit.window_end).days
    assert f"{late} days after its window had closed" in words(client.get(address_of(visit)))


def test_a_visit_is_missed_and_opened_again(cast):
    """TRIAL-184: with a reason each; a visit that took place cannot be missed."""
    visit = cast.visit(cast.screened(), "SCR")
    client = cast.client_of(cast.theo_coordinator)
    assert client.post(address_of(visit), {"deed": "missed", "reason": " "}).status_code == 422
    assert client.post(address_of(visit), {"deed": "missed", "reason": "Did not come"}).status_code == 302
    visit.refresh_from_db()
    assert (visit.status, visit.missed_reason) == (VisitStatus.MISSED, "Did not come")
    assert "Did not come" in words(client.get(address_of(visit)))
    assert client.post(address_of(visit), {"deed": "reopen", "reason": "Came after all"}).status_code == 302
    visit.refresh_from_db()
    assert visit.status == VisitStatus.PLANNED
    client.post(address_of(visit), {"deed": "date", "on": typed(clock.today())})
    refused = client.post(address_of(visit), {"deed": "missed", "reason": "Typed words"})
    assert refused.status_code == 422
    visit.refresh_from_db()
    assert visit.status == VisitStatus.DONE


@pytest.mark.parametrize("deed", ["date", "missed", "reopen"])
def test_only_site_staff_record_visits(cast, deed):
    """TRIAL-185: who only reads has no form and is refused; another site's visit is not found."""
    visit = cast.visit(cast.screened(), "SCR")
    client = cast.client_of(cast.mona_monitor)
    assert 'name="deed"' not in words(client.get(address_of(visit)))
    posted = {"deed": deed, "on": typed(clock.today()), "reason": "x"}
    assert client.post(address_of(visit), posted).status_code == 403
    assert cast.client_of(cast.oscar_coordinator).post(address_of(visit), posted).status_code == 404
    other = cast.screened(by=cast.oscar_coordinator, site=cast.other_site)
    mixed = f"/participants/{visit.participant.code}/visits/{cast.visit(other, 'SCR').pk}/"
    assert cast.client_of(cast.theo_coordinator).get(mixed).status_code == 404


def test_a_visit_of_one_arm_is_not_found_by_who_may_not_know(cast):
    """TRIAL-186: for somebody without the right to arms, such a visit does not exist."""
    participant = cast.randomized()
    revealing = Visit.objects.filter(participant=participant, reveals_arm=True).first()
    assert revealing is not None
    revealing.participant = participant
    assert cast.client_of(cast.theo_coordinator).get(address_of(revealing)).status_code == 200
    answer = cast.client_of(cast.paul_sponsor).get(address_of(revealing))
    nothing = cast.client_of(cast.paul_sponsor).get(f"/participants/{participant.code}/visits/999999/")
    assert answer.status_code == nothing.status_code == 404
    assert bare(answer, f"visits/{revealing.pk}") == bare(nothing, "visits/999999")


def test_an_unscheduled_visit_is_added(cast):
    """TRIAL-187: with its day, as often as needed; a forged visit is refused."""
    participant = cast.consented()
    client = cast.client_of(cast.theo_coordinator)
    address = f"/participants/{participant.code}/visits/add/"
    assert "Unscheduled visit" in words(client.get(address))
    for number in (1, 2):
        assert client.post(address, {"event": "UNS", "on": typed(clock.today())}).status_code == 302
        assert Visit.objects.filter(participant=participant, event="UNS").count() == number
    assert client.post(address, {"event": "M3", "on": typed(clock.today())}).status_code == 422
    assert client.post(address, {"event": "UNS", "on": "01/01/2199"}).status_code == 422
    assert Visit.objects.filter(participant=participant, event="UNS").count() == 2


def test_before_consent_no_visit_is_added(cast):
    """TRIAL-188: the page says why."""
    participant = cast.screened()
    client = cast.client_of(cast.theo_coordinator)
    address = f"/participants/{participant.code}/visits/add/"
    assert "No visit can be added now" in words(client.get(address))
    assert client.post(address, {"event": "UNS", "on": typed(clock.today())}).status_code == 422
    assert cast.client_of(cast.mona_monitor).get(address).status_code == 403
