"""When the system is down: slots on paper that two people open, entered afterwards with their true time."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone
from pypdf import PdfReader

from audit import clock
from audit.errors import Refused
from audit.models import Deed
from randomization import opening, verification
from randomization.actions import emergency
from randomization.models import Allocation, AllocationList, EmergencyUse, ListKind, Slot
from reporting.actions import documents
from tests.cast import PASSWORD, Cast
from tests.randomization.conftest import undelegated
from tests.stages import staged
from trial.models import Notice, Participant, Role

pytestmark = pytest.mark.django_db
THEN = dt.timedelta(hours=5)


@pytest.fixture
def used(cast: Cast) -> AllocationList:
    """A list in use since yesterday, with its emergency slots."""
    return used_since_yesterday(cast)


@staged
def used_since_yesterday(cast: Cast) -> AllocationList:
    with clock.simulated(clock.now() - dt.timedelta(days=1)):
        return cast.list_in_use()


@staged
def waiting(cast: Cast, *, signed: bool = True) -> Participant:
    """A participant who was eligible when the system went down."""
    with clock.simulated(clock.now() - dt.timedelta(hours=20)):
        return cast.eligible() if signed else cast.judged()


def pages_of(cast: Cast, used: AllocationList, stratum: str) -> list[emergency.Page]:
    found = emergency.pages(main=used, by=cast.stella_statistician)
    return sorted((p for p in found if p.stratum == stratum), key=lambda page: page.position)


def stratum_of(participant: Participant) -> str:
    from randomization.strata import stratum_of as find
    from trial.definitions import definition_of

    return find(participant, definition_of(participant.version_id)).label


def telling(cast: Cast, participant: Participant, page: emergency.Page) -> Callable[..., Allocation]:
    def tell(**other: object) -> Allocation:
        said = {
            "position": page.position, "mark": page.mark, "happened_at": clock.now() - THEN,
            "opened_by": "Inès Investigator, Théo Coordinator", "reason": "Power cut", "password": PASSWORD,
        }  # fmt: skip
        given = {"by": cast.theo_coordinator, **said, **other}
        return emergency.reconcile(participant=participant, **given)  # type: ignore[arg-type]

    return tell


# --- the slots -------------------------------------------------------------------------------------------------------


def test_the_slots_are_a_list_of_their_own_approved_and_committed_with_the_main_one(
    cast: Cast, used: AllocationList
) -> None:
    """EMG-001: another seed, another algorithm, a commitment that the same signature names and the ledger tells."""
    held = AllocationList.every.get(kind=ListKind.EMERGENCY)
    assert used.emergency.slots == held
    assert held.slots.count() == emergency.SLOTS * len(used.strata)
    assert held.algorithm == "simple/1" != used.algorithm
    assert held.commitment not in ("", used.commitment)
    assert held.approval == used.approval
    assert used.approval is not None
    assert used.approval.content["emergency_commitment"] == held.commitment
    assert Deed.objects.filter(verb="emergency.committed", details__commitment=held.commitment).exists()
    assert (used.emergency.first_holder, used.emergency.second_holder) == (
        cast.stella_statistician, cast.ursula_statistician,
    )  # fmt: skip
    assert verification.verify(held).troubles == []


def test_the_system_never_allocates_from_emergency_slots(cast: Cast, used: AllocationList) -> None:
    """EMG-002: they are no list to allocate from, to approve or to close."""
    assert list(AllocationList.objects.all()) == [used]
    allocation = cast.allocate(cast.eligible())
    assert allocation.allocation_list == used
    assert Slot.objects.get(allocation=allocation).allocation_list == used


def test_opening_every_page_of_a_stratum_tells_nothing_of_the_live_list(cast: Cast, used: AllocationList) -> None:
    """EMG-003: the seeds are drawn apart, and the live list cannot be made from the emergency one's."""
    from randomization import vault

    held = used.emergency.slots
    secrets = [
        vault.open_confidential(opening.data_key(each), each.sealed_parameters, list_id=each.reference)
        for each in (used, held)
    ]
    assert secrets[0].seed != secrets[1].seed
    assert secrets[1].block_sizes == ()
    slot, key = used.slots.get(stratum=used.strata[0], position=1), opening.data_key(held)
    with pytest.raises(vault.VaultError):
        vault.open_slot(key, slot.payload, list_id=used.reference, stratum=slot.stratum, position=1)


# --- the paper -------------------------------------------------------------------------------------------------------


def test_a_page_opens_with_both_halves_and_not_with_one(cast: Cast, used: AllocationList) -> None:
    """EMG-004: AES-256; each holder has halves of their own, and the filled box is the slot's arm."""
    stratum = used.strata[0]
    page = pages_of(cast, used, stratum)[0]
    rows = {}
    for person in (cast.stella_statistician, cast.ursula_statistician):
        found = emergency.halves(main=used, password=PASSWORD, by=person)
        rows[found.which] = {(s, position): half for s, position, half in found.rows}
    first, second = rows[1][stratum, 1], rows[2][stratum, 1]
    with zipfile.ZipFile(io.BytesIO(documents.print_emergency(main=used, by=cast.stella_statistician))) as archive:
        sealed = archive.read("stratum-01/page-01.pdf")
        assert len(archive.namelist()) == emergency.SLOTS * len(used.strata)
    for wrong in ("", first, second, second + first):
        assert not PdfReader(io.BytesIO(sealed)).decrypt(wrong)
    reader = PdfReader(io.BytesIO(sealed))
    assert reader.decrypt(first + second)
    text = reader.pages[0].extract_text()
    assert page.mark in text
    boxes = [line for line in _content(reader).split("\n") if " re " in line]
    filled = [not line.rstrip().endswith(" S") for line in boxes]
    assert [arm for arm, is_filled in zip(cast.definition.arms, filled, strict=True) if is_filled] == [page.arm]


def test_the_length_of_a_page_does_not_tell_its_arm(cast: Cast, used: AllocationList) -> None:
    """EMG-005: what is inside a page is as long for one arm as for the other."""
    lengths = set()
    for page in emergency.pages(main=used, by=cast.stella_statistician):
        from reporting.documents.emergency import slot_page

        same = emergency.Page(used.strata[0], 1, "AAAA-AAAA", page.arm, page.password)
        reader = PdfReader(io.BytesIO(slot_page(same, cast.definition, locale="en")))
        assert reader.decrypt(page.password)
        lengths.add(len(_content(reader)))
    assert len(lengths) == 1


def _content(reader: PdfReader) -> str:
    contents = reader.pages[0].get_contents()
    assert contents is not None
    return contents.get_data().decode("latin-1")


def test_halves_are_given_to_their_two_holders_alone_and_told(cast: Cast, used: AllocationList) -> None:
    """EMG-006: not to another statistician, not with a wrong password; both fetches stand in the ledger."""
    for person in (cast.bruno_blinded, cast.aude_auditor):
        with pytest.raises(Refused):
            emergency.halves(main=used, password=PASSWORD, by=person)
    with pytest.raises(Refused):
        emergency.halves(main=used, password="wrong", by=cast.stella_statistician)
    emergency.halves(main=used, password=PASSWORD, by=cast.stella_statistician)
    assert Deed.objects.filter(verb="emergency.halves_taken").count() == 1
    emergency.pages(main=used, by=cast.stella_statistician)
    assert Deed.objects.filter(verb="emergency.pages_taken").count() == 1


def test_nothing_printed_of_a_page_in_python_shows_arm_or_password(cast: Cast, used: AllocationList) -> None:
    """EMG-007."""
    page = pages_of(cast, used, used.strata[0])[0]
    assert page.password not in repr(page)
    assert "arm=" not in repr(page)


# --- afterwards ------------------------------------------------------------------------------------------------------


def test_the_true_time_is_day_0_and_stands_beside_the_time_of_entry(cast: Cast, used: AllocationList) -> None:
    """EMG-008: allocation, status and visits follow the day on paper; verify_list finds the emergency list in order."""
    participant = waiting(cast)
    page = pages_of(cast, used, stratum_of(participant))[0]
    when = clock.now() - THEN
    allocation = telling(cast, participant, page)(happened_at=when)
    use = EmergencyUse.objects.get(allocation=allocation)
    assert (allocation.allocated_at, use.happened_at) == (when, when)
    assert use.entered_at > when
    assert (allocation.arm, allocation.allocation_list) == (page.arm, used.emergency.slots)
    read = Participant.objects.get(pk=participant.pk)
    assert read.randomized_on == timezone.localdate(when)
    assert read.pathway == cast.definition.arms[page.arm].pathway
    assert read.visits.filter(order__gt=1).exists()
    assert verification.verify(used.emergency.slots).troubles == []
    assert verification.check_numbers() == []
    assert Deed.objects.get(verb="emergency.reconciled").details["position"] == 1


def test_told_again_it_is_the_same_allocation(cast: Cast, used: AllocationList) -> None:
    """EMG-009: a second try writes nothing; another page for the same participant is refused."""
    participant = waiting(cast)
    pages = pages_of(cast, used, stratum_of(participant))
    first = telling(cast, participant, pages[0])()
    assert telling(cast, participant, pages[0])() == first
    assert EmergencyUse.objects.count() == 1
    with pytest.raises(Refused, match="already"):
        telling(cast, participant, pages[1])()


def test_pages_of_a_stratum_are_told_in_their_order(cast: Cast, used: AllocationList) -> None:
    """EMG-010: the second page waits for the first, which may be set aside with a reason by a statistician."""
    participant = waiting(cast)
    stratum = stratum_of(participant)
    pages = pages_of(cast, used, stratum)
    tell = telling(cast, participant, pages[1])
    with pytest.raises(Refused, match="comes first"):
        tell()
    assert not Allocation.objects.exists()
    said = {"main": used, "stratum": stratum, "position": 1, "happened_at": clock.now() - THEN, "opened_by": "A and B"}
    with pytest.raises(Refused):
        emergency.set_aside(**said, reason="Opened by mistake", by=cast.theo_coordinator)
    with pytest.raises(Refused, match="reason"):
        emergency.set_aside(**said, reason=" ", by=cast.ursula_statistician)
    emergency.set_aside(**said, reason="Opened by mistake", by=cast.ursula_statistician)
    with pytest.raises(Refused, match="already"):
        emergency.set_aside(**said, reason="Again", by=cast.ursula_statistician)
    assert tell().slot.position == 2


def test_what_does_not_fit_the_page_is_refused(cast: Cast, used: AllocationList) -> None:
    """EMG-011: another mark, another stratum's page, a time to come, a time before the list, no reason, password."""
    participant = waiting(cast)
    own = stratum_of(participant)
    page = pages_of(cast, used, own)[0]
    tell = telling(cast, participant, page)
    other = next(p for p in emergency.pages(main=used, by=cast.stella_statistician) if p.stratum != own)
    for wrong in (
        {"mark": "AAAA-AAAA"},
        {"mark": other.mark},
        {"position": 9},
        {"happened_at": clock.now() + THEN},
        {"happened_at": clock.now() - dt.timedelta(days=30)},
        {"reason": " "},
        {"opened_by": ""},
        {"password": "wrong"},
    ):
        with pytest.raises(Refused):
            tell(**wrong)
    assert not Allocation.objects.exists()
    assert not EmergencyUse.objects.exists()
    assert tell(mark=page.mark.lower().replace("-", " ")).number == 1


def test_who_may_not_randomize_tells_nothing(cast: Cast, used: AllocationList) -> None:
    """EMG-012: neither without the delegation nor at another site."""
    participant = waiting(cast)
    page = pages_of(cast, used, stratum_of(participant))[0]
    for person in (undelegated(cast), cast.oscar_coordinator, cast.mona_monitor):
        with pytest.raises(Refused):
            emergency.reconcile(
                participant=participant, position=1, mark=page.mark, happened_at=clock.now() - THEN,
                opened_by="A and B", reason="Power cut", password=PASSWORD, by=person,
            )  # fmt: skip


def test_what_the_gate_says_is_kept_and_refuses_nothing(cast: Cast, used: AllocationList) -> None:
    """EMG-013: the participant was allocated; that eligibility is unsigned is kept with it."""
    participant = waiting(cast, signed=False)
    page = pages_of(cast, used, stratum_of(participant))[0]
    telling(cast, participant, page)()
    assert "unsigned" in EmergencyUse.objects.get().against


def test_any_one_whom_the_site_has_delegated_tells_and_no_sponsors_role_does(cast: Cast, used: AllocationList) -> None:
    """EMG-016: a delegated investigator may; data manager, sponsor and both statisticians may not, and are refused."""
    participant = waiting(cast)
    page = pages_of(cast, used, stratum_of(participant))[0]
    for person in (
        cast.dan_data_manager,
        cast.paul_sponsor,
        cast.stella_statistician,
        cast.bruno_blinded,
        cast.ines_investigator,
    ):
        with pytest.raises(Refused) as refused:
            telling(cast, participant, page)(by=person)
        assert refused.value.code == "permission.participant.randomize"
    assert not EmergencyUse.objects.exists()
    delegated = cast._person("Iris", "Delegated", Role.INVESTIGATOR, cast.site, may_randomize=True)
    allocation = telling(cast, participant, page)(by=delegated)
    assert allocation.allocated_by == delegated
    told = Notice.objects.filter(kind="randomized", participant=participant)
    people = {notice.person_id for notice in told}
    assert {cast.dan_data_manager.pk, cast.paul_sponsor.pk, cast.mona_monitor.pk} <= people
    assert cast.oscar_coordinator.pk not in people and cast.stella_statistician.pk not in people
    assert {notice.context["date"] for notice in told} == {f"{timezone.localdate(allocation.allocated_at):%Y-%m-%d}"}
    assert not told.filter(reveals_arm=True).exists()


def test_a_page_is_set_aside_by_an_unblinded_statistician_alone(cast: Cast, used: AllocationList) -> None:
    """EMG-017: neither the site nor a data manager; the page of the slots says who does what."""
    said = {
        "main": used, "stratum": used.strata[0], "position": 1, "happened_at": clock.now() - THEN,
        "opened_by": "A and B", "reason": "Opened by mistake",
    }  # fmt: skip
    for person in (cast.theo_coordinator, cast.dan_data_manager, cast.bruno_blinded, cast.paul_sponsor):
        with pytest.raises(Refused):
            emergency.set_aside(**said, by=person)
    assert not EmergencyUse.objects.exists()
    assert emergency.set_aside(**said, by=cast.stella_statistician).allocation is None
    shown = cast.client_of(cast.bruno_blinded).get(f"/randomization/{used.pk}/emergency/").content.decode()
    assert "to whom randomizing is delegated there" in shown and "an unblinded statistician sets it aside here" in shown
    participant = waiting(cast)
    shown = cast.client_of(cast.theo_coordinator).get(f"/participants/{participant.code}/emergency/").content.decode()
    assert "entered by those to whom randomizing is delegated at this site" in shown
    assert cast.client_of(cast.dan_data_manager).get(f"/participants/{participant.code}/emergency/").status_code == 403


# --- pages of the system ---------------------------------------------------------------------------------------------


def test_the_page_enters_an_emergency_allocation(cast: Cast, used: AllocationList) -> None:
    """EMG-014: what is wrong is shown again with its words; what is right leads to the allocation."""
    participant = waiting(cast)
    page = pages_of(cast, used, stratum_of(participant))[0]
    client: Client = cast.client_of(cast.theo_coordinator)
    address = f"/participants/{participant.code}/emergency/"
    assert client.get(address).status_code == 200
    said = {
        "position": "1", "mark": "AAAA-AAAA", "happened_at": (clock.now() - THEN).strftime("%d/%m/%Y %H:%M"),
        "opened_by": "A and B", "reason": "Power cut", "password": PASSWORD,
    }  # fmt: skip
    wrong = client.post(address, said)
    assert wrong.status_code == 422
    assert "Power cut" in wrong.content.decode()
    right = client.post(address, said | {"mark": page.mark})
    assert right.status_code == 302
    assert right["Location"].endswith(f"/participants/{participant.code}/allocation/")
    shown = cast.client_of(cast.stella_statistician).get(f"/randomization/{used.pk}/emergency/").content.decode()
    assert participant.code in shown
    assert "Power cut" in shown


def test_pages_and_halves_are_downloaded_by_whom_they_concern(cast: Cast, used: AllocationList) -> None:
    """EMG-015: a ZIP for those who see lists, halves for their holder, nothing for a site."""
    stella = cast.client_of(cast.stella_statistician)
    assert stella.get(f"/randomization/{used.pk}/emergency.zip").content[:2] == b"PK"
    halves = stella.post(f"/randomization/{used.pk}/emergency/halves.pdf", {"password": PASSWORD})
    assert halves.content[:5] == b"%PDF-"
    assert stella.post(f"/randomization/{used.pk}/emergency/halves.pdf", {"password": "no"}).status_code == 422
    site = cast.client_of(cast.theo_coordinator)
    assert site.get(f"/randomization/{used.pk}/emergency.zip").status_code == 403
    assert site.get(f"/randomization/{used.pk}/emergency/").status_code == 403
