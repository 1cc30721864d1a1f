"""The cast: named people of a small study, and participants brought to each state by actions alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from django.test import Client

import audit
from audit import clock
from ecrf.actions import laboratories, records
from ecrf.models import Record
from ecrf.where import Where
from randomization.actions import allocations, corrections, identities, lists, simulations
from randomization.arms import is_imported
from randomization.gate import alike_now
from randomization.models import Allocation, AllocationList, Correction, IdentityCheck
from randomization.section import RandomizationSection
from simulation import patients
from simulation.filler import fill
from simulation.ranges import RANGES
from trial.actions import participants, people, studies, visits
from trial.definition import Definition
from trial.definitions import definition_of, latest_version
from trial.models import Participant, Person, Role, Site, Version, Visit

from .stages import Path as StagePath
from .stages import staged

PASSWORD = "correct horse battery staple 7"
STUDY_FOLDER = Path(__file__).resolve().parent.parent / "studies" / "storm01"
SIGNATURE_ORDER = (
    "consent", "demographics", "medical_history", "rcc_history", "prior_systemic_lines", "prior_local_treatments",
    "systemic_ongoing", "vitals_performance", "laboratory", "imdc",
)  # fmt: skip


class Cast:
    """People at two sites and at the sponsor, made on first use; methods bring participants to each state."""

    PASSWORD = PASSWORD

    stage: StagePath | None = None
    """The stage that this cast stands on (see `tests.stages`); None for one that was made in place."""

    def __init__(self, *, opened_days_ago: int = 400, seed: int = 7) -> None:
        self.rng = Random(seed)
        self.version: Version = self._version()
        self.definition = definition_of(self.version.pk)
        self.opened_on = clock.today() - dt.timedelta(days=opened_days_ago)
        self.site = self._site("01", "Centre des Tilleuls", "Caen")
        self.other_site = self._site("02", "Hôpital du Parc", "Lyon")
        self.ines_investigator = self._person("Inès", "Investigator", Role.INVESTIGATOR, self.site)
        self.theo_coordinator = self._person("Théo", "Coordinator", Role.COORDINATOR, self.site, may_randomize=True)
        self.rose_radiation = self._person("Rose", "Radiation", Role.RADIATION_ONCOLOGIST, self.site)
        self.raoul_radiologist = self._person("Raoul", "Radiologist", Role.RADIOLOGIST, self.site)
        self.oscar_coordinator = self._person("Oscar", "Other", Role.COORDINATOR, self.other_site, may_randomize=True)
        self.olga_investigator = self._person("Olga", "Other", Role.INVESTIGATOR, self.other_site)
        self.mona_monitor = self._person("Mona", "Monitor", Role.MONITOR, self.site, sees_arm=True)
        self.dan_data_manager = self._person("Dan", "Manager", Role.DATA_MANAGER, None, sees_arm=True)
        self.sam_safety = self._person("Sam", "Safety", Role.SAFETY_OFFICER, None, sees_arm=True)
        self.paul_sponsor = self._person("Paul", "Sponsor", Role.SPONSOR, None, sees_arm=False)
        self.stella_statistician = self._person("Stella", "Unblinded", Role.STATISTICIAN_UNBLINDED, None)
        self.ursula_statistician = self._person("Ursula", "Second", Role.STATISTICIAN_UNBLINDED, None)
        self.bruno_blinded = self._person("Bruno", "Blinded", Role.STATISTICIAN_BLINDED, None)
        self.adam_admin = self._person("Adam", "Admin", Role.ADMINISTRATOR, None)
        self.aude_auditor = self._person("Aude", "Auditor", Role.AUDITOR, None)

    # ------------------------------------------------------------ people and places

    def _version(self) -> Version:
        if Version.objects.exists():
            return latest_version()
        version, problems = studies.publish(path=STUDY_FOLDER, by=None, reason="First version")
        assert version is not None, "\n".join(map(str, problems))
        return version

    def _site(self, number: str, name: str, city: str) -> Site:
        site = studies.open_site(
            study=self.version.study, number=number, name=name, city=city, opened_on=self.opened_on, by=None
        )
        studies.activate(site=site, version=self.version, on=self.opened_on, by=None)
        laboratories.set_ranges(site=site, ranges=RANGES, from_on=self.opened_on, by=None)
        return site

    def _person(self, given: str, family: str, role: str, site: Site | None, **flags: bool) -> Person:
        person = people.create(
            email=f"{given}.{family}@example.org".lower().replace("é", "e").replace("è", "e"),
            given_name=given,
            family_name=family,
            password=PASSWORD,
            by=None,
        )
        people.delegate(person=person, role=role, site=site, starts_on=self.opened_on, by=None, **flags)
        people.accept_policy(person=person)
        return person

    def client_of(self, person: Person) -> Client:
        """Return a test client signed in as the person."""
        client = Client()
        client.force_login(person, backend="trial.auth.Backend")
        return client

    # ------------------------------------------------------------ participants

    def screened(self, by: Person | None = None, site: Site | None = None) -> Participant:
        """A participant whose screening was opened today."""
        return participants.screen(site=site or self.site, by=by or self.theo_coordinator)

    def patient(self, participant: Participant) -> patients.Patient:
        """The simulated person behind a participant: always the same for a code."""
        return patients.draw_patient(Random(participant.code), participant.screened_on)

    @staged
    def consented(self, participant: Participant | None = None) -> Participant:
        """A participant who has consented today."""
        participant = participant or self.screened()
        visit = self.visit(participant, "SCR")
        if visit.actual_on is None:
            visits.record_date(visit=visit, on=clock.today(), by=self.theo_coordinator)
        self.fill(participant, "consent", visit="SCR")
        return Participant.objects.select_related("site").get(pk=participant.pk)

    @staged
    def baseline_done(self, participant: Participant | None = None) -> Participant:
        """A participant with every screening form but eligibility, complete and without findings that block."""
        participant = participant or self.screened()
        if participant.consented_on is None:
            participant = self.consented(participant)
        patient = self.patient(participant)
        for form in SIGNATURE_ORDER[1:]:
            self.fill(participant, form, visit="SCR")
        for lesion in patient.lesions:
            self.save(
                Where(participant, "lesion"),
                patients.lesion_entry(patient, lesion, on=clock.today()),
            )
        for form in ("oligoprogression", "baseline_lesions", "quality_of_life", "intended_line"):
            self.fill(participant, form, visit="SCR")
        return Participant.objects.select_related("site").get(pk=participant.pk)

    @staged
    def judged(self, participant: Participant | None = None) -> Participant:
        """A participant whose eligibility form is complete, not yet signed."""
        if participant is None or not Record.objects.filter(participant=participant, form="intended_line").exists():
            participant = self.baseline_done(participant)
        self.fill(participant, "eligibility", visit="SCR", by=self.rose_radiation, complete=False)
        self.fill(participant, "eligibility", visit="SCR", by=self.ines_investigator)
        return participant

    @staged
    def eligible(self, participant: Participant | None = None) -> Participant:
        """A participant whose eligibility the investigator has signed."""
        if (
            participant is None
            or not Record.objects.filter(participant=participant, form="eligibility", entry_state="complete").exists()
        ):
            participant = self.judged(participant)
        record = self.record(participant, "eligibility", visit="SCR")
        records.sign(record=record, password=PASSWORD, by=self.ines_investigator)
        return Participant.objects.select_related("site").get(pk=participant.pk)

    @staged
    def list_in_use(self) -> AllocationList:
        """An allocation list drafted by one statistician, approved by another, in use."""
        held = AllocationList.objects.filter(state="in_use").first()
        if held is not None:
            return held
        drafted = lists.draft(version=self.version, block_sizes=(4, 6), by=self.stella_statistician)
        return lists.put_into_use(allocation_list=self.approved_list(drafted), by=self.ursula_statistician)

    def small_list(self, size: int) -> AllocationList:
        """A list in use with few slots in each stratum."""
        section = lists._section

        def small(definition: Definition) -> RandomizationSection:
            return section(definition).model_copy(update={"list_size": size})

        with mock.patch.object(lists, "_section", small):
            drafted = lists.draft(version=self.version, block_sizes=(4, 6), by=self.stella_statistician)
        return lists.put_into_use(allocation_list=self.approved_list(drafted), by=self.ursula_statistician)

    def simulated_list(self, drafted: AllocationList) -> AllocationList:
        """A drafted list, shortly simulated; an imported one with a report from elsewhere."""
        if is_imported(drafted):
            return simulations.record_outside(allocation_list=drafted, digest="5" * 64, by=self.stella_statistician)
        simulations.simulate_list(allocation_list=drafted, by=self.stella_statistician, trials=5)
        return AllocationList.objects.get(pk=drafted.pk)

    def approved_list(self, drafted: AllocationList) -> AllocationList:
        """A drafted list simulated by one statistician, looked at and approved by another."""
        simulated = self.simulated_list(drafted)
        lists.read_parameters(allocation_list=simulated, by=self.ursula_statistician)
        return lists.approve(allocation_list=simulated, password=PASSWORD, by=self.ursula_statistician)

    def hold(self, allocation_list: AllocationList, reason: str = "Recall") -> Correction:
        """The list put on hold by one statistician; the second has not confirmed it yet."""
        return corrections.propose(
            allocation_list=allocation_list,
            kind="hold",
            reason=reason,
            confirmation=str(allocation_list.pk),
            by=self.stella_statistician,
        )

    def correct(self, allocation_list: AllocationList, kind: str, **what: Any) -> Correction:
        """A correction proposed by one statistician and approved by another."""
        typed = what.pop("typed")
        proposed = corrections.propose(
            allocation_list=allocation_list,
            kind=kind,
            reason="As the committee asked",
            confirmation=typed,
            by=self.stella_statistician,
            **what,
        )
        return corrections.approve(
            correction=proposed,
            reason="Agreed",
            confirmation=typed,
            password=PASSWORD,
            by=self.ursula_statistician,
        )

    @staged
    def randomized(self, participant: Participant | None = None) -> Participant:
        """A participant who is allocated."""
        if participant is None or participant.enrolled_on is None:
            participant = self.eligible(participant)
        self.list_in_use()
        self.allocate(participant)
        return Participant.objects.select_related("site").get(pk=participant.pk)

    def allocate(self, participant: Participant) -> Allocation:
        """Allocate the participant as the coordinator; the investigator makes sure first that it is nobody else."""
        self.made_sure(participant)
        return allocations.allocate(participant=participant, password=PASSWORD, by=self.theo_coordinator)

    def made_sure(self, participant: Participant) -> None:
        """Where somebody born in the same month is included: make sure that the participant is another person."""
        participant.refresh_from_db()
        if participant.day_zero_on is None and alike_now(participant):
            identities.confirm_distinct(participant=participant, how="Asked the patient.", by=self.ines_investigator)

    def stands_apart(self, participant: Participant) -> None:
        """Make sure of the participant for ever: for a harness whose participants are copies and all look alike."""
        audit.save(
            IdentityCheck(
                participant=participant,
                how="Copied for measuring.",
                against=1_000_000,
                checked_at=clock.now(),
                checked_by=self.ines_investigator,
            ),
            by=self.ines_investigator,
        )

    # ------------------------------------------------------------ records

    def visit(self, participant: Participant, event: str) -> Visit:
        """The participant's visit of that id."""
        return Visit.objects.get(participant=participant, event=event, occurrence=1)

    def record(
        self, participant: Participant, form: str, *, visit: str | None = None, number: int | None = None
    ) -> Record:
        """A saved record, read anew."""
        found = Record.objects.select_related("participant__site", "visit", "signature").filter(
            participant=participant, form=form
        )
        return found.get(visit__event=visit) if visit else found.get(number=number)

    def fill(
        self,
        participant: Participant,
        form: str,
        *,
        visit: str | None = None,
        by: Person | None = None,
        complete: bool = True,
        **said: Any,
    ) -> Record:
        """Fill a form with believable answers, `said` first, and save it."""
        participant = Participant.objects.select_related("site").get(pk=participant.pk)
        where = Where(participant, form, visit=self.visit(participant, visit) if visit else None)
        answers = patients.baseline(
            self.patient(participant),
            form,
            on=clock.today(),
            consented_on=participant.consented_on or clock.today(),
            rng=Random(f"{participant.code}/{form}"),
        )
        return self.save(where, {**answers, **said}, by=by, complete=complete)

    def save(
        self,
        where: Where,
        said: dict[str, Any],
        *,
        by: Person | None = None,
        complete: bool = True,
        reason: str = "",
        justify: str = "Checked against the source document.",
    ) -> Record:
        """Save what is said (and believable answers for the rest) at a place, whatever revision stands there."""
        by = by or self.theo_coordinator
        rng = Random(f"{where.participant.code}/{where.form}")
        submission = fill(where=where, said=said, by=by, rng=rng, justify=justify)
        held = self._held(where)
        return records.save(
            where=where,
            revision=held.revision if held else 0,
            submission=submission,
            complete=complete,
            by=by,
            reason=reason,
        )

    def _held(self, where: Where) -> Record | None:
        found = Record.objects.filter(participant=where.participant, form=where.form)
        if where.visit is not None:
            return found.filter(visit=where.visit).first()
        return found.filter(number=where.number).first() if where.number else None

    def save_event(self, participant: Participant, *, serious: bool = False, **said: Any) -> Record:
        """An adverse event of the participant: fatigue of grade 2 unless said otherwise."""
        from trial.dictionaries import dictionary_of

        fatigue = next(
            t for t in dictionary_of(self.definition, "ctcae").search("Fatigue", "en", 5) if t.label == "Fatigue"
        )
        answers: dict[str, Any] = {
            "term": fatigue.code,
            "grade": "2",
            "serious": serious,
            "start_on": clock.today(),
            "outcome": "RECOVERING",
        }
        return self.save(Where(participant, "adverse_event"), {**answers, **said}, complete=False)
