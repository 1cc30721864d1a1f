"""Pages of the simulation: for those who draft or approve lists; nothing typed is kept, nothing real is used."""

from __future__ import annotations

import logging
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Deed
from audit.server import spelled_out
from randomization import opening
from randomization.actions import lists, simulations
from randomization.models import AllocationList, ListSimulation
from randomization.simulation import Report, Scheme, Setting
from tests.cast import PASSWORD, Cast

pytestmark = pytest.mark.django_db
MOST_STATEMENTS = 15
PAGE = "/randomization/simulation/"
TYPED = {
    "trials": "1000",
    "participants": "20",
    "within": "strata",
    "measure": "range",
    "block_sizes": "4; 38, 74",
    "bias": "0.7319402713",
    "weights": "ici=7.3105548291, site=3.1763920157",
    "coin": "0,7193846205",
    "mti": "7",
    "urn": "37, 53",
    "simple": "on",
}
SECRETS = ("7319402713", "7.3105548291", "3.1763920157", "7193846205", "38, 74", "37, 53", "ici=")
"""So long that no figure of a report is the same by chance."""


@pytest.fixture(autouse=True)
def _few_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty trials tell as much about a page as a thousand."""
    real = simulations.simulate
    monkeypatch.setattr(simulations, "simulate", lambda *args, **more: real(*args, **(more | {"trials": 20})))


def words_of(answer: object) -> str:
    return " ".join(answer.content.decode().split())


def drafted(cast: Cast) -> AllocationList:
    return lists.draft(version=cast.version, block_sizes=(4, 6), by=cast.stella_statistician)


def test_schemes_are_compared_and_nothing_typed_is_kept(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    """RND-SIM-51: the report is shown at once; page, ledger, log and addresses hold no parameter."""
    client = cast.client_of(cast.stella_statistician)
    assert "Schemes to compare" in words_of(client.get(PAGE))
    with caplog.at_level(logging.DEBUG), spelled_out(), CaptureQueriesContext(connection) as statements:
        answer = client.post(PAGE, TYPED)
    assert answer.status_code == 200
    assert len(statements) <= MOST_STATEMENTS
    words = words_of(answer)
    for label in (
        "1. Permuted blocks · in each stratum",
        "2. Permuted blocks",
        "3. Minimization",
        "4. Simple",
        "7. Urn",
    ):
        assert label in words
    assert "Probability of a correct guess" in words and words.count("<svg") >= 4 + 7
    bare = re.sub(r'value="[^"]{200,}"', "", words)  # the sealed report, for its PDF
    told = str(list(Deed.objects.values_list("details", flat=True)))
    sql = " ".join(query["sql"] for query in statements.captured_queries)
    for secret in SECRETS:
        for place in (bare, told, sql, caplog.text):
            assert secret not in place
    deed = Deed.objects.get(verb="list.schemes_compared")
    assert len(deed.details["digest"]) == 64 and deed.details["digest"] in words
    assert deed.details["schemes"][2] == "minimization/margins_and_sites"
    seed = re.search(r"[0-9a-f]{32}(?![0-9a-f])", words)
    assert seed is not None and seed.group() not in told
    assert not ListSimulation.objects.exists()


def test_a_fault_names_the_place_and_writes_nothing_back(cast: Cast) -> None:
    """RND-SIM-52: words, wrong numbers and schemes that cannot be: said by place; secret fields come back empty."""
    client = cast.client_of(cast.stella_statistician)
    for change, said in (
        ({"block_sizes": "4, 7319"}, "block sizes › number 2"),
        ({"block_sizes": "4, x7319"}, "Number 2 is not a whole number"),
        ({"bias": "7.319"}, "no better than chance, or above 1"),
        ({"bias": "x7319"}, "A number such as 0.8 is wanted"),
        ({"weights": "7319"}, "Number 1 is not written factor=weight"),
        ({"weights": "nothing=7319"}, "There is no factor nothing"),
        ({"coin": "0.4"}, "not between 1/2 and 1"),
        ({"urn": "7319"}, "Two whole numbers are wanted"),
        ({"participants": "5000", "trials": "10000"}, "takes too long for a page"),
    ):
        answer = client.post(PAGE, TYPED | change)
        assert answer.status_code == 422, change
        words = words_of(answer)
        assert said in words, change
        assert not any(secret in words.replace("0.667", "") for secret in (*SECRETS, "7319")), change
    nothing = dict.fromkeys(("block_sizes", "bias", "weights", "coin", "mti", "urn"), "")
    answer = client.post(PAGE, {k: v for k, v in (TYPED | nothing).items() if k != "simple"})
    assert answer.status_code == 422 and "Choose at least one scheme" in words_of(answer)
    assert not Deed.objects.filter(verb="list.schemes_compared").exists()


def test_a_list_is_simulated_with_its_own_parameters_and_never_its_seed(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RND-SIM-53: the sealed block sizes are used, the seed is not; the report is kept sealed."""
    used = []
    real = simulations.simulate

    def watched(setting: Setting, schemes: list[Scheme], **more: int) -> Report:
        used.append((schemes, more))
        return real(setting, schemes, **more)

    monkeypatch.setattr(simulations, "simulate", watched)
    made = drafted(cast)
    client = cast.client_of(cast.ursula_statistician)
    answer = client.post(f"/randomization/{made.pk}/simulate/")
    assert (answer.status_code, answer["Location"]) == (302, f"/randomization/{made.pk}/simulation/")
    ((schemes, more),) = used
    assert schemes[0].block_sizes == (4, 6)
    kept = simulations.vault.open_confidential(opening.data_key(made), made.sealed_parameters, list_id=made.reference)
    assert f"{more['seed']:x}" not in kept.seed.hex()

    row = ListSimulation.objects.get()
    assert "histogram" not in row.report and len(row.report) % 4 == 0
    with CaptureQueriesContext(connection) as statements:
        page = client.get(answer["Location"])
    assert len(statements) <= MOST_STATEMENTS
    assert row.digest in words_of(page) and "scheme 1 is the list’s own" in words_of(page)
    assert "4, 6" not in words_of(page)
    verbs = list(Deed.objects.filter(verb__startswith="list.simul").order_by("pk").values_list("verb", flat=True))
    assert verbs == ["list.simulated", "list.simulation_read"]
    assert Deed.objects.get(verb="list.simulated").details == {"digest": row.digest}
    made.refresh_from_db()
    assert (made.state, made.simulation_digest) == ("simulated", row.digest)
    assert made.simulation_summary == {"trials": 10_000}


def test_two_simulations_of_a_list_have_two_seeds_and_two_digests(cast: Cast) -> None:
    """RND-SIM-54: the seed is drawn each time, so that a digest in the ledger cannot be tried out."""
    made = drafted(cast)
    first = simulations.simulate_list(allocation_list=made, by=cast.stella_statistician, trials=20)
    second = simulations.simulate_list(allocation_list=made, by=cast.stella_statistician, trials=20)
    assert first.digest != second.digest
    opened = simulations.open_report(simulation=second, by=cast.ursula_statistician)
    assert opened.digest == second.digest and opened.content["trials"] == 20


def test_who_may_simulate(cast: Cast) -> None:
    """RND-SIM-55: the unblinded statistician alone; others are refused, a stranger is sent to sign in."""
    made = drafted(cast)
    simulations.simulate_list(allocation_list=made, by=cast.stella_statistician, trials=20)
    for person in (
        cast.bruno_blinded, cast.aude_auditor, cast.theo_coordinator, cast.paul_sponsor, cast.dan_data_manager,
        cast.adam_admin,
    ):  # fmt: skip
        client = cast.client_of(person)
        for answer in (
            client.get(PAGE),
            client.post(PAGE, TYPED),
            client.post(f"/randomization/{made.pk}/simulate/"),
            client.get(f"/randomization/{made.pk}/simulation/"),
        ):
            assert answer.status_code == 403
    assert ListSimulation.objects.count() == 1
    client = cast.client_of(cast.stella_statistician)
    assert client.get("/randomization/999/simulation/").status_code == 404
    assert client.post("/randomization/999/simulate/").status_code == 404
    other = drafted(cast)
    assert client.get(f"/randomization/{other.pk}/simulation/").status_code == 404
    assert PASSWORD not in words_of(client.get(PAGE))


def test_the_pages_speak_french(cast: Cast) -> None:
    """RND-SIM-56: heads, notes and numbers."""
    client = cast.client_of(cast.stella_statistician)
    client.post("/language/", {"language": "fr", "next": "/"})
    assert "Méthodes à comparer" in words_of(client.get(PAGE))
    words = words_of(client.post(PAGE, TYPED))
    assert "Probabilité de deviner juste" in words and "Blocs permutés" in words and "Minimisation" in words
    assert re.search(r"\d,\d", words) and "Permuted" not in words and "Imbalance" not in words
