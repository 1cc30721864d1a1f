"""A simulated trial as it stands in the database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.db import connection

from audit import clock, tables
from audit.errors import Refused
from audit.models import Deed, Signature
from config.settings import PASSWORD_HASHERS
from ecrf.models import Change, EntryState, Query, QueryState, Record
from randomization.models import Allocation, TreatmentReceived
from randomization.treatment import begun_by_forms
from reporting import consort
from safety.models import CaseState, SafetyCase
from simulation.digest import sections
from simulation.management.commands.demo_people import demo_people
from simulation.trial import Outcome, Plan, simulate
from tests.simulation.conftest import END, PLAN
from trial.definitions import definition_of
from trial.models import Notice, Participant, Person, Role, ScreeningOutcome, Status, Study, Visit, VisitStatus


def test_the_same_seed_gives_the_same_trial(
    simulated: Outcome, cloned: Callable[[], AbstractContextManager[None]]
) -> None:
    """SIM-036: codes, values, arms, moments, texts: everything but keys and salts, whatever the number of processes."""
    first = dict(sections())
    with cloned():
        simulate(PLAN, processes=2)
        second = dict(sections())
    assert list(first) == list(second)
    for name in first:
        assert first[name] == second[name], name
    assert len(first["changes"]) > 500


def test_as_many_are_randomized_as_asked_and_both_arms_are_used(simulated: Outcome) -> None:
    """SIM-020: the number asked for; permuted blocks within strata keep the arms near each other."""
    arms = list(Allocation.objects.values_list("arm", flat=True))
    assert len(arms) == PLAN.randomized
    assert set(arms) == {"SRT", "SWITCH"}
    assert Participant.objects.filter(randomized_on__isnull=False).count() == PLAN.randomized


def test_every_screen_failure_has_its_reason_and_some_came_before_consent(simulated: Outcome) -> None:
    """SIM-021: the screening log keeps those who fail."""
    failed = Participant.objects.filter(status=Status.SCREEN_FAILURE)
    assert failed.count() == 2
    assert failed.filter(consented_on=None).count() == 1
    assert all(p.failure_reason and p.failure_detail for p in failed)
    assert all(p.screening_outcome == ScreeningOutcome.FAILED for p in failed)
    assert not Record.objects.filter(participant__consented_on=None).exists()


def test_two_are_ready_to_randomize_at_the_first_site(simulated: Outcome) -> None:
    """SIM-022: eligibility signed, not yet allocated, nothing in the way."""
    from randomization import gate

    ready = Participant.objects.filter(status=Status.ENROLLED)
    assert [p.site.number for p in ready] == ["01", "01"]
    with clock.simulated(END):
        for participant in ready.select_related("site"):
            coordinator = participant.site.delegations.get(role="coordinator").person
            assert gate.examine(participant, coordinator).reasons == ()


def test_the_sites_say_which_treatment_was_received_as_their_forms_do(simulated: Outcome) -> None:
    """SIM-037: after some weeks of everybody; as allocated where the forms say so, else with the reason why not."""
    told = {one.participant_id: one for one in TreatmentReceived.objects.select_related("told_by")}
    for allocation in Allocation.objects.select_related("participant"):
        participant = allocation.participant
        one = told.get(participant.pk)
        if participant.randomized_on is not None and (END.date() - participant.randomized_on).days > 45:
            assert one is not None, participant.code
        if one is None:
            continue
        begun = begun_by_forms(participant, definition_of(participant.version_id))
        if one.received:
            assert (one.received, one.why) == (allocation.arm, "")
            assert one.started_on is not None and participant.randomized_on is not None
            assert participant.randomized_on <= one.started_on <= one.told_at.date()
            assert begun.get(one.received, one.started_on) == one.started_on
        else:
            assert one.why and not begun
            assert Record.objects.filter(participant=participant, form="protocol_deviation").exists()
        assert one.told_by.delegations.filter(role="coordinator", site=participant.site).exists()
    assert Deed.objects.filter(verb="treatment.recorded").count() == len(told)


def test_the_flow_of_participants_counts_them_per_protocol(simulated: Outcome) -> None:
    """SIM-038: most received what was allocated; the others are counted by their reason; nobody twice."""
    member = Person.objects.filter(delegations__role=Role.STATISTICIAN_UNBLINDED).first()
    found = consort.flow(member).total
    assert found.allocated == PLAN.randomized and found.per_protocol == found.received >= 4
    assert found.received + found.not_received_in_all + found.not_told == found.allocated


def test_exactly_one_serious_event_has_its_clock_running(simulated: Outcome) -> None:
    """SIM-023: aware five hours before the end, 24 hours to report."""
    waiting = SafetyCase.objects.get(state=CaseState.AWAITED)
    assert SafetyCase.objects.filter(state=CaseState.REPORTED).count() == 3
    assert waiting.aware_at < END < waiting.due_at
    assert waiting.adverse_event.participant.died_on is None


def test_nothing_is_dated_after_the_end(simulated: Outcome) -> None:
    """SIM-024: neither what people enter nor when they do."""
    end_on = END.date()
    assert not Visit.objects.filter(actual_on__gt=end_on).exists()
    assert not Record.objects.filter(dated_on__gt=end_on).exists()
    for field in ("screened_on", "consented_on", "randomized_on", "progressed_on", "died_on", "lost_on"):
        assert not Participant.objects.filter(**{f"{field}__gt": end_on}).exists(), field
    assert not Deed.objects.filter(at__gt=END, pk__gt=_first_deed()).exists()
    assert not Change.objects.filter(at__gt=END).exists()
    assert not Signature.objects.filter(signed_at__gt=END).exists()


def _first_deed() -> int:
    return Deed.objects.filter(verb="simulation.run").values_list("pk", flat=True).get()


def test_history_goes_forward_in_time(simulated: Outcome) -> None:
    """SIM-025: the states of each row are in the order of their moments, and so is the ledger."""
    for table in tables.of_kind(tables.Kind.AUDITED):
        assert table.history is not None
        if table.model in (Study,):
            continue  # marked as simulated at the time of the machine
        latest: dict[Any, dt.datetime] = {}
        rows = table.history._default_manager.order_by("history_id").values_list(
            table.model._meta.pk.attname, "history_date"
        )
        for key, at in rows:
            assert latest.get(key, at) <= at, (table.name, key)
            latest[key] = at
    moments = list(Deed.objects.filter(pk__gt=_first_deed()).order_by("pk").values_list("at", flat=True))
    assert moments == sorted(moments)


def test_what_the_simulation_wrote_is_audited_like_everything_else(simulated: Outcome) -> None:
    """SIM-026: verify_audit finds nothing; the guards hold."""
    connection.check_constraints()
    from audit import verification

    with connection.cursor() as cursor:
        for name, check in verification.FLOOR.items():
            if name == "guards, triggers and privileges":
                continue  # of the database, not of the rows
            assert list(check(cursor)) == [], name


def test_the_trial_has_what_monitors_and_data_managers_look_for(simulated: Outcome) -> None:
    """SIM-027: missed visits or late ones, queries in every state, values verified, forms signed, notices owed."""
    states = set(Query.objects.values_list("state", flat=True))
    assert {QueryState.OPEN, QueryState.CLOSED} <= states
    assert Visit.objects.filter(status=VisitStatus.DONE, actual_on__isnull=False).count() > 20
    missed = Visit.objects.filter(status=VisitStatus.MISSED)
    assert missed and all(v.missed_reason for v in missed)
    assert Record.objects.filter(signature__isnull=False).count() > 10
    assert Notice.objects.filter(kind="visit_due").exists()
    assert Record.objects.filter(form="adverse_event").exists()
    assert {"srt_course", "new_line_start"} <= set(Record.objects.values_list("form", flat=True))


def test_forms_are_filled_as_a_person_would_without_help(simulated: Outcome) -> None:
    """SIM-028: what is said of each form answers what it shows; the filler had to complete none."""
    assert simulated.helped == []
    done = Record.objects.filter(entry_state=EntryState.COMPLETE).count()
    assert done > 0.93 * Record.objects.count()


def test_the_database_says_that_it_is_simulated(simulated: Outcome) -> None:
    """SIM-029: on the study, and in the ledger with the seed."""
    assert Study.objects.get().is_simulated
    assert Deed.objects.get(verb="simulation.run").details["seed"] == PLAN.seed


def test_people_can_sign_in_with_the_password_that_is_told(simulated: Outcome, settings: Any) -> None:
    """SIM-030: the hashers of every installation accept the hash, and replace it by a strong one at once."""
    settings.PASSWORD_HASHERS = PASSWORD_HASHERS
    people = demo_people()
    assert {person["role"] for person in people} == set(Role.labels) - {"Co-investigator"}
    assert all(set(person) >= {"name", "role", "site", "password"} for person in people)
    person = Person.objects.get(email=people[0]["email"])
    assert not person.check_password("stratum-demo-2025")
    assert person.check_password(people[0]["password"])
    assert Person.objects.get(pk=person.pk).password.startswith("argon2")


def test_a_filled_database_is_refused(simulated: Outcome) -> None:
    """SIM-031: a second run adds nothing."""
    before = Participant.objects.count()
    with pytest.raises(Refused, match="simulated data already"):
        simulate(Plan(2, 1, END))
    assert Participant.objects.count() == before
