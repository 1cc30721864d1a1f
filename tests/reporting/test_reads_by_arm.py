"""What gathers arms over participants is told in the ledger at every read (ADR 0006)."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from audit.models import Deed
from reporting.actions import exports
from reporting.models import Export, ExportState
from tests.cast import Cast


def told(verb: str) -> list[dict[str, Any]]:
    """The details of the lines with a verb, in order."""
    return list(Deed.objects.filter(verb=verb).order_by("pk").values_list("details", flat=True))


@pytest.mark.django_db(transaction=True)
def test_every_step_of_a_dataset_with_arms_says_that_it_holds_arms(tmp_path: Path, settings: Any) -> None:
    """EXP-900: asked for, written, fetched, and printed by the command: each line says with or without arms."""
    settings.MEDIA_ROOT = str(tmp_path / "files")
    cast = Cast()
    cast.randomized()
    for with_arms in (True, False):
        export = exports.request(by=cast.dan_data_manager, includes_arms=with_arms)
        done = exports.carry_out(export.pk) or Export.objects.get(pk=export.pk)
        assert done.state == ExportState.READY
        exports.download(export=done, by=cast.dan_data_manager)
        more = ("--arms",) if with_arms else ()
        call_command("export", "--format", "csv", "--out", str(tmp_path / f"out{with_arms}"), *more, stdout=StringIO())
    for verb in ("export.requested", "export.written", "export.downloaded", "export.printed"):
        assert [details["includes_arms"] for details in told(verb)] == [True, False], verb


@pytest.mark.django_db
def test_balance_verification_and_a_printed_arm_are_told_and_one_participants_arm_is_not(cast: Cast) -> None:
    """RND-906: by arm over participants is a line at every read; the site reads its own participant's arm freely."""
    participant = cast.randomized()
    allocation_list = cast.list_in_use()
    theo = cast.client_of(cast.theo_coordinator)
    before = Deed.objects.count()
    for address in ("", "allocation/"):
        assert theo.get(f"/participants/{participant.code}/{address}").status_code == 200
    assert theo.get(f"/api/v1/participants/{participant.code}/allocation/").status_code == 200
    assert Deed.objects.count() == before

    stella = cast.client_of(cast.stella_statistician)
    for _read in range(2):
        assert stella.post(f"/randomization/{allocation_list.pk}/balance/").status_code == 200
    assert Deed.objects.filter(verb="list.balance_read", by_id=cast.stella_statistician.pk).count() == 2

    call_command("verify_list", stdout=StringIO())
    assert [(details["faults"], details["who"][:12]) for details in told("list.verified")] == [
        (0, "command line")
    ] * 2  # the list and its emergency slots

    assert theo.get(f"/participants/{participant.code}/allocation.pdf").status_code == 200
    printed = Deed.objects.get(verb="allocation.viewed")
    assert printed.by_id == cast.theo_coordinator.pk
