"""In which stratum a participant is: one level of each factor, read from the screening forms."""

from __future__ import annotations

import pytest

from randomization.models import AllocationList
from randomization.strata import stratum_of
from tests.cast import Cast
from tests.randomization.conftest import change

pytestmark = pytest.mark.django_db


def test_the_stratum_is_read_from_the_forms(cast: Cast) -> None:
    """RND-601: regimen, IMDC group and number of lesions; the label is one of the list's."""
    participant = cast.baseline_done()
    patient = cast.patient(participant)
    found = stratum_of(participant, cast.definition)
    assert found.codes["ici"] == ("Y" if patient.contains_ici else "N")
    assert found.codes["imdc"] == ("INT" if patient.intermediate else "FAV")
    assert found.codes["lesions"] == ("ONE" if len(patient.lesions) == 1 else "MORE")
    made: AllocationList = cast.list_in_use()
    assert found.label in made.strata


def test_a_change_of_a_form_moves_the_stratum_before_randomization(cast: Cast) -> None:
    """RND-602: the next look says the new level."""
    participant = cast.baseline_done()
    before = stratum_of(participant, cast.definition).codes["ici"]
    wanted = {"Y": ("SUNI", "TKI", "N"), "N": ("NIVO", "ICI", "Y")}[before]
    change(cast, participant, "systemic_ongoing", {"regimen": wanted[0], "regimen_class": wanted[1]})
    assert stratum_of(participant, cast.definition).codes["ici"] == wanted[2]


def test_what_is_not_filled_is_not_known(cast: Cast) -> None:
    """RND-603: each factor for itself; there is no label."""
    participant = cast.consented()
    found = stratum_of(participant, cast.definition)
    assert [value.code for value in found.values] == ["", "", ""]
    assert all(value.unknown for value in found.values)
    assert not found.is_known
    cast.fill(participant, "systemic_ongoing", visit="SCR")
    found = stratum_of(participant, cast.definition)
    assert [bool(value.code) for value in found.values] == [True, False, False]
