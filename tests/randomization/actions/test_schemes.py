"""Each scheme from the study folder to an allocation: drafted or imported, sealed, given, verified."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from audit.errors import Refused
from audit.models import Deed
from randomization import arms, opening, verification
from randomization.actions import lists
from randomization.actions.lists import InvalidParameters
from randomization.algorithms import ArmRatio, current
from randomization.algorithms.strata import combinations
from randomization.models import AllocationList, ListKey, Slot
from randomization.section import RandomizationSection
from randomization.strata import FactorValue, Stratum
from tests.cast import Cast
from tests.randomization.schemes import MINIMIZATION, MINIMIZED, cast_of, csv_of, in_use, opened

pytestmark = pytest.mark.django_db
ARMS = [ArmRatio("SRT", 1), ArmRatio("SWITCH", 1)]


def strata_of(cast: Cast) -> list[str]:
    section: RandomizationSection = cast.definition.section("randomization")
    return combinations(section.factors)


def nothing_is_stored() -> bool:
    return not (AllocationList.objects.exists() or Slot.objects.exists() or ListKey.objects.exists())


@pytest.mark.parametrize(
    ("scheme", "extra"),
    [
        ("simple", {}),
        ("biased_coin", {"probability": "2/3"}),
        ("big_stick", {"tolerance": 3}),
        ("urn", {"alpha": 1, "beta": 1}),
    ],
)
def test_a_list_is_drafted_by_the_scheme_of_the_study(
    scheme: str, extra: dict[str, Any], django_assert_max_num_queries: Any
) -> None:
    """RND-321: every stratum is what the scheme's algorithm makes from the seed; parameters are sealed."""
    cast = cast_of(scheme=scheme, list_size=6)
    made = lists.draft(version=cast.version, extra=extra, by=cast.stella_statistician, seed=bytes(32))
    algorithm = current(scheme)
    assert made.algorithm == algorithm.name
    found = opened(made)
    for stratum in strata_of(cast):
        expected = [slot.arm for slot in algorithm.generate(bytes(32), stratum, ARMS, (), 6, extra)]
        assert [found[stratum, position] for position in range(1, 7)] == expected
    assert opening.confidential(made, opening.data_key(made)).extra == extra
    assert not any(str(value) in made.sealed_parameters for value in extra.values() if isinstance(value, str))
    with django_assert_max_num_queries(20):  # 48 slots: the statements do not grow with them
        assert verification.verify(made).is_clean


@pytest.mark.parametrize(
    ("said", "extra", "codes"),
    [
        ({"scheme": "biased_coin"}, {}, {"RND131"}),
        ({"scheme": "biased_coin"}, {"probability": "0.4777"}, {"RND137"}),
        ({"scheme": "urn"}, {"alpha": 0, "beta": 0}, {"RND132"}),
        (MINIMIZATION, MINIMIZED | {"weights": {"ici": 7771}}, {"RND132", "RND135"}),
        (MINIMIZATION, MINIMIZED | {"tolerance": 777}, {"RND108"}),
    ],
)
def test_wrong_parameters_are_named_and_nothing_is_stored(
    said: dict[str, Any], extra: dict[str, Any], codes: set[str]
) -> None:
    """RND-322: by their codes, without a value, before anything is there."""
    cast = cast_of(**said)
    with pytest.raises(InvalidParameters) as refused:
        lists.draft(version=cast.version, extra=extra, by=cast.stella_statistician)
    assert {fault.code for fault in refused.value.faults} == codes
    assert "777" not in " ".join(map(str, refused.value.faults))
    assert nothing_is_stored()


def test_minimization_computes_the_arm_at_allocation() -> None:
    """RND-323: the list holds draws; each arm is what draws and frozen factors make, in order, and it all verifies."""
    cast = cast_of(**MINIMIZATION)
    made = lists.draft(version=cast.version, extra=MINIMIZED, by=cast.stella_statistician, seed=bytes(32))
    assert (made.strata, made.slots_total, made.algorithm) == (["all"], 120, "minimization/2")
    draws = opened(made)
    assert not any(arm in text for text in draws.values() for arm in made.arms)
    in_use(cast, made)
    given = [cast.randomized().allocation for _n in range(2)]
    assert [a.draw for a in given] == [draws["all", 1], draws["all", 2]]
    assert [a.slot.position for a in given] == [1, 2]
    for allocation in given:
        assert allocation.stratum == "all"
        assert set(allocation.strata) == {"ici", "imdc", "lesions", "site"}
        assert allocation.strata["site"] == cast.site.number
        assert allocation.signature.content["strata"] == allocation.strata
    secret = opening.confidential(made, opening.data_key(made))
    assert arms.replay(made, secret, [(a.draw, a.strata) for a in given]) == [a.arm for a in given]
    report = verification.verify(AllocationList.objects.get(pk=made.pk))
    assert report.troubles == [] and report.agreeing == given
    client = cast.client_of(cast.theo_coordinator)
    page = client.get(f"/participants/{given[0].participant.code}/allocation/").content.decode()
    assert given[0].draw in page and "Site" in page
    answer = client.get(f"/api/v1/participants/{given[0].participant.code}/allocation/").json()
    assert {"factor": "site", "level": cast.site.number}.items() <= answer["strata"][-1].items()
    assert "draw" not in answer


def test_a_stratum_of_other_factors_is_not_one_of_the_list() -> None:
    """RND-324: minimization too: a level or a factor that the list's version does not have is never a default."""
    cast = cast_of(**MINIMIZATION)
    made = lists.draft(version=cast.version, extra=MINIMIZED, by=cast.stella_statistician)

    def stratum(**codes: str) -> Stratum:
        return Stratum(tuple(FactorValue(name, {}, code, {}, False) for name, code in codes.items()))

    known = stratum(ici="Y", imdc="FAV", lesions="ONE", site="01")
    assert arms.has_stratum(made, known) and arms.label_in(made, known) == "all"
    assert not arms.has_stratum(made, stratum(ici="Y", imdc="POOR", lesions="ONE", site="01"))
    assert not arms.has_stratum(made, stratum(ici="Y", imdc="FAV", site="01"))
    assert not arms.has_stratum(made, stratum(ici="Y", imdc="FAV", lesions="ONE", site="01", sex="F"))
    with pytest.raises(ValueError, match="not known"):
        arms.label_in(made, stratum(ici="", imdc="FAV", lesions="ONE", site="01"))


def test_a_list_is_imported_and_its_slots_are_given_in_order(caplog: pytest.LogCaptureFixture) -> None:
    """RND-325: sealed like any list, with the sponsor's own numbers; no log line or deed holds a cell."""
    cast = cast_of(scheme="imported", list_size=4)
    strata = strata_of(cast)
    content = csv_of(strata, 4, numbers=True).encode()
    with caplog.at_level(logging.DEBUG):
        made = lists.import_list(version=cast.version, content=content, by=cast.stella_statistician)
        assert "K00-001" not in caplog.text
    assert (made.algorithm, made.slots_total) == ("imported/1", 4 * len(strata))
    found = opened(made)
    assert [found[strata[0], position] for position in (1, 2, 3, 4)] == ["SWITCH", "SRT", "SWITCH", "SRT"]
    deed = Deed.objects.get(verb="list.imported")
    assert set(deed.details) == {"algorithm", "strata"}
    made = in_use(cast, made)
    allocation = cast.randomized().allocation
    at = strata.index(allocation.stratum)
    assert (allocation.own_number, allocation.arm) == (f"K{at:02d}-001", found[allocation.stratum, 1])
    assert verification.verify(made).is_clean


def test_a_file_with_a_fault_stores_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """RND-326: each fault by its row, without a cell; neither list, slot, key, deed nor log line is left."""
    cast = cast_of(scheme="imported", list_size=2)
    good = csv_of(strata_of(cast), 2)
    bad = good.replace("SWITCH", "ZQARM", 1)
    with caplog.at_level(logging.DEBUG), pytest.raises(InvalidParameters) as refused:
        lists.import_list(version=cast.version, content=bad.encode(), by=cast.stella_statistician)
    assert [(fault.code, fault.place) for fault in refused.value.faults] == [("RND155", "row 2")]
    assert "ZQARM" not in caplog.text + str(refused.value) + " ".join(map(str, refused.value.faults))
    assert nothing_is_stored()
    assert not Deed.objects.filter(verb__startswith="list.").exists()


def test_what_was_imported_is_known_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """RND-327: a draft whose slots are not those of the file is named by the verification, before it is approved."""
    cast = cast_of(scheme="imported", list_size=2)
    monkeypatch.setattr(lists, "fingerprint", lambda rows: "0" * 64)
    content = csv_of(strata_of(cast), 2).encode()
    made = lists.import_list(version=cast.version, content=content, by=cast.stella_statistician)
    assert [trouble.code for trouble in verification.verify(made).troubles] == ["slots_replaced"]


def test_only_the_scheme_of_the_study_and_only_who_drafts(cast: Cast) -> None:
    """RND-328: a study that draws its list imports none, one that imports draws none; sites and sponsor do neither."""
    content = csv_of(["ici=Y"], 2).encode()
    with pytest.raises(Refused) as refused:
        lists.import_list(version=cast.version, content=content, by=cast.stella_statistician)
    assert refused.value.code == "not_imported_scheme"
    for person in (cast.bruno_blinded, cast.paul_sponsor, cast.dan_data_manager, cast.theo_coordinator):
        with pytest.raises(Refused) as refused:
            lists.import_list(version=cast.version, content=content, by=person)
        assert refused.value.code == "permission.list.draft"
    assert nothing_is_stored()


def test_a_study_that_imports_draws_no_list() -> None:
    """RND-329: the way to a list is the one that the study says."""
    cast = cast_of(scheme="imported")
    with pytest.raises(Refused) as refused:
        lists.draft(version=cast.version, by=cast.stella_statistician)
    assert refused.value.code == "imported_scheme"
    assert nothing_is_stored()
