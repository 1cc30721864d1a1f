"""The report of a running list: counts without arms for who sees lists, balance by arm for those with the right."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import audit
from audit import clock
from audit.models import Deed
from audit.server import spelled_out
from randomization.actions import lists
from randomization.models import Allocation, AllocationList
from randomization.progress import progress
from randomization.selectors import counts_by_arm, counts_by_stratum, course_by_arm, course_of, free_by_stratum
from tests.cast import Cast
from tests.randomization.actions.test_emergency import pages_of, stratum_of, telling, waiting
from tests.randomization.actions.test_minimization_counts import on_paper, running
from tests.randomization.conftest import three_randomized
from tests.randomization.marked import MARK
from trial.actions import transfers
from trial.models import Participant, Role

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
        with spelled_out(), CaptureQueriesContext(connection) as statements:
            answer = client.get(page)
        assert answer.status_code == 200 and len(statements) <= MOST_STATEMENTS
        words = without_tokens(answer)  # a token may hold the mark by chance
        assert "3 participants allocated" in words and "By stratum" in words and "By month" in words
        assert MARK not in words.lower() and "Imbalance" not in words
        assert not any(participant.code in words for participant in participants)
        assert ("Show participants by arm" in words) == (person == cast.stella_statistician)
        sent = " ".join(query["sql"] for query in statements.captured_queries)
        assert '"randomization_allocation"' in sent and '"randomization_allocation"."arm"' not in sent
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


def test_an_allocation_stays_at_its_site_when_the_participant_moves(
    allocated: tuple[Cast, AllocationList, list[Participant]],
) -> None:
    """RND-SIM-77: the report is of what the list gave and where, not of where people are now."""
    cast, made, participants = allocated
    before = [given.site for given in course_of(cast.stella_statistician, made)]

    transfers.transfer(
        participant=participants[1], to_site=cast.other_site, on=clock.today(), reason="Has moved",
        by=cast.dan_data_manager,
    )  # fmt: skip

    assert Participant.objects.get(pk=participants[1].pk).site == cast.other_site
    assert [given.site for given in course_of(cast.stella_statistician, made)] == before == [cast.site.number] * 3


def test_who_was_allocated_on_paper_counts_at_the_true_time(cast: Cast) -> None:
    """RND-SIM-74: in the table of the list, by arm, and in the course: where it happened, not where it was entered."""
    with clock.simulated(clock.now() - dt.timedelta(days=1)):
        made = cast.list_in_use()
    participant = waiting(cast)
    page = pages_of(cast, made, stratum_of(participant))[0]
    later = cast.randomized()
    cast.made_sure(participant)
    paper = telling(cast, participant, page)()
    assert (later.allocation.number, paper.number) == (1, 2)
    given = course_by_arm(cast.stella_statistician, made)
    assert [(one.at, one.arm) for one in given] == [
        (one.allocated_at, one.arm) for one in (paper, later.allocation)
    ]  # fmt: skip
    counts = counts_by_arm(cast.stella_statistician, made)
    assert sum(sum(arms.values()) for arms in counts.values()) == 2
    assert counts[paper.stratum][paper.arm] >= 1
    client = cast.client_of(cast.stella_statistician)
    words = words_of(client.get(f"/randomization/{made.pk}/"))
    assert "2 participants allocated" in words and "On paper" in words
    assert "2 participants allocated" in words_of(client.get(f"/randomization/{made.pk}/progress/"))
    free = free_by_stratum(cast.stella_statistician, made)
    used = counts_by_stratum(cast.stella_statistician, made)
    assert sum(free.values()) + sum(used.values()) == made.slots_total  # no slot of the list was taken by it


def test_one_sequence_of_draws_counts_those_on_paper_in_its_one_stratum() -> None:
    """RND-SIM-75: pages go by factors, the list does not."""
    cast, made = running()
    cast.randomized()
    on_paper(cast)
    counts = counts_by_arm(cast.stella_statistician, made)
    assert set(counts) == {"all"} and sum(counts["all"].values()) == 2
    assert [one.stratum for one in course_by_arm(cast.stella_statistician, made)] == ["all", "all"]
    assert cast.client_of(cast.stella_statistician).post(f"/randomization/{made.pk}/progress/").status_code == 200


def test_the_committee_reaches_the_balance_and_nothing_else_of_a_list(marked_cast: Cast) -> None:
    """RND-SIM-76: from the navigation, by arm once it asks and the ledger keeps it; no slot, no page of the list."""
    cast = marked_cast
    draft = lists.draft(version=cast.version, block_sizes=(4, 6), by=cast.stella_statistician)
    member = cast._person("Côme", "Committee", Role.COMMITTEE, None)
    client = cast.client_of(member)
    assert 'href="/randomization/"' in words_of(client.get("/"))
    assert "No list was in use yet" in words_of(client.get("/randomization/"))
    assert client.get(f"/randomization/{draft.pk}/progress/").status_code == 404  # it never ran
    participant = cast.randomized()
    made = cast.list_in_use()
    shown = words_of(client.get("/randomization/"))
    assert f"/randomization/{made.pk}/progress/" in shown and f'"/randomization/{made.pk}/"' not in shown
    for hidden in ("Slots used", made.algorithm, cast.stella_statistician.printed_name, "block", participant.code):
        assert hidden not in shown, hidden
    page = f"/randomization/{made.pk}/progress/"
    before = without_tokens(client.get(page))
    assert MARK not in before.lower() and "Show participants by arm" in before
    assert not Deed.objects.filter(verb="list.balance_read").exists()
    by_arm = words_of(client.post(page))
    assert all(arm.label["en"] in by_arm for arm in cast.definition.arms.values())
    assert participant.code not in by_arm and f'"/randomization/{made.pk}/"' not in by_arm
    assert Deed.objects.get(verb="list.balance_read").by_id == member.pk
    for rest in ("", "emergency/", "simulation/", "corrections/new/?kind=hold"):
        assert client.get(f"/randomization/{made.pk}/{rest}").status_code == 403, rest
    for address in ("/randomization/new/", "/randomization/differences/", f"/randomization/{made.pk}/commitment.pdf"):
        assert client.get(address).status_code == 403, address
    for rest in ("balance/", "use/", "parameters/"):
        assert client.post(f"/randomization/{made.pk}/{rest}").status_code == 403, rest


def _exchange(arms: list[str]) -> None:
    """Give everybody the other arm, past every action."""
    for allocation in Allocation.objects.all():
        allocation.arm = arms[1 - arms.index(allocation.arm)]
        audit.save(allocation, by=None, reason="The other arm, to compare")
