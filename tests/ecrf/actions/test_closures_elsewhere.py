"""Freeze and lock beside what other parts do: queries' every deed, the plan of verification, transfer, redaction."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from audit import clock, verification
from audit.door import MARK
from audit.errors import Refused
from audit.models import Signature
from ecrf.actions import closures, data_queries, marks, redactions, signatures, verifications
from ecrf.closing import OpenQueries, Scope
from ecrf.models import UNSETTLED, Closure, Query, QueryState, Record, Verification
from ecrf.selectors import queries_for
from ecrf.where import Where
from tests.cast import PASSWORD, Cast
from tests.ecrf.actions import test_redactions as redaction_cast
from trial.actions import consents, transfers
from trial.models import Participant, Role

pytestmark = pytest.mark.django_db
FORM = "vitals_performance"


def anew(participant: Participant) -> Participant:
    return Participant.objects.select_related("site").get(pk=participant.pk)


@pytest.fixture
def participant(cast: Cast) -> Participant:
    found = cast.consented()
    cast.fill(found, FORM, visit="SCR")
    return anew(found)


def asked(cast: Cast, participant: Participant, item: str = "kps") -> Query:
    where = Where(participant, FORM, visit=cast.visit(participant, "SCR"))
    return data_queries.ask(where=where, item=item, text="Sure?", by=cast.mona_monitor)


def in_state(cast: Cast, participant: Participant, state: str) -> Query:
    """A query that was brought to a state as people bring it there."""
    mona, theo = cast.mona_monitor, cast.theo_coordinator
    query = asked(cast, participant)
    if state != QueryState.OPEN:
        query = data_queries.answer(query=query, text="Yes.", by=theo)
    if state == QueryState.REOPENED:
        query = data_queries.reopen(query=query, text="Look again.", by=mona)
    assert query.state == state
    return query


@pytest.mark.parametrize("state", UNSETTLED)
def test_a_query_that_is_not_settled_blocks_every_lock(cast: Cast, participant: Participant, state: str) -> None:
    """ECRF-560: open, answered and reopened alike: of the form, and of all that is around it."""
    query = in_state(cast, participant, state)
    record = cast.record(participant, FORM, visit="SCR")
    visit = cast.visit(participant, "SCR")
    visit.participant = participant
    with pytest.raises(OpenQueries) as refused:
        marks.lock(record=record, by=cast.dan_data_manager)
    assert refused.value.blocking.total == 1 and "Karnofsky" in str(refused.value)
    for scope in (
        Scope.of_visit(visit), Scope.of_participant(participant), Scope.of_site(participant.site), Scope.of_study(),
    ):  # fmt: skip
        with pytest.raises(OpenQueries):
            closures.lock(scope=scope, reason="Clean", by=cast.dan_data_manager)
    data_queries.close(query=query, by=cast.mona_monitor)
    assert marks.lock(record=record, by=cast.dan_data_manager).is_locked


def locked_by_its_mark(cast: Cast, participant: Participant) -> None:
    marks.lock(record=cast.record(participant, FORM, visit="SCR"), by=cast.dan_data_manager)


def locked_by_its_site(cast: Cast, participant: Participant) -> None:
    closures.lock(scope=Scope.of_site(participant.site), reason="Clean", by=cast.dan_data_manager)


@pytest.mark.parametrize("lock", [locked_by_its_mark, locked_by_its_site])
def test_no_deed_of_a_query_or_a_verification_passes_a_lock(
    cast: Cast, participant: Participant, lock: Callable[[Cast, Participant], None]
) -> None:
    """ECRF-561: one by one and several at once, by the plan and by hand; nothing is offered either."""
    mona, record = cast.mona_monitor, cast.record(participant, FORM, visit="SCR")
    verifications.verify(record=record, values=[("", "kps")], by=mona)
    query = data_queries.close(query=asked(cast, participant), by=mona)
    lock(cast, participant)
    for attempt in (
        lambda: asked(cast, participant, "ecog"),
        lambda: data_queries.answer(query=query, text="Yes.", by=cast.theo_coordinator),
        lambda: data_queries.close(query=query, by=mona),
        lambda: data_queries.cancel(query=query, text="By mistake", by=mona),
        lambda: data_queries.reopen(query=query, text="Look again.", by=mona),
        lambda: data_queries.readdress(query=query, addressed_to=Role.INVESTIGATOR, by=mona),
        lambda: verifications.verify_required(record=record, by=mona),
        lambda: verifications.unverify(record=record, values=[("", "kps")], reason="Wrong page", by=mona),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.code == "locked"
    for deed in data_queries.AT_ONCE:
        found = data_queries.settle_several(
            queries=[query], deed=deed, text="All of these", addressed_to=Role.INVESTIGATOR, by=mona
        )
        assert not found.done and [q.pk for q, _words in found.refused] == [query.pk]
        assert "locked" in found.refused[0][1]
    assert data_queries.may(queries_for(mona).get(pk=query.pk), mona) == set()
    assert Query.objects.get(pk=query.pk).state == QueryState.CLOSED
    assert Verification.objects.filter(cleared_at=None).count() == 1


def test_queries_and_verification_go_on_in_what_is_frozen(cast: Cast, participant: Participant) -> None:
    """ECRF-562: asked, asked of another role, answered, reopened and closed, several at once; verified, and back."""
    mona = cast.mona_monitor
    closures.freeze(scope=Scope.of_site(participant.site), reason="Interim analysis", by=cast.dan_data_manager)
    query = asked(cast, participant)
    query = data_queries.readdress(query=query, addressed_to=Role.INVESTIGATOR, by=mona)
    query = data_queries.answer(query=query, text="Yes.", by=cast.ines_investigator)
    query = data_queries.reopen(query=query, text="Look again.", by=mona)
    found = data_queries.settle_several(queries=[query], deed="close", text="Done", by=mona)
    assert [q.state for q in found.done] == [QueryState.CLOSED]
    record = cast.record(participant, FORM, visit="SCR")
    verifications.verify(record=record, values=[("", "kps")], by=mona)
    assert verifications.unverify(record=record, values=[("", "kps")], reason="Wrong page", by=mona)


def test_nobody_leaves_or_enters_what_is_closed_and_the_new_site_counts(cast: Cast, participant: Participant) -> None:
    """ECRF-563: a transfer would open a locked form unseen; after it, closures of the site that the participant is at
    now hold, those of the former one no more."""
    dan = cast.dan_data_manager

    def move() -> None:
        transfers.transfer(
            participant=participant, to_site=cast.other_site, on=clock.today(), reason="Moved to Lyon", by=dan
        )

    for scope in (Scope.of_site(participant.site), Scope.of_site(cast.other_site), Scope.of_participant(participant)):
        for close, lift in ((closures.freeze, closures.unfreeze), (closures.lock, closures.unlock)):
            closure = close(scope=scope, reason="Interim analysis", by=dan)
            with pytest.raises(Refused) as refused:
                move()
            assert refused.value.code == closure.kind
            lift(scope=scope, reason="Transfer", by=dan)
    move()
    former, now = Scope.of_site(cast.site), Scope.of_site(cast.other_site)
    closures.lock(scope=former, reason="Clean", by=dan)
    assert not cast.record(anew(participant), FORM, visit="SCR").is_locked
    closures.lock(scope=now, reason="Clean", by=dan)
    assert cast.record(anew(participant), FORM, visit="SCR").is_locked


def test_a_consent_is_not_given_again_in_what_is_closed(cast: Cast, participant: Participant) -> None:
    """ECRF-564: recorded once the participant is open again."""
    dan, version = cast.dan_data_manager, "V9"
    consents.put_into_force(
        sites=[participant.site], version=version, from_on=clock.today(), asks_again=True, by=cast.dan_data_manager
    )

    def again() -> object:
        return consents.consent_again(
            participant=participant, version=version, signed_on=clock.today(), by=cast.theo_coordinator
        )

    scope = Scope.of_participant(participant)
    closures.freeze(scope=scope, reason="Interim analysis", by=dan)
    with pytest.raises(Refused) as refused:
        again()
    assert refused.value.code == "frozen"
    closures.unfreeze(scope=scope, reason="New consent", by=dan)
    assert again()


def test_a_name_is_redacted_in_a_locked_form_and_the_lock_stands(cast: Cast) -> None:
    """ECRF-565: two persons may always take a name out: of the values, the set that was signed, and the lock's own
    reason; form and casebook stay locked, and what was signed still agrees with the books."""
    name, dora = redaction_cast.NAME, redaction_cast.second_data_manager(cast)
    record = redaction_cast.told_everywhere(cast)
    participant = anew(record.participant)
    signatures.sign(
        participant=participant, read={record.pk: record.revision}, password=PASSWORD, by=cast.ines_investigator
    )
    for query in Query.objects.filter(participant=participant, state__in=UNSETTLED):
        data_queries.close(query=query, by=cast.mona_monitor)
    marks.lock(record=record, by=cast.dan_data_manager)
    closures.lock(scope=Scope.of_participant(participant), reason=f"Clean, {name} is dead", by=cast.dan_data_manager)
    redactions.approve(redaction=redaction_cast.proposed(cast, record), password=PASSWORD, by=dora)
    after = Record.objects.get(pk=record.pk)
    assert after.data["conditions"][0]["condition"]["value"] == f"Asthma ({MARK})"
    assert (after.revision, after.locked_at is not None, after.is_locked) == (record.revision, True, True)
    assert after.is_signed and not after.is_changed_since_signing
    assert Closure.objects.get().reason == f"Clean, {MARK} is dead"
    assert name not in str(list(Closure.history.model.objects.values()))
    assert Signature.objects.filter(meaning="investigator_approval").count() == 2
    said = [str(fault) for _name, found in verification.verify() for fault in found]
    assert [fault for fault in said if "has not begun" not in fault] == []
