"""Every scheme of a list can be simulated before its approval; an imported one by a report from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from audit.errors import Refused
from randomization.actions import corrections, lists, simulations
from randomization.algorithms.strata import combinations
from randomization.models import ListSimulation
from tests.cast import Cast
from tests.randomization.schemes import cast_of, csv_of, in_use

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("scheme", "extra"),
    [
        ("biased_coin", {"probability": "2/3"}),
        ("big_stick", {"tolerance": 3}),
        ("urn", {"alpha": 1, "beta": 2}),
    ],
)
def test_each_scheme_is_simulated_with_the_parameters_of_its_list(scheme: str, extra: dict[str, Any]) -> None:
    """RND-360: a report of the list's own scheme, and a test list for the second person."""
    cast = cast_of(scheme=scheme)
    made = lists.draft(version=cast.version, extra=extra, by=cast.stella_statistician)
    simulations.simulate_list(allocation_list=made, by=cast.stella_statistician, trials=5)
    made.refresh_from_db()
    assert (made.state, made.simulation_digest) == ("simulated", ListSimulation.objects.get().digest)
    seen = lists.read_parameters(allocation_list=made, by=cast.ursula_statistician)
    assert seen.extra == extra
    assert {len(arms) for arms in seen.test_list.values()} == {lists.TEST_SLOTS}


def test_an_imported_list_is_approved_on_a_report_from_elsewhere() -> None:
    """RND-361: its page takes the digest alone; without an algorithm there is no test list and nothing to append."""
    cast = cast_of(scheme="imported", list_size=4)
    strata = combinations(cast.definition.section("randomization").factors)
    made = lists.import_list(version=cast.version, content=csv_of(strata, 4).encode(), by=cast.stella_statistician)
    client = cast.client_of(cast.stella_statistician)
    page = f"/randomization/{made.pk}/"
    assert "Record the report" in client.get(page).content.decode()
    answer = client.post(f"{page}simulate/", {"digest": "half of it"})
    assert answer.status_code == 422 and "64 hexadecimal digits" in answer.content.decode()
    made.refresh_from_db()
    assert made.state == "draft"
    assert client.post(f"{page}simulate/", {"digest": "AB" * 32}).status_code == 302
    made.refresh_from_db()
    assert (made.state, made.simulation_digest) == ("simulated", "ab" * 32)
    assert not lists.read_parameters(allocation_list=made, by=cast.ursula_statistician).test_list
    with pytest.raises(Refused) as refused:
        corrections.propose(
            allocation_list=in_use(cast, made), kind="append_slots", reason="More", confirmation="2", count=2,
            by=cast.stella_statistician,
        )  # fmt: skip
    assert refused.value.code == "imported"


def test_a_list_that_the_system_made_takes_no_report_from_elsewhere(cast: Cast) -> None:
    """RND-362: it is simulated here; nor does somebody blinded record one."""
    made = lists.draft(version=cast.version, block_sizes=(4, 6), by=cast.stella_statistician)
    for by, code in ((cast.stella_statistician, "not_imported_scheme"), (cast.bruno_blinded, "permission.list.draft")):
        with pytest.raises(Refused) as refused:
            simulations.record_outside(allocation_list=made, digest="5" * 64, by=by)
        assert refused.value.code == code
    made.refresh_from_db()
    assert (made.state, made.simulation_digest) == ("draft", "")
