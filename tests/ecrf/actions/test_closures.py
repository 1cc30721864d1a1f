"""Freeze and lock of a visit, a participant, a site, the study: also for what does not exist yet."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

import pytest
from django.db import connection, connections

import audit
from audit import clock
from audit.errors import Refused
from audit.models import Deed
from audit.testing import refused_by_database
from ecrf.actions import closures, data_queries, marks, records, verifications
from ecrf.closing import OpenQueries, Scope, preview
from ecrf.entry import Submission, Typed
from ecrf.models import Closure, Finding, FindingState, Query, Record
from ecrf.selectors import query_or_404
from ecrf.where import Where
from randomization import gate
from randomization.actions.allocations import GateClosed
from tests.cast import PASSWORD, Cast
from trial.actions import participants, people, statuses, visits
from trial.models import Participant, Person, Role, StatusKind, Visit

pytestmark = pytest.mark.django_db
SCOPES = ["visit", "participant", "site", "study"]
LESION = {"lesion_number": "T1", "organ": "LIVER", "category": "NON_TARGET"}


def anew(participant: Participant) -> Participant:
    return Participant.objects.select_related("site").get(pk=participant.pk)


def scope_of(name: str, participant: Participant) -> Scope:
    participant = anew(participant)
    if name == "visit":
        visit = Visit.objects.get(participant=participant, event="SCR")
        visit.participant = participant
        return Scope.of_visit(visit)
    if name == "participant":
        return Scope.of_participant(participant)
    return Scope.of_site(participant.site) if name == "site" else Scope.of_study()


def attempts(cast: Cast, participant: Participant) -> dict[str, Callable[[], object]]:
    """Every way of writing a value of a participant, each by somebody who may."""
    scr = cast.visit(participant, "SCR")
    vitals = cast.record(participant, "vitals_performance", visit="SCR")
    theo = cast.theo_coordinator
    log = Record.objects.filter(participant=participant, form="lesion").first()
    assert log is not None
    today = clock.today()
    return {
        "save": lambda: records.save(
            where=Where(participant, "vitals_performance", visit=scr), revision=vitals.revision,
            submission=Submission(values={("measures", "", "weight"): Typed(text="71.5")}), complete=True, by=theo,
            reason="Typing error",
        ),
        "start a form": lambda: cast.fill(participant, "laboratory", visit="SCR"),
        "not done": lambda: records.mark_not_done(
            where=Where(participant, "medical_history", visit=scr), revision=0, reason="No time", by=theo
        ),
        "date of the visit": lambda: visits.record_date(
            visit=scr, on=today - dt.timedelta(days=0), by=theo, reason="Wrong day"
        ),
        "missed": lambda: visits.miss(visit=scr, reason="Ill", by=theo),
        "eligibility answer": lambda: cast.fill(participant, "eligibility", visit="SCR", by=cast.ines_investigator),
        "add an entry": lambda: cast.save(Where(participant, "lesion"), LESION, complete=False),
        "correct an entry": lambda: cast.save(
            Where(participant, "lesion", number=log.number), {"organ": "LUNG"}, complete=False, reason="x"
        ),
        "remove an entry": lambda: records.remove_entry(record=log, revision=log.revision, reason="Twice", by=theo),
        "serious event": lambda: cast.save_event(participant, serious=True),
        "add a visit": lambda: visits.add_on_demand(participant=participant, event="UNS", on=today, by=theo),
        "withdraw": lambda: statuses.record_by_hand(
            participant=participant, kind=StatusKind.WITHDRAWN_VISITS, on=today, reason="Moved", by=theo
        ),
        "close the screening": lambda: participants.fail_screening(participant=participant, reason="other", by=theo),
    }  # fmt: skip


IN_A_VISIT = {"save", "start a form", "not done", "date of the visit", "missed", "eligibility answer"}


@pytest.fixture
def participant(cast: Cast) -> Participant:
    """Consented, with one complete form at screening and one lesion."""
    found = cast.consented()
    cast.fill(found, "vitals_performance", visit="SCR")
    cast.save(Where(found, "lesion"), LESION, complete=False)
    return anew(found)


@pytest.mark.parametrize("name", SCOPES)
@pytest.mark.parametrize("kind", ["frozen", "locked"])
def test_a_closed_scope_refuses_every_writer(cast: Cast, participant: Participant, name: str, kind: str) -> None:
    """ECRF-235: values, forms and entries to come, dates of visits, eligibility, serious events, statuses."""
    act = closures.freeze if kind == "frozen" else closures.lock
    act(scope=scope_of(name, participant), reason="Interim analysis", by=cast.dan_data_manager)
    before = (Record.objects.count(), Visit.objects.count())
    for what, attempt in attempts(cast, anew(participant)).items():
        if name == "visit" and what not in IN_A_VISIT:
            continue
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.code == kind, (what, str(refused.value))
    assert (Record.objects.count(), Visit.objects.count()) == before
    if name in ("site", "study"):
        with pytest.raises(Refused) as refused:
            cast.screened()
        assert refused.value.code == kind


def test_what_is_outside_the_scope_goes_on(cast: Cast, participant: Participant) -> None:
    """ECRF-236: a locked visit leaves logs and other visits; a participant, others; a site, other sites."""
    dan = cast.dan_data_manager
    closures.lock(scope=scope_of("visit", participant), reason="Clean", by=dan)
    cast.save(Where(anew(participant), "lesion"), LESION | {"lesion_number": "T2"}, complete=False)
    visits.add_on_demand(participant=anew(participant), event="UNS", on=clock.today(), by=cast.theo_coordinator)
    closures.lock(scope=scope_of("participant", participant), reason="Clean", by=dan)
    other = cast.consented()
    closures.lock(scope=scope_of("site", participant), reason="Closed", by=dan)
    with pytest.raises(Refused, match="Site 01 is locked"):
        cast.fill(other, "vitals_performance", visit="SCR")
    elsewhere = cast.screened(by=cast.oscar_coordinator, site=cast.other_site)
    assert elsewhere.site_id == cast.other_site.pk


@pytest.mark.parametrize("name", SCOPES)
def test_queries_live_in_a_frozen_scope_and_not_in_a_locked_one(
    cast: Cast, participant: Participant, name: str
) -> None:
    """ECRF-237: asked, answered and closed while frozen, on filled and on empty forms; refused while locked."""
    dan, mona, theo = cast.dan_data_manager, cast.mona_monitor, cast.theo_coordinator
    empty = Where(participant, "laboratory", visit=cast.visit(participant, "SCR"))
    closures.freeze(scope=scope_of(name, participant), reason="Interim analysis", by=dan)
    query = data_queries.ask(where=empty, text="When?", by=mona)
    query = data_queries.answer(query=query, text="Tomorrow.", by=theo)
    with pytest.raises(OpenQueries):
        closures.lock(scope=scope_of(name, participant), reason="Clean", by=dan)
    query = data_queries.close(query=query, by=mona)
    closures.lock(scope=scope_of(name, participant), reason="Clean", by=dan)
    for attempt in (
        lambda: data_queries.reopen(query=query, text="?", by=mona),
        lambda: data_queries.ask(where=empty, text="?", by=mona),
        lambda: verifications.verify(
            record=cast.record(participant, "vitals_performance", visit="SCR"), values=[("", "kps")], by=mona
        ),
        lambda: records.sign(
            record=cast.record(participant, "vitals_performance", visit="SCR"),
            password=PASSWORD,
            by=cast.ines_investigator,
        ),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.code == "locked"
    assert data_queries.may(Query.objects.get(pk=query.pk), mona) == set()
    assert data_queries.may(query_or_404(mona, query.pk), mona) == set()


def test_open_queries_block_locking_all_named_at_once(cast: Cast, participant: Participant) -> None:
    """ECRF-238: participant, visit, form and item of each; nothing is locked; freezing is not blocked."""
    other = cast.consented()
    cast.fill(other, "vitals_performance", visit="SCR")
    for each in (participant, other):
        where = Where(each, "vitals_performance", visit=cast.visit(each, "SCR"))
        data_queries.ask(where=where, item="kps", text="Sure?", by=cast.mona_monitor)
    with pytest.raises(OpenQueries) as refused:
        closures.lock(scope=scope_of("site", participant), reason="Clean", by=cast.dan_data_manager)
    words = str(refused.value)
    assert refused.value.blocking.total == 2
    assert participant.code in words and other.code in words and "Karnofsky" in words
    assert not Closure.objects.exists() and not Deed.objects.filter(verb="scope.locked").exists()
    assert closures.freeze(scope=scope_of("site", participant), reason="Clean", by=cast.dan_data_manager).pk


def test_a_closure_is_lifted_with_a_reason_and_stays_in_the_books(cast: Cast, participant: Participant) -> None:
    """ECRF-239: reason asked both ways; row, history and ledger name who, when and why; what was open is open again."""
    dan = cast.dan_data_manager
    scope = scope_of("participant", participant)
    for act in (closures.freeze, closures.lock):
        with pytest.raises(Refused, match="Give the reason"):
            act(scope=scope, reason=" ", by=dan)
    closure = closures.lock(scope=scope, reason="Cleaned", by=dan)
    with pytest.raises(Refused, match="already locked"):
        closures.lock(scope=scope, reason="Again", by=dan)
    with pytest.raises(Refused, match="is not frozen"):
        closures.unfreeze(scope=scope, reason="x", by=dan)
    with pytest.raises(Refused, match="Give the reason"):
        closures.unlock(scope=scope, reason="", by=dan)
    lifted = closures.unlock(scope=scope, reason="Late death date", by=dan)
    assert (lifted.pk, lifted.lifted_by, lifted.lifted_reason) == (closure.pk, dan, "Late death date")
    assert closure.history.count() == 2
    deeds = Deed.objects.filter(verb__in=["scope.locked", "scope.unlocked"]).order_by("pk")
    assert [(d.verb, d.participant_code, d.details["reason"]) for d in deeds] == [
        ("scope.locked", participant.code, "Cleaned"),
        ("scope.unlocked", participant.code, "Late death date"),
    ]
    attempts(cast, anew(participant))["save"]()
    assert closures.lock(scope=scope, reason="Again", by=dan).pk != closure.pk


def test_a_form_s_own_mark_outlives_the_closure_around_it(cast: Cast, participant: Participant) -> None:
    """ECRF-240: effective is its own mark or any scope; within a scope it is not opened alone."""
    dan = cast.dan_data_manager
    record = cast.record(participant, "vitals_performance", visit="SCR")
    marks.freeze(record=record, by=dan)
    closures.freeze(scope=scope_of("site", participant), reason="Interim", by=dan)
    closures.unfreeze(scope=scope_of("site", participant), reason="Done", by=dan)
    record = cast.record(participant, "vitals_performance", visit="SCR")
    assert record.is_frozen
    marks.unfreeze(record=record, reason="Done", by=dan)
    closures.freeze(scope=scope_of("visit", participant), reason="Interim", by=dan)
    record = cast.record(participant, "vitals_performance", visit="SCR")
    assert record.is_frozen and record.frozen_at is None
    with pytest.raises(Refused, match="Open it there"):
        marks.unfreeze(record=record, reason="x", by=dan)


def test_only_data_managers_close_and_lift(cast: Cast, participant: Participant) -> None:
    """ECRF-241: every other role is refused, for every scope and deed, and nothing is written."""
    who = (
        cast.theo_coordinator, cast.ines_investigator, cast.mona_monitor, cast.sam_safety, cast.paul_sponsor,
        cast.adam_admin, cast.aude_auditor, cast.olga_investigator,
    )  # fmt: skip
    for person in who:
        for name in SCOPES:
            for act in (closures.freeze, closures.unfreeze, closures.lock, closures.unlock):
                with pytest.raises(Refused, match="Only the data manager"):
                    act(scope=scope_of(name, participant), reason="x", by=person)
    assert not Closure.objects.exists()


def test_a_visit_that_tells_the_arm_does_not_exist_for_a_blinded_data_manager(cast: Cast) -> None:
    """ECRF-242: neither closed nor counted, and a query there blocks without being named."""
    participant = cast.randomized()
    blind = people.create(
        email="blind@example.org", given_name="Bea", family_name="Blind", password=PASSWORD, by=cast.adam_admin
    )
    people.delegate(person=blind, role=Role.DATA_MANAGER, site=None, starts_on=cast.opened_on, by=cast.adam_admin)
    telling = Visit.objects.filter(participant=participant, reveals_arm=True).first()
    form = next(f for f in cast.definition.log_forms if cast.definition.reveals_arm(f.id))
    record = Record(
        participant=participant, form=form.id, number=1, version_id=participant.version_id, reveals_arm=True
    )
    import audit

    audit.save(record, by=None)
    where = Where(participant, form.id, number=1)
    data_queries.ask(where=where, text="Which dose?", by=cast.mona_monitor)
    scope = Scope.of_participant(anew(participant))
    seen = preview(scope, cast.dan_data_manager)
    hidden = preview(scope, blind)
    assert hidden.records == seen.records - Record.objects.filter(participant=participant, reveals_arm=True).count()
    with pytest.raises(OpenQueries) as refused:
        closures.lock(scope=scope, reason="Clean", by=blind)
    label = cast.definition.text(form.label, "en")
    assert label not in str(refused.value) and "your role does not see" in str(refused.value)
    if telling is not None:
        telling.participant = participant
        with pytest.raises(Refused) as gone:
            closures.freeze(scope=Scope.of_visit(telling), reason="x", by=blind)
        assert gone.value.code == "hidden"
    with pytest.raises(Refused) as gone:
        marks.freeze(record=record, by=blind)
    assert gone.value.code == "hidden"


def test_nobody_is_randomized_in_a_frozen_or_locked_participant(cast: Cast) -> None:
    """ECRF-243: an allocation writes a status and visits; the confirmation page says why it cannot."""
    participant = cast.eligible()
    cast.list_in_use()
    closures.freeze(scope=Scope.of_participant(participant), reason="Interim", by=cast.dan_data_manager)
    assert "frozen" in [r.code for r in gate.examine(anew(participant), cast.theo_coordinator).reasons]
    with pytest.raises(GateClosed):
        cast.allocate(anew(participant))


def test_lifting_a_freeze_brings_calculated_values_up_to_date(cast: Cast) -> None:
    """ECRF-244: held back under the visit's freeze, made up for when it is lifted, and what reads it follows."""
    participant = cast.baseline_done()
    imdc = cast.record(participant, "imdc", visit="SCR")
    before = imdc.data["factors"][0]["anaemia"]["value"]
    dan = cast.dan_data_manager
    marks.freeze(record=imdc, by=dan)
    labs = cast.record(participant, "laboratory", visit="SCR")
    records.save(
        where=Where(participant, "laboratory", visit=labs.visit), revision=labs.revision,
        submission=Submission(values={("haematology", "", "hgb"): Typed(text="16.0" if before else "10.0")}),
        complete=True, by=cast.theo_coordinator, reason="Typing error",
    )  # fmt: skip
    closures.freeze(scope=scope_of("visit", participant), reason="Interim", by=dan)
    marks.unfreeze(record=cast.record(participant, "imdc", visit="SCR"), reason="Its own mark goes", by=dan)
    imdc = cast.record(participant, "imdc", visit="SCR")
    assert imdc.data["factors"][0]["anaemia"]["value"] is before  # the visit is still frozen
    found = preview(scope_of("visit", participant), dan)
    assert found.held_back == Finding.objects.filter(check_id__startswith="recompute:", state="open").count() > 0
    closures.unfreeze(scope=scope_of("visit", participant), reason="Done", by=dan)
    imdc = cast.record(participant, "imdc", visit="SCR")
    assert imdc.data["factors"][0]["anaemia"]["value"] is not before
    assert not Finding.objects.filter(check_id__startswith="recompute:", state=FindingState.OPEN).exists()


def test_the_database_keeps_one_closure_of_a_kind_and_its_scope(cast: Cast, participant: Participant) -> None:
    """ECRF-245: a second one in force, a scope without its name, a lift without a reason are refused by PostgreSQL."""

    def row(**said: object) -> Closure:
        given = {
            "kind": "locked",
            "scope": "study",
            "reason": "x",
            "closed_at": clock.now(),
            "closed_by": cast.dan_data_manager,
        }
        return audit.save(Closure(**(given | said)), by=cast.dan_data_manager)

    row()
    with refused_by_database():
        row()
    with refused_by_database():
        row(scope="site")
    with refused_by_database():
        row(kind="frozen", lifted_at=clock.now())


def test_closing_takes_as_many_statements_for_30_participants_as_for_3(cast: Cast) -> None:
    """ECRF-246: a site is one row, whatever it holds."""
    from django.test.utils import CaptureQueriesContext

    def cost() -> int:
        with CaptureQueriesContext(connection) as taken:
            closures.lock(scope=Scope.of_site(cast.site), reason="x", by=cast.dan_data_manager)
        closures.unlock(scope=Scope.of_site(cast.site), reason="x", by=cast.dan_data_manager)
        return len(taken)

    for _n in range(3):
        cast.screened()
    cost()
    few = cost()
    for _n in range(27):
        cast.screened()
    assert cost() == few


# ---------------------------------------------------------------- at the same moment


@pytest.mark.django_db(transaction=True)
@pytest.mark.template("cast", "consented")
@pytest.mark.parametrize("name", ["record", *SCOPES])
def test_a_save_that_races_a_lock_is_either_covered_or_refused(cast: Cast, name: str) -> None:
    """ECRF-247: two connections; whoever comes first wins, and never a value that was saved after the lock."""
    participant = cast.consented()
    saved = cast.fill(participant, "vitals_performance", visit="SCR")
    record = cast.record(participant, "vitals_performance", visit="SCR")
    where = Where(participant, "vitals_performance", visit=record.visit)
    dan, theo = Person.objects.get(pk=cast.dan_data_manager.pk), Person.objects.get(pk=cast.theo_coordinator.pk)

    def save() -> object:
        return records.save(
            where=where, revision=saved.revision,
            submission=Submission(values={("measures", "", "weight"): Typed(text="71.5")}), complete=True, by=theo,
            reason="Typing error",
        )  # fmt: skip

    def lock() -> object:
        if name == "record":
            return marks.lock(record=record, by=dan)
        return closures.lock(scope=scope_of(name, participant), reason="Clean", by=dan)

    answers = together([save, lock])
    assert not isinstance(answers[1], Exception), answers[1]
    if isinstance(answers[0], Exception):
        assert isinstance(answers[0], Refused) and answers[0].code == "locked"
        assert Record.objects.get(pk=record.pk).revision == saved.revision
    else:
        assert Record.objects.get(pk=record.pk).revision == saved.revision + 1
    with pytest.raises(Refused) as refused:
        save()
    assert refused.value.code == "locked"


@pytest.mark.django_db(transaction=True)
@pytest.mark.template("cast", "consented")
def test_a_lock_waits_for_the_save_that_holds_the_participant(cast: Cast) -> None:
    """ECRF-247: while a save is under way the lock waits for it; a save that comes after the lock is refused."""
    from django.db import transaction

    participant = cast.consented()
    saved = cast.fill(participant, "vitals_performance", visit="SCR")
    dan = Person.objects.get(pk=cast.dan_data_manager.pk)
    order: list[str] = []

    def lock() -> None:
        closures.lock(scope=Scope.of_site(cast.site), reason="Clean", by=dan)
        order.append("locked")
        connections.close_all()

    thread = threading.Thread(target=lock, daemon=True)
    with transaction.atomic():
        cast.save(
            Where(participant, "vitals_performance", visit=saved.visit), {"weight": "71.5"}, reason="Typing error"
        )
        thread.start()
        thread.join(0.5)  # it cannot get through: were it let, it would be done long before
        order.append("saved")
    thread.join(60)
    assert order == ["saved", "locked"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.template("cast", "consented")
def test_a_query_that_races_a_lock_is_either_seen_or_refused(cast: Cast) -> None:
    """ECRF-248: a query never stands open in a locked form."""
    participant = cast.consented()
    cast.fill(participant, "vitals_performance", visit="SCR")
    where = Where(participant, "vitals_performance", visit=cast.visit(participant, "SCR"))
    dan, mona = Person.objects.get(pk=cast.dan_data_manager.pk), Person.objects.get(pk=cast.mona_monitor.pk)
    asked, locked = together(
        [
            lambda: data_queries.ask(where=where, text="Sure?", by=mona),
            lambda: closures.lock(scope=scope_of("participant", participant), reason="Clean", by=dan),
        ]
    )
    assert isinstance(asked, Exception) is not isinstance(locked, Exception)


def together(deeds: list[Callable[[], object]]) -> list[object]:
    """Do everything at the same moment, each in a thread with a connection of its own; answers or exceptions."""
    barrier = threading.Barrier(len(deeds))
    answers: list[object] = [None] * len(deeds)

    def run(at: int) -> None:
        try:
            barrier.wait(30)
            answers[at] = deeds[at]()
        except Exception as error:
            answers[at] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(at,), daemon=True) for at in range(len(deeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a deadlock"
    return answers
