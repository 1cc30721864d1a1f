"""A participant goes on at another site: access moves from a day on, code and history stay."""

from __future__ import annotations

import pytest

from audit import clock
from audit.errors import Refused
from audit.models import Deed
from ecrf.actions import laboratories
from ecrf.selectors import laboratory_ranges
from ecrf.where import Where
from tests.cast import Cast
from tests.trial.actions.arrange import DAY, again, randomized
from trial.actions import notices, participants, statuses, transfers
from trial.models import Notice, NoticeState, Participant, StatusKind, Transfer

pytestmark = pytest.mark.django_db


def moved(cast: Cast, participant: Participant, days_ago: int = 0) -> Transfer:
    return transfers.transfer(
        participant=participant, to_site=cast.other_site, on=clock.today() - days_ago * DAY, reason="Moved to Lyon",
        by=cast.dan_data_manager,
    )  # fmt: skip


def test_access_moves_and_code_and_history_stay(cast: Cast) -> None:
    """TRI-320: the new site sees and enters everything; for the former one it is nobody's code."""
    participant = randomized(cast, days_ago=40)
    record = cast.record(participant, "consent", visit="SCR")
    moved(cast, participant)
    participant = again(participant)
    assert (participant.code, participant.site) == ("01-001", cast.other_site)
    theirs, ours = cast.client_of(cast.oscar_coordinator), cast.client_of(cast.theo_coordinator)
    form = f"/participants/01-001/visits/{record.visit_id}/forms/consent/"
    for address in ["/participants/01-001/", "/participants/01-001/status/", form, form + "trail/"]:
        assert theirs.get(address).status_code == 200
        assert ours.get(address).status_code == 404
        assert cast.client_of(cast.mona_monitor).get(address).status_code == 404
    assert "Moved to Lyon" in theirs.get("/participants/01-001/status/").content.decode()
    cast.save(
        Where(participant, "lesion"), {"lesion_number": "T1", "organ": "LUNG"}, by=cast.oscar_coordinator,
        complete=False,
    )  # fmt: skip
    with pytest.raises(Refused):
        cast.save(Where(participant, "lesion"), {"lesion_number": "T2"}, complete=False)
    assert set(Deed.objects.filter(verb="participant.transferred").values_list("site_id", flat=True)) == {
        cast.site.pk, cast.other_site.pk,
    }  # fmt: skip


def test_the_number_is_never_given_again(cast: Cast) -> None:
    """TRI-321: neither at the site that lost the participant nor at the one that has them now."""
    participant = randomized(cast, days_ago=40)
    moved(cast, participant)
    assert cast.screened().code == "01-002"
    assert participants.screen(site=cast.other_site, by=cast.oscar_coordinator).code == "02-001"


def test_reminders_of_the_former_site_are_cancelled(cast: Cast) -> None:
    """TRI-322: the new site is reminded, the former one no more."""
    participant = randomized(cast, days_ago=100)
    notices.owe_reminders()
    assert Notice.objects.filter(person=cast.theo_coordinator, state=NoticeState.OWED).exists()
    moved(cast, participant)
    notices.owe_reminders()
    owed = Notice.objects.filter(participant=participant, state=NoticeState.OWED)
    assert {n.person for n in owed} == {cast.oscar_coordinator, cast.olga_investigator}


def test_a_laboratory_value_has_the_range_of_the_site_of_its_day(cast: Cast) -> None:
    """TRI-323: before the transfer the former site's laboratory, from it on the new one's."""
    participant = randomized(cast, days_ago=40)
    laboratories.set_ranges(
        site=cast.other_site,
        ranges=[laboratories.Range("WBC", "", "G/L", "1", "2")],
        from_on=clock.today() - 30 * DAY,
        by=None,
    )
    before = laboratory_ranges(participant, clock.today() - 20 * DAY)["WBC"]
    moved(cast, participant, days_ago=10)
    participant = again(participant)
    assert laboratory_ranges(participant, clock.today() - 20 * DAY)["WBC"] == before
    assert laboratory_ranges(participant, clock.today() - 10 * DAY)["WBC"] == ("1", "2")


def test_wrong_role_wrong_state_bad_day_second_try(cast: Cast) -> None:
    """TRI-324: a data manager alone, a person who takes part, a day that has come."""
    participant = randomized(cast, days_ago=40)
    today = clock.today()
    for person in (cast.theo_coordinator, cast.ines_investigator, cast.mona_monitor, cast.paul_sponsor):
        with pytest.raises(Refused, match="Only a data manager"):
            transfers.transfer(participant=participant, to_site=cast.other_site, on=today, reason="x y", by=person)
    for to, on, reason, match in [
        (cast.site, today, "Moved", "already at this site"),
        (cast.other_site, today + DAY, "Moved", "not before"),
        (cast.other_site, today - 100 * DAY, "Moved", "was not at the site then"),
        (cast.other_site, today, "  ", "reason"),
    ]:
        with pytest.raises(Refused, match=match):
            transfers.transfer(participant=participant, to_site=to, on=on, reason=reason, by=cast.dan_data_manager)
    moved(cast, participant)
    with pytest.raises(Refused, match="already at this site"):
        moved(cast, participant)
    with pytest.raises(Refused, match="has consented"):
        moved(cast, cast.screened())
    statuses.record(participant=participant, kind=StatusKind.DIED, on=today, by=cast.oscar_coordinator)
    with pytest.raises(Refused, match="no longer takes part"):
        transfers.transfer(
            participant=participant, to_site=cast.site, on=today, reason="Back", by=cast.dan_data_manager
        )
    assert Transfer.objects.count() == 1


def test_on_the_page(cast: Cast) -> None:
    """TRI-325: from the status page; nothing typed is lost on a refusal; the site's own people find no such page."""
    randomized(cast, days_ago=40)
    address = "/participants/01-001/transfer/"
    dan = cast.client_of(cast.dan_data_manager)
    assert address in dan.get("/participants/01-001/status/").content.decode()
    said = {"to_site": cast.other_site.pk, "on": "01/01/2031", "reason": "Moved to Lyon"}
    refused = dan.post(address, said)
    assert refused.status_code == 422 and "Moved to Lyon" in refused.content.decode()
    assert cast.client_of(cast.theo_coordinator).post(address, said).status_code == 403
    assert cast.client_of(cast.oscar_coordinator).get(address).status_code == 404
    said["on"] = clock.today().strftime("%d/%m/%Y")
    assert dan.post(address, said).status_code == 302
    assert Participant.objects.get().site == cast.other_site
