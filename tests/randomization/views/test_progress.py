"""The report of a running list: counts without arms for who sees lists, balance by arm for those with the right."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Deed
from randomization.models import Allocation, AllocationList
from randomization.progress import progress
from randomization.selectors import course_by_arm, course_of
from tests.cast import Cast
from tests.randomization.conftest import three_randomized
from tests.randomization.marked import MARK
from trial.models import Participant

pytestmark = pytest.mark.django_db
MOST_STATEMENTS = 15


def words_of(answer: object) -> str:
    return " ".join(answer.content.decode().split())


def without_tokens(answer: object) -> str:
    """The page without what differs between any two answers."""
    token = r'name="csrfmiddlewaretoken" value="[^"]*"|<meta name="csrf-token" content="[^"]*">|nonce="[^"]*"'
    return re.sub(token, "", words_of(answer))


@pytest.fixture
def allocated(marked_cast: Cast) -> tuple[Cast, AllocationList, list[Participant]]:
    participants = three_randomized(marked_cast)
    return marked_cast, marked_cast.list_in_use(), participants


def test_counts_are_shown_without_arms_and_balance_only_to_those_who_may(
    allocated: tuple[Cast, AllocationList, list[Participant]],
) -> None:
    """RND-SIM-71: by stratum, by site, by month; the arms after a click that the ledger keeps, for one role alone."""
    cast, made, participants = allocated
    page = f"/randomization/{made.pk}/progress/"
    for person in (cast.bruno_blinded, cast.aude_auditor, cast.stella_statistician):
        client = cast.client_of(person)
        client.get(page)
        with CaptureQueriesContext(connection) as statements:
            answer = client.get(page)
        assert answer.status_code == 200 and len(statements) <= MOST_STATEMENTS
        words = without_tokens(answer)  # a token may hold the mark by chance
        assert "3 participants allocated" in words and "By stratum" in words and "By month" in words
        assert MARK not in words.lower() and "Imbalance" not in words
        assert not any(participant.code in words for participant in participants)
        assert ("Show participants by arm" in words) == (person == cast.stella_statistician)
        assert '"randomization_allocation"."arm"' not in " ".join(q["sql"] for q in statements.captured_queries)
    assert not Deed.objects.filter(verb="list.balance_read").exists()

    for person in (cast.bruno_blinded, cast.aude_auditor):
        refused = cast.client_of(person).post(page)
        assert refused.status_code == 403 and MARK not in without_tokens(refused).lower()
    client = cast.client_of(cast.stella_statistician)
    shown = words_of(client.post(page))
    assert all(arm.label["en"] in shown for arm in cast.definition.arms.values())
    assert "Imbalance after each allocation" in shown
    deed = Deed.objects.get(verb="list.balance_read")
    assert (deed.by_id, deed.target_id) == (cast.stella_statistician.pk, str(made.pk))
    client.post("/language/", {"language": "fr", "next": "/"})
    french = words_of(client.post(page))
    assert "Avancement de la liste" in french and "Par strate" in french and "Déséquilibre" in french
    assert "Imbalance" not in french and "By month" not in french


def test_roles_without_the_right_to_see_lists_are_refused(cast: Cast) -> None:
    """RND-SIM-72: sites, sponsor, monitor, administrator; and there is no progress of a list that is not there."""
    made = cast.list_in_use()
    page = f"/randomization/{made.pk}/progress/"
    for person in (cast.theo_coordinator, cast.paul_sponsor, cast.mona_monitor, cast.adam_admin):
        client = cast.client_of(person)
        assert client.get(page).status_code == 403 and client.post(page).status_code == 403
    client = cast.client_of(cast.stella_statistician)
    assert client.get("/randomization/999/progress/").status_code == 404
    assert "Nobody is allocated yet" in words_of(client.get(page))


def test_balance_is_counted_by_stratum_site_and_month_and_a_blinded_page_is_the_same_whatever_the_arms(
    allocated: tuple[Cast, AllocationList, list[Participant]],
) -> None:
    """RND-SIM-73: tables add up; exchange the arms of everybody, and a blinded person's page changes by no letter."""
    cast, made, _participants = allocated
    given = course_by_arm(cast.stella_statistician, made)
    found = progress(made, given, by_arm=True)
    arms = sorted(made.arms)
    counts = [sum(1 for one in given if one.arm == arm) for arm in arms]
    by_stratum, by_site, by_month = found.tables
    for table in (by_stratum, by_site):
        assert sum(int(row[1]) for row in table.rows) == 3
        assert [sum(int(row[-3 + at]) for row in table.rows) for at in (0, 1)] == counts
        for row in table.rows:
            assert int(row[-1]) == abs(int(row[-3]) - int(row[-2]))
    assert [int(cell) for cell in by_month.rows[-1][-3:]] == [*counts, abs(counts[0] - counts[1])]
    assert len(by_stratum.rows) == len(made.strata)
    plain = progress(made, course_of(cast.bruno_blinded, made), by_arm=False)
    assert [len(table.heads) + 3 for table in plain.tables] == [len(table.heads) for table in found.tables]
    assert [picture.title for picture in plain.pictures] == ["Allocated so far"]

    blinded, unblinded = cast.client_of(cast.bruno_blinded), cast.client_of(cast.stella_statistician)
    page = f"/randomization/{made.pk}/progress/"
    before, seen = without_tokens(blinded.get(page)), without_tokens(unblinded.post(page))
    _exchange(arms)
    assert without_tokens(blinded.get(page)) == before
    assert without_tokens(unblinded.post(page)) != seen
    _exchange(arms)  # as they were given: the database compares them with their history at the end


def _exchange(arms: list[str]) -> None:
    """Give everybody the other arm, past every action."""
    for allocation in Allocation.objects.all():
        Allocation.objects.filter(pk=allocation.pk).update(arm=arms[1 - arms.index(allocation.arm)])
