"""The commitment of a list on paper, for the trial master file."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader

from audit.errors import Refused
from audit.models import Deed
from randomization import opening
from randomization.actions import lists
from reporting.actions import documents
from tests.cast import Cast

pytestmark = pytest.mark.django_db


def text_of(pdf: bytes) -> str:
    """What stands on the pages."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())


def test_the_paper_says_root_people_and_how_to_check_and_nothing_confidential(marked_cast: Cast) -> None:
    """RND-340: reference, algorithm, ratio, strata, slots, root, who, when, how; no arm, no block size, no seed."""
    cast = marked_cast
    made = cast.list_in_use()
    cast.correct(made, "append_slots", typed="4", count=4, stratum=made.strata[0])
    made.refresh_from_db()
    answer = cast.client_of(cast.bruno_blinded).get(f"/randomization/{made.pk}/commitment.pdf")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    words = text_of(answer.content)
    second = made.segments.get(number=2).commitment
    for wanted in (
        made.reference,
        made.algorithm,
        "1 : 1",
        str(made.slots_total),
        f"{made.commitment[:32]} {made.commitment[32:]}",
        f"{second[:32]} {second[32:]}",
        cast.stella_statistician.printed_name,
        cast.ursula_statistician.printed_name,
        "verify_list --allocation",
        made.simulation_digest[:20],
    ):
        assert wanted in words, wanted
    assert not any(arm in words for arm in made.arms)
    seed = opening.confidential(made, opening.data_key(made)).seed.hex()
    assert seed not in words and "4, 6" not in words
    deed = Deed.objects.get(verb="list.commitment_printed")
    assert (deed.by_id, deed.target_id) == (cast.bruno_blinded.pk, str(made.pk))


def test_who_may_take_it_and_when(cast: Cast) -> None:
    """RND-341: those who see the list's state; before the approval there is nothing to take; no deed is left."""
    draft = lists.draft(version=cast.version, block_sizes=(4,), by=cast.stella_statistician)
    page = f"/randomization/{draft.pk}/commitment.pdf"
    answer = cast.client_of(cast.stella_statistician).get(page)
    assert answer.status_code == 422 and "no commitment yet" in answer.content.decode()
    cast.approved_list(draft)
    for person in (cast.theo_coordinator, cast.paul_sponsor, cast.dan_data_manager):
        assert cast.client_of(person).get(page).status_code == 403
        with pytest.raises(Refused):
            documents.print_commitment(allocation_list=draft, by=person)
    assert not Deed.objects.filter(verb="list.commitment_printed").exists()
