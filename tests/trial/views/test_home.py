"""The home page: what is waiting, by role."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from audit import clock
from trial import home_panels, panels
from trial.actions import people
from trial.models import Participant

from .helpers import MOST_QUERIES, counted, words

pytestmark = pytest.mark.django_db


def long_ago(days: int):
    return clock.simulated(timezone.now() - dt.timedelta(days=days))


def test_site_staff_see_their_overdue_and_due_visits(cast):
    """TRIAL-190: overdue first, with how late; another site's are not there."""
    with long_ago(100):
        late = cast.screened()
    due = cast.screened()
    other = cast.screened(by=cast.oscar_coordinator, site=cast.other_site)
    page = words(cast.client_of(cast.theo_coordinator).get("/"))
    assert "Visits overdue" in page
    assert f"{late.code} · Screening" in page
    assert "days late" in page
    assert f"{due.code} · Screening" in page
    assert other.code not in page
    assert page.index("Visits overdue") < page.index("Visits due this week")


def test_a_done_visit_waits_no_more(cast):
    """TRIAL-191: what is settled is not on the page; the words say that all is done."""
    from trial.actions import visits

    with long_ago(100):
        participant = cast.screened()
        visits.record_date(visit=cast.visit(participant, "SCR"), on=clock.today(), by=cast.theo_coordinator)
    panel = panels.visits_overdue(cast.theo_coordinator)
    assert panel is not None
    assert panel.is_empty
    assert panel.empty == "No visit is overdue."


def test_panels_are_bounded(cast, django_assert_num_queries):
    """TRIAL-192: six rows and the count of all, in one statement whatever the number of participants."""
    for _n in range(9):
        cast.screened()
    person = cast.theo_coordinator
    panels.in_screening(person)
    with django_assert_num_queries(1):
        panel = panels.in_screening(person)
    assert panel is not None
    assert (len(panel.rows), panel.count, panel.more) == (home_panels.ROWS, 9, 3)
    answer, count = counted(cast.client_of(person), "/")
    assert answer.status_code == 200
    assert count <= MOST_QUERIES


def test_accrual_stands_against_the_plan_without_arms(cast):
    """TRIAL-193: whole-study roles see totals; months without anybody are drawn too; no arm, no pathway."""
    participant = cast.randomized()
    page = words(cast.client_of(cast.paul_sponsor).get("/"))
    assert "Accrual" in page
    assert "1 / 114" in page
    pathway = Participant.objects.get(pk=participant.pk).pathway
    assert pathway
    for arm in cast.definition.arms.values():
        assert cast.definition.text(arm.label, "en") not in page
        assert f">{arm.id}<" not in page
    chart = panels.accrual_chart({clock.today().replace(day=1): 1}, clock.today(), per_month=3)
    assert len(chart["bars"]) == panels.BARS
    assert [bar["count"] for bar in chart["bars"]] == [0] * (panels.BARS - 1) + [1]
    assert panels.accrual(cast.theo_coordinator) is None
    assert panels.accrual(cast.adam_admin) is None


@pytest.mark.parametrize(("gone", "planned"), [(-1, 0), (0, 0), (38 * 30.4375, 114), (3000, 114), (19 * 30.4375, 57)])
def test_the_plan_is_even_over_its_months(gone, planned):
    """TRIAL-194: from the first site's opening, never above the target."""
    from trial.listings import Accrual

    opened = dt.date(2024, 1, 1)
    figures = Accrual(by_month=(), opened_on=opened, sites_open=1)
    assert figures.planned_by(opened + dt.timedelta(days=round(gone)), target=114, months=38) == planned
    assert Accrual((), None, 0).planned_by(opened, target=114, months=38) == 0


def test_the_administrator_sees_roles_that_end(cast):
    """TRIAL-195: within thirty days, with the person's page."""
    delegation = cast.theo_coordinator.delegations.get()
    people.end_delegation(
        delegation=delegation, on=clock.today() + dt.timedelta(days=10), by=cast.adam_admin, reason="End of contract"
    )
    page = words(cast.client_of(cast.adam_admin).get("/"))
    assert "Roles that end within 30 days" in page
    assert f"/people/{cast.theo_coordinator.pk}/" in page


def test_who_has_nothing_to_do_is_told_so(cast):
    """TRIAL-196: an empty day has words of its own."""
    page = words(cast.client_of(cast.bruno_blinded).get("/"))
    assert "Accrual" in page
    page = words(cast.client_of(cast.adam_admin).get("/"))
    assert "Nothing is waiting for you" in page


def test_rooms_register_panels_and_none_means_not_for_them(cast, monkeypatch):
    """TRIAL-197: the registry orders panels, empty ones last; None leaves a panel out."""
    monkeypatch.setattr(home_panels, "_panels", {})
    made = home_panels.Panel("Second", "bell", rows=[home_panels.Row("a line", "/x/", when="today")])
    home_panels.register("b", lambda person: made, order=20)
    home_panels.register("a", lambda person: home_panels.Panel("First but empty", "bell", empty="Done."), order=10)
    home_panels.register("c", lambda person: None, order=5)
    assert [panel.title for panel in home_panels.panels_for(cast.theo_coordinator)] == ["Second", "First but empty"]
    page = words(cast.client_of(cast.theo_coordinator).get("/"))
    assert "a line" in page
    assert "Done." in page


def test_counts_in_the_navigation_are_the_persons_own(cast):
    """TRIAL-198: overdue visits of the own site, capped at 99+."""
    from trial import navigation

    with long_ago(100):
        cast.screened()
        cast.screened()
        cast.screened(by=cast.oscar_coordinator, site=cast.other_site)
    counts = navigation.waiting_for(cast.theo_coordinator).counts
    assert counts["participants"] == 2
    items = navigation.items(cast.theo_coordinator, {"participants": 100}, "/participants/01-001/")
    found = next(item for item in items if item["url"] == "/participants/")
    assert (found["count"], found["current"]) == ("99+", True)
