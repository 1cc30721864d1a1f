"""One participant's way through the trial, step by step, by the actions that the pages call."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from random import Random
from typing import Any

from django.db import transaction

from audit import clock
from ecrf.actions import data_queries, records
from ecrf.entry import InvalidValues, Typed
from ecrf.models import WAITS_FOR_ANSWER, Query, QueryKind, QueryState, Record
from ecrf.where import Where
from randomization.actions import allocations, identities, treatments
from randomization.gate import alike_now
from randomization.models import WhyOtherwise
from safety.actions import cases
from safety.models import SafetyCase
from trial.actions import participants, statuses, visits
from trial.definition import Definition
from trial.models import Participant, Person, StatusKind, Visit
from trial.statuses import FAILURE_REASONS

from . import answers, patients, toxicities
from .answers import Course, Disease, Given, Said
from .fates import BEFORE_CONSENT, Ending, Fate, Flaw, Kind
from .filler import fill, say
from .house import Crew, Office
from .pace import alone
from .passwords import PASSWORD
from .timeline import Timeline
from .toxicities import Event

FIRST_FORMS = (
    "demographics", "medical_history", "rcc_history", "prior_systemic_lines", "prior_local_treatments",
    "systemic_ongoing",
)  # fmt: skip
SERIOUS_RATE = 0.30  # serious events per participant and year
REASONS: dict[Flaw, str] = {
    Flaw.REFUSED: "Declined to take part after the information",
    Flaw.NOT_REACHED: "Could not be reached after the information visit",
    Flaw.OTHER_TRIAL: "Included in another trial",
    Flaw.HISTOLOGY: "Histology is not clear cell (I02)",
    Flaw.WITHDREW: "Consent withdrawn before randomization",
    Flaw.POOR_PROGNOSIS: "Poor IMDC prognosis at inclusion (I03)",
    Flaw.LARGE_LESION: "A progressing lesion is larger than 4 cm (I09)",
    Flaw.MANY_LESIONS: "More than 3 progressing lesions (I05)",
    Flaw.BRAIN: "Active brain metastases found at staging (E01)",
    Flaw.NOT_FOR_SRT: "A progressing lesion cannot be treated by SRT (I10)",
}
MISSED = (
    "Hospitalized elsewhere on that date",
    "On holiday, did not wish another date",
    "Transport strike; seen by the family physician",
    "Forgot the appointment",
)
NOT_DONE = ("Questionnaire not handed out", "Participant too tired to answer", "Questionnaire lost")
DEPTHS = (0.62, 0.7, 0.78, 0.85, 0.92, 0.98)


@dataclass
class World:
    """What all lives share."""

    timeline: Timeline
    definition: Definition
    office: Office
    helped: list[str] = field(default_factory=list)
    """What the filler had to complete, because an answer was lacking: none, as long as study and simulation agree."""


class Life:
    """A simulated person; each public step is put on the timeline by the one before it."""

    def __init__(self, world: World, fate: Fate, crew: Crew) -> None:
        self.world = world
        self.timeline = world.timeline
        self.fate = fate
        self.crew = crew
        self.rng = Random(fate.seed)
        self.telling = Random(f"{fate.seed}/treatment")  # of its own: what else happens to the person stays the same
        self.patient = patients.draw_patient(self.rng, fate.screened_on)
        self.participant: Participant
        self.visits: dict[str, Visit] = {}
        self.given: list[Given] = []
        self.courses: list[Course] = []
        self.events: list[Event] = []
        self.asked_on: dt.date | None = None
        self.arm = ""
        self.had_srt = False
        self.is_over = False
        self.has_line = False
        self.progressed_on: dt.date | None = None
        self.lesions: dict[str, int] = {}
        self.saved: set[tuple[str, int | None]] = set()  # places of visit forms that were saved before

    # ------------------------------------------------------------ the way of putting steps and answers

    def on(self, day: dt.date, step: Any, *arguments: Any) -> bool:
        """Put a step in the working hours of a day."""
        return self.timeline.at(self.timeline.moment(day, self.rng), step, *arguments)

    def after(self, days: float, step: Any, *arguments: Any) -> bool:
        """Put a step some days from the present one."""
        return self.on(clock.today() + dt.timedelta(days=round(days)), step, *arguments)

    def visit(self, event: str) -> Visit:
        """The participant's visit, read once; visits added on demand are put here when they are added."""
        if event not in self.visits:
            self.visits |= {v.event: v for v in Visit.objects.filter(participant=self.participant, occurrence=1)}
        return self.visits[event]

    def refresh(self) -> Participant:
        """The participant as it now stands."""
        self.participant = Participant.objects.select_related("site").get(pk=self.participant.pk)
        return self.participant

    def save(
        self,
        form: str,
        said: Said,
        *,
        visit: str | Visit = "",
        number: int | None = None,
        by: Person | None = None,
        complete: bool = True,
        reason: str = "",
    ) -> Record:
        """Save a form as the coordinator (or somebody else) types it; whatever revision stands there."""
        by = by or self.crew.coordinator
        place = self.visit(visit) if isinstance(visit, str) and visit else visit or None
        assert place is None or isinstance(place, Visit)
        where = Where(self.participant, form, visit=place, number=number)
        key = (form, place.pk if place is not None else None)
        held = self._held(where) if number is not None or key in self.saved else None
        self.saved.add(key)
        definition = self.world.definition
        submission = say(
            definition=definition,
            form=definition.form(form),
            said=said,
            by=by,
            participant=self.participant,
            rng=self.rng,
            data=held.data if held else {},
        )
        revision = held.revision if held else 0
        try:
            return records.save(
                where=where, revision=revision, submission=submission, complete=complete, by=by, reason=reason
            )
        except InvalidValues as invalid:
            if invalid.code != "incomplete":
                raise
            told = str(invalid)
        transaction.set_rollback(False)  # the form was judged before anything was written
        self.world.helped.append(f"{form}: {told}")
        submission = fill(where=where, said=said, by=by, rng=self.rng)
        return records.save(
            where=where, revision=revision, submission=submission, complete=complete, by=by, reason=reason
        )

    def _held(self, where: Where) -> Record | None:
        if where.visit is not None:
            return Record.objects.filter(visit=where.visit, form=where.form).first()
        if where.number is None:
            return None
        return Record.objects.get(participant=where.participant, form=where.form, number=where.number)

    def sign(self, form: str, *, visit: str = "", number: int | None = None, by: Person | None = None) -> None:
        """Sign a form as it stands."""
        found = Record.objects.select_related("participant__site").filter(participant=self.participant, form=form)
        record = found.get(visit=self.visit(visit)) if visit else found.get(number=number)
        records.sign(record=record, password=PASSWORD, by=by or self.crew.investigator)

    # ------------------------------------------------------------ screening

    def begin(self) -> None:
        """Put the first step on the timeline."""
        self.on(self.fate.screened_on, self.screen)

    def screen(self) -> None:
        self.participant = participants.screen(site=self.crew.site, by=self.crew.coordinator)
        if self.fate.flaw in BEFORE_CONSENT:
            self.on(self.fate.target_on, self.fail)
        else:
            self.after(self.rng.choice((0, 0, 1, 2)), self.consent)

    def consent(self) -> None:
        today = clock.today()
        visits.record_date(visit=self.visit("SCR"), on=today, by=self.crew.coordinator)
        self._baseline("consent", consented_on=today)
        self.refresh()
        stage = self._days_left()
        if self.fate.kind is Kind.SCREENING and stage < 4:
            return
        self.after(min(3, stage * 0.15), self.tell_history)

    def _days_left(self) -> int:
        return max(1, (self.fate.target_on - clock.today()).days)

    def tell_history(self) -> None:
        for form in FIRST_FORMS:
            said: Said = (
                {"histology": "PAPILLARY"} if self.fate.flaw is Flaw.HISTOLOGY and form == "rcc_history" else {}
            )
            self._baseline(form, **said)
        self.refresh()
        if self.fate.flaw is Flaw.HISTOLOGY:
            self.after(1, self.fail)
        elif self.fate.flaw is Flaw.WITHDREW:
            self.after(3, self.fail)
        else:
            self.after(min(6, self._days_left() * 0.35), self.examine)

    def examine(self) -> None:
        """Vital signs, laboratory, prognosis, questionnaire."""
        poor: Said = {}
        performance: Said = {}
        if self.fate.flaw is Flaw.POOR_PROGNOSIS:
            performance = {"kps": 70, "ecog": "1"}
            poor = {"hgb": "9.4", "platelets": "486", "neutrophils": "8.9", "wbc": "11.8", "calcium": "2.74"}
        self._baseline("vitals_performance", **performance)
        self._baseline("laboratory", **poor)
        self._baseline("imdc")
        self._baseline("quality_of_life")
        if self.fate.flaw is Flaw.POOR_PROGNOSIS:
            self.after(1, self.fail)
        elif self.fate.kind is not Kind.SCREENING or self.rng.random() < 0.7:
            self.after(min(6, self._days_left() * 0.5), self.image)

    def image(self) -> None:
        """Lesions, oligoprogression on the two scans, baseline measurements."""
        lesions = self.patient.lesions
        if self.fate.flaw is Flaw.LARGE_LESION:
            lesions[0].second_mm, lesions[0].first_mm = 47, 38
        if self.fate.flaw is Flaw.MANY_LESIONS:
            first = lesions[0]
            lesions[:] = [
                patients.Lesion(f"T{n}", first.organ, first.side, first.place, 12 + n, 19 + n, True, False)
                for n in range(1, 5)
            ]
        for lesion in lesions:
            record = self.save("lesion", patients.lesion_entry(self.patient, lesion, on=clock.today()))
            self.lesions[lesion.number] = record.number or 0
        self._baseline("oligoprogression")
        if self.fate.flaw in (Flaw.LARGE_LESION, Flaw.MANY_LESIONS, Flaw.BRAIN):
            self.after(2, self.fail)
            return
        self._baseline("baseline_lesions")
        if self.fate.kind is not Kind.SCREENING or self.rng.random() < 0.5:
            self.after(min(3, self._days_left() * 0.5), self.judge)

    def judge(self) -> None:
        """The intended line, and what the radiation oncologist answers of eligibility."""
        self._baseline("intended_line")
        no: Said = {"i10": False, "e03": True} if self.fate.flaw is Flaw.NOT_FOR_SRT else {}
        self._baseline("eligibility", by=self.crew.radiation, complete=False, **no)
        if self.fate.flaw is Flaw.NOT_FOR_SRT:
            self.after(1, self.fail)
        elif self.fate.kind is not Kind.SCREENING:
            self.after(min(2, self._days_left() * 0.5), self.sign_eligibility)

    def sign_eligibility(self) -> None:
        self._baseline("eligibility", by=self.crew.investigator)
        self.sign("eligibility", visit="SCR")
        self.refresh()
        if self.fate.kind is Kind.RANDOMIZED:
            target = max(self.fate.target_on, clock.today())
            self.on(target, self.randomize)

    def fail(self) -> None:
        """Close the screening as the page does: the reason in words when the study has no list of reasons."""
        assert self.fate.flaw is not None
        codelist = self.world.definition.codelists.get(FAILURE_REASONS)
        codes = {entry.code for entry in codelist.codes} if codelist else set()
        code = self.fate.flaw.name if self.fate.flaw.name in codes else "OTHER"
        participants.fail_screening(
            participant=self.participant, reason=code, detail=REASONS[self.fate.flaw], by=self.crew.coordinator
        )
        for query in Query.objects.filter(participant=self.participant, state__in=WAITS_FOR_ANSWER).order_by(
            "record__form", "row", "item", "pk"
        ):
            self._answer_some_day(query, "Right as it is: the screening was closed for this reason.")

    def _baseline(
        self,
        form: str,
        *,
        by: Person | None = None,
        complete: bool = True,
        consented_on: dt.date | None = None,
        **said: Any,
    ) -> Record:
        told = patients.baseline(
            self.patient,
            form,
            on=clock.today(),
            consented_on=consented_on or self.participant.consented_on or clock.today(),
            rng=self.rng,
        )
        return self.save(form, {**told, **said}, visit="SCR", by=by, complete=complete)

    # ------------------------------------------------------------ randomization, and what it decides

    @alone
    def randomize(self) -> None:
        """Take the next slot of the list, and draw what becomes of the participant."""
        self._settle_identity()
        allocation = allocations.allocate(participant=self.participant, password=PASSWORD, by=self.crew.coordinator)
        self.arm = allocation.arm
        self.visits.clear()
        today = clock.today()
        endings = {
            Ending.PROGRESSION: self.progress,
            Ending.DEATH: self.die,
            Ending.LOSS: self.lose,
            Ending.WITHDRAWAL: self.withdraw,
        }
        self.end_of_visits = _working(self.fate.ends_on + (today - self.fate.target_on))
        self._draw_disease()
        self._draw_events(today)
        self._plan_treatment(today)
        self._plan_visits(endings[self.fate.ending])

    def _settle_identity(self) -> None:
        """The investigator makes sure that who was born in the same month as another participant is another person."""
        if alike_now(self.participant):
            identities.confirm_distinct(
                participant=self.participant, how="Asked the patient: in no other trial.", by=self.crew.investigator
            )

    def _draw_disease(self) -> None:
        said = patients.baseline(
            self.patient, "baseline_lesions", on=clock.today(), consented_on=clock.today(), rng=Random(0)
        )
        rows = said["lesions"]
        targets = {int(row["lesion"]): row["diameter"] for row in rows if row["category"] == "TARGET"}
        total = sum(targets.values())
        self.disease = Disease(
            diameters=targets,
            non_targets={int(row["lesion"]): row["organ"] for row in rows if row["category"] != "TARGET"},
            organs={int(row["lesion"]): row["organ"] for row in rows},
            depth=self.rng.choice(DEPTHS),
            grows=self.rng.random() < 0.5,
            nadir=total,
            baseline=total,
            last=dict(targets),
        )

    def _draw_events(self, today: dt.date) -> None:
        regimen = self.patient.regimen if self.arm == "SRT" else self.patient.next_line
        self.events = toxicities.draw(
            self.rng,
            classes={drug_class for _name, drug_class, _dose, _schedule in answers.DRUGS[regimen]},
            has_srt=self.arm == "SRT",
            from_on=today,
            until_on=min(self.end_of_visits, self.timeline.end.date()),
            serious_rate=SERIOUS_RATE,
        )
        for event in self.events:
            if event.serious:
                aware_on = event.start_on + dt.timedelta(days=self.rng.randrange(1, 4))
                if aware_on < min(self.end_of_visits, self.timeline.end.date() - dt.timedelta(days=4)):
                    self.on(aware_on, self.learn_of_serious, event)
                else:
                    event.serious = False

    # ------------------------------------------------------------ treatment

    def _plan_treatment(self, today: dt.date) -> None:
        self.given = answers.drugs(self.patient.regimen, "ONGOING", self.patient.started_on)
        self.after(self.rng.randrange(1, 6), self.enter_ongoing_drugs)
        if self.arm == "SRT":
            planning = today + dt.timedelta(days=self.rng.randrange(4, 11))
            self.first_fraction = _working(planning + dt.timedelta(days=self.rng.randrange(9, 14)))
            self.on(planning, self.plan_srt)
        else:
            self.on(today + dt.timedelta(days=self.rng.randrange(8, 22)), self.start_new_line)

    def enter_ongoing_drugs(self) -> None:
        for drug in self.given:
            drug.number = self.save("systemic_treatment", drug.said).number or 0

    def _tell_treatment(
        self, received: str, started_on: dt.date | None = None, why: str = "", *, from_on: dt.date
    ) -> None:
        """Put on the timeline that the coordinator says which treatment was received, some days after a day."""
        day = max(from_on, clock.today()) + dt.timedelta(days=self.telling.randrange(0, 12))
        self.timeline.at(self.timeline.moment(day, self.telling), self.tell_treatment, received, started_on, why)

    def tell_treatment(self, received: str, started_on: dt.date | None, why: str) -> None:
        treatments.record(
            participant=self.refresh(), received=received, started_on=started_on, why=why, by=self.crew.coordinator
        )

    def _tell_that_it_is_over(self, today: dt.date) -> None:
        """Nothing of the allocated treatment was begun before the visits ended."""
        why = WhyOtherwise.DEATH if self.refresh().died_on is not None else WhyOtherwise.PROGRESSION
        self._tell_treatment("", why=why, from_on=today)

    def plan_srt(self) -> None:
        """The planning visit; a few are not treated in the end."""
        today = clock.today()
        if self.is_over:
            self._tell_that_it_is_over(today)
            return
        visits.record_date(visit=self.visit("SRT_PLAN"), on=today, by=self.crew.coordinator)
        self._ask_events("SRT_PLAN", today)
        if self.rng.random() < 0.04:
            self.save(
                "srt_planning",
                {"planned_on": today, "srt_planned": False, "srt_not_given_reason": "PHYSICIAN"},
                visit="SRT_PLAN",
                by=self.crew.radiation,
            )
            self._deviate(today, "ALLOCATED", "SRT was not given: the lesion is too close to the bowel.", "MAJOR")
            self._tell_treatment("", why=WhyOtherwise.INVESTIGATOR, from_on=today)
            return
        self.save(
            "srt_planning",
            answers.srt_planning(today, self.first_fraction, len(self.patient.lesions), self.given),
            visit="SRT_PLAN",
            by=self.crew.radiation,
        )
        fractions, dose = self.rng.choice(answers.SCHEMES)
        for lesion in self.patient.lesions:
            days = answers.fraction_days(self.first_fraction, fractions)
            self.courses.append(Course(self.lesions[lesion.number], fractions, dose, days))
        last = self.courses[-1].days[-1]
        if last < self.end_of_visits:
            self.on(last + dt.timedelta(days=11), self.report_srt)
        if self.first_fraction < self.end_of_visits:
            self._tell_treatment("SRT", self.first_fraction, from_on=self.first_fraction)
        else:
            self._tell_treatment("", why=WhyOtherwise.PROGRESSION, from_on=self.end_of_visits)

    def report_srt(self) -> None:
        """Courses and fractions, by the radiation oncologist; the hold of targeted drugs, by the coordinator."""
        sizes = {self.lesions[lesion.number]: lesion.second_mm for lesion in self.patient.lesions}
        self.had_srt = True
        for course in self.courses:
            said = answers.srt_course(course, sizes[course.lesion], self.given, self.rng)
            course.number = self.save("srt_course", said, by=self.crew.radiation).number or 0
            self.save("srt_fractions", answers.srt_fractions(course, self.rng), by=self.crew.radiation)
        first, last = self.courses[0].days[0], self.courses[-1].days[-1]
        for drug in self.given:
            if drug.drug_class == "ICI" or not drug.number:
                continue
            drug.said["changes"] = [
                {"change_type": "HOLD", "change_on": first - dt.timedelta(days=8), "change_reason": "SRT"},
                {"change_type": "RESTART", "change_on": last + dt.timedelta(days=9), "change_reason": "SRT"},
            ]
            self.save("systemic_treatment", drug.said, number=drug.number, reason="Hold around SRT")

    def start_new_line(self) -> None:
        """The visit at which the allocated new line starts."""
        today = clock.today()
        if self.is_over:
            self._tell_that_it_is_over(today)
            return
        visits.record_date(visit=self.visit("SWITCH_START"), on=today, by=self.crew.coordinator)
        self._ask_events("SWITCH_START", today)
        if self.rng.random() < 0.05:
            said: Said = {"recorded_on": today, "line_started": False, "not_started_reason": "PARTICIPANT"}
            self.save("new_line_start", said, visit="SWITCH_START")
            self._deviate(today, "ALLOCATED", "The participant declined the new line.", "MAJOR")
            self._tell_treatment("", why=WhyOtherwise.PARTICIPANT, from_on=today)
            return
        others = [n for n in patients.NEXT_LINES if n not in (self.patient.regimen, self.patient.next_line)]
        regimen = self.rng.choice(others) if self.rng.random() < 0.1 else self.patient.next_line
        self.save("new_line_start", answers.new_line_start(self.patient, today, today, regimen), visit="SWITCH_START")
        for drug in self.given:
            if drug.number:
                drug.said = answers.stopped(drug.said, today - dt.timedelta(days=7), "PLANNED")
                self.save("systemic_treatment", drug.said, number=drug.number, reason="Stopped for the new line")
        started = answers.drugs(regimen, "NEW_LINE", today)
        for drug in started:
            drug.number = self.save("systemic_treatment", drug.said).number or 0
        self.given = started
        self._tell_treatment("SWITCH", today, from_on=today)

    def _deviate(self, on: dt.date, kind: str, words: str, severity: str) -> None:
        said: Said = {
            "deviation_type": kind,
            "deviation_on": on,
            "found_on": clock.today(),
            "deviation_description": words,
            "severity": severity,
            "corrected": False,
            "corrective_action": "Discussed with the sponsor; reminder sent to the site.",
        }
        self.save("protocol_deviation", said)

    # ------------------------------------------------------------ visits

    def _plan_visits(self, ending: Any) -> None:
        """Every visit before the end of visits at its own date; the end itself at its own."""
        self.due: list[str] = []
        for visit in Visit.objects.filter(participant=self.participant, planned_on__isnull=False):
            if visit.event == "D56" or visit.event.startswith("M"):
                assert visit.planned_on is not None and visit.window_end is not None
                if visit.planned_on + dt.timedelta(days=16) < self.end_of_visits:
                    self._put_visit(visit)
                elif visit.planned_on <= self.end_of_visits + dt.timedelta(days=14) and visit.event != "D56":
                    self.due.append(visit.event)
        self.on(self.end_of_visits, ending)

    def _put_visit(self, visit: Visit) -> None:
        assert visit.planned_on is not None
        assert visit.window_end is not None
        end_on = self.timeline.end.date()
        if self.fate.forgets_visit and end_on - dt.timedelta(days=10) < visit.window_end < end_on:
            return
        chance, shift = self.rng.random(), round(self.rng.gauss(1, 4))
        if chance < 0.06:
            shift = self.rng.choice((-19, 17, 18, 21, 24))
        day = _working(visit.planned_on + dt.timedelta(days=shift))
        lag = 0 if self.rng.random() < 0.35 else self.rng.randrange(1, 9)
        if self.rng.random() < 0.07:
            lag = self.rng.randrange(12, 26)
        lag = max(0, min(lag, (self.end_of_visits - day).days - 4))
        if self.rng.random() < 0.045:
            self.on(visit.planned_on + dt.timedelta(days=self.rng.randrange(15, 30)), self.miss, visit.event)
        elif day < self.end_of_visits:
            self.on(day + dt.timedelta(days=lag), self.attend, visit.event, day)

    def miss(self, event: str) -> None:
        if not self.is_over:
            visits.miss(visit=self.visit(event), reason=self.rng.choice(MISSED), by=self.crew.coordinator)

    def attend(self, event: str, day: dt.date) -> None:
        """Enter a visit: its date, the events since the last one, its forms; now and then a form waits."""
        if self.is_over:
            return
        self._enter_visit(self.visit(event), day, progressing=False)

    def _enter_visit(self, visit: Visit, day: dt.date, *, progressing: bool) -> None:
        if visit.actual_on is None:
            visits.record_date(visit=visit, on=day, by=self.crew.coordinator)
        forms = self.world.definition.visit(visit.event).forms
        self._ask_events(visit, day)
        randomized_on = self.participant_randomized_on()
        share = min(1.0, (day - randomized_on).days / max(1, (self.end_of_visits - randomized_on).days))
        for form in forms:
            if form == "vitals_performance":
                self._vitals(visit, day, share)
            elif form == "laboratory":
                self._laboratory(visit, day)
            elif form == "tumour_assessment":
                said = answers.assessment(self.disease, day, share, self.rng, progressing=progressing)
                self.save(form, said, visit=visit, by=self._reader())
            elif form == "quality_of_life":
                self._quality_of_life(visit, day)

    def participant_randomized_on(self) -> dt.date:
        """The day of randomization."""
        if self.participant.randomized_on is None:
            self.refresh()
        assert self.participant.randomized_on is not None
        return self.participant.randomized_on

    def _reader(self) -> Person:
        return self.rng.choice(self.crew.investigators)

    def _vitals(self, visit: Visit, day: dt.date, share: float) -> None:
        said = patients.vitals(self.patient, day, self.rng, decline=share * 0.8)
        odd = self.rng.random() < 0.04
        if odd:
            said["sbp"] = self.rng.randrange(182, 201)
        self._routine("vitals_performance", said, visit, may_wait=not odd)
        if odd:
            self._follow_automatic(visit, "vitals_performance")

    def _laboratory(self, visit: Visit, day: dt.date) -> None:
        said = patients.laboratory(self.patient, day, self.rng)
        odd = self.rng.random() < 0.05
        if odd:
            said |= self.rng.choice(({"hgb": "6.8"}, {"creatinine": "312"}, {"potassium": "5.9"}, {"alt": "214"}))
        self._routine("laboratory", said, visit, may_wait=not odd)
        if odd:
            self._follow_automatic(visit, "laboratory")

    def _quality_of_life(self, visit: Visit, day: dt.date) -> None:
        if self.rng.random() < 0.1:
            where = Where(self.participant, "quality_of_life", visit=visit)
            records.mark_not_done(where=where, revision=0, reason=self.rng.choice(NOT_DONE), by=self.crew.coordinator)
        else:
            self._routine("quality_of_life", patients.quality_of_life(self.patient, day, self.rng), visit)

    def _routine(self, form: str, said: Said, visit: Visit, *, may_wait: bool = True) -> None:
        """Save a form; in a few cases half of it now and the rest weeks later, or all of it later."""
        chance = self.rng.random() if may_wait else 1.0
        if chance < 0.03:
            kept = dict(list(said.items())[: len(said) // 2])
            self.save(form, kept, visit=visit, complete=False)
            self.after(self.rng.randrange(10, 50), self.complete, form, said, visit)
        elif chance < 0.06:
            self.after(self.rng.randrange(10, 60), self.complete, form, said, visit)
        else:
            self.save(form, said, visit=visit)

    def complete(self, form: str, said: Said, visit: Visit) -> None:
        self.save(form, said, visit=visit)

    def _follow_automatic(self, visit: Visit, form: str) -> None:
        """What an edit check asked is answered after some days, and settled by the monitor; not always."""
        asked = Query.objects.filter(
            record__visit=visit, record__form=form, kind=QueryKind.AUTOMATIC, state__in=WAITS_FOR_ANSWER
        ).order_by("pk")
        for query in asked:
            self._answer_some_day(query, "Confirmed in the source document.")

    def _answer_some_day(self, query: Query, text: str) -> None:
        """Most within a month, some only after a reminder by the monitor, a few not at all."""
        chance = self.rng.random()
        if chance < 0.96:
            days = self.rng.randrange(2, 30) if chance < 0.8 else self.rng.randrange(40, 200)
            self.after(days, self.answer, query, text)

    def answer(self, query: Query, text: str) -> None:
        query.refresh_from_db()
        if query.waits_for_answer:
            data_queries.answer(query=query, text=text, by=self.crew.coordinator)
            if self.rng.random() < 0.93:
                self.after(self.rng.randrange(2, 40), self.close, query)

    def close(self, query: Query) -> None:
        query.refresh_from_db()
        if query.state == QueryState.ANSWERED:
            data_queries.close(query=query, text="Thank you.", by=self.crew.monitor)

    # ------------------------------------------------------------ adverse events

    def _ask_events(self, visit: str | Visit, day: dt.date) -> None:
        """Enter what happened since the last visit, close what is over, and answer the question of the visit."""
        for event in self.events:
            if event.number is None and not event.serious and event.start_on <= day:
                self._enter_event(event, day)
            elif event.number is not None and not event.is_closed and event.end_on is not None and event.end_on <= day:
                self._enter_event(event, day, reason="The event is over")
        since = self.asked_on or dt.date.min
        happened = any(e.number is not None and since < e.start_on <= day for e in self.events)
        self.save(
            "ae_check",
            {"asked_on": day, "ae_since": "AE" if happened else "NONE", "conmed_changed": self.rng.random() < 0.15},
            visit=visit,
        )
        self.asked_on = day
        if self.rng.random() < 0.09:
            self._medicate(day)

    def _enter_event(self, event: Event, day: dt.date, *, reason: str = "") -> None:
        said = answers.adverse_event(
            event, day, self.given, in_srt_arm=self.arm == "SRT", had_srt=self._had_srt_by(event.start_on)
        )
        record = self.save("adverse_event", said, number=event.number, reason=reason)
        event.number = record.number
        event.is_closed = not said["ongoing"]

    def _had_srt_by(self, day: dt.date) -> bool:
        return self.had_srt and self.courses[0].days[0] <= day

    def _medicate(self, day: dt.date) -> None:
        name, why, dose = self.rng.choice(
            (("Loperamide", "Diarrhoea", "2 mg"), ("Amlodipine", "Hypertension", "5 mg"),
             ("Paracetamol", "Pain", "1 g"), ("Levothyroxine", "Hypothyroidism", "75 µg"))
        )  # fmt: skip
        self.save(
            "concomitant_medication",
            {
                "medication": name,
                "med_reason": "HISTORY",
                "indication": why,
                "corticosteroid": False,
                "med_dose": dose,
                "med_frequency": "QD",
                "med_route": "ORAL",
                "med_start_on": day - dt.timedelta(days=self.rng.randrange(0, 9)),
                "med_ongoing": True,
            },
        )

    def learn_of_serious(self, event: Event) -> None:
        """Enter a serious event at once; its form follows within the day, sometimes late."""
        if self.is_over:
            event.serious = False
            return
        self._enter_event(event, clock.today())
        hours = self.rng.uniform(1, 20) if self.rng.random() < 0.85 else self.rng.uniform(26, 90)
        aware_at = clock.now().astimezone(self.timeline.zone)
        self.timeline.at(aware_at + dt.timedelta(hours=hours), self.report_serious, event, aware_at)

    def report_serious(self, event: Event, aware_at: dt.datetime) -> None:
        said = answers.serious_event(
            event, aware_at, in_srt_arm=self.arm == "SRT", had_srt=self._had_srt_by(event.start_on)
        )
        self.save("serious_adverse_event", said, by=self.crew.investigator)
        if clock.now() - aware_at > dt.timedelta(hours=24):
            self._deviate(aware_at.date(), "SAE", "The serious event form was sent after more than 24 hours.", "MINOR")
        self.after(self.rng.randrange(0, 3), self.receive_serious, event)

    def receive_serious(self, event: Event) -> None:
        case = SafetyCase.objects.select_related("participant").get(
            adverse_event__participant=self.participant, adverse_event__number=event.number
        )
        cases.receive(case=case, by=self.world.office.safety_officer)

    def run_clock(self) -> None:
        """A serious event whose form is still owed at the end: the clock runs."""
        today = clock.today()
        toxicity = next(t for t in toxicities.SERIOUS if t.code == "10061229")
        event = Event(toxicity, 3, today - dt.timedelta(days=1), None, serious=True)
        self.events.append(event)
        self._enter_event(event, today)

    # ------------------------------------------------------------ progression and after

    def progress(self) -> None:
        """Progression on imaging: at the visit that is due, or at an unscheduled one; then the progression form."""
        if self.is_over:
            return
        today = clock.today()
        if not self.disease.grows:
            organ = self.rng.choice(("LIVER", "LUNG", "BONE", "LYMPH_NODE"))
            entry = self.save("lesion", self._new_lesion(organ, today))
            self.disease.new_lesions[entry.number or 0] = (organ, self.rng.randrange(16, 26))
        event = self.due[0] if self.due else ""
        if event and self.visit(event).status == "planned":
            self._enter_visit(self.visit(event), today, progressing=True)
        else:
            added = visits.add_on_demand(participant=self.participant, event="UNS", on=today, by=self.crew.coordinator)
            self._enter_visit(added, today, progressing=True)
        self.is_over = True
        self.progressed_on = today
        self.after(self.rng.randrange(1, 5), self.declare_progression)

    def declare_progression(self) -> None:
        """The consultation after the scan: the progression form, and what follows from it."""
        assert self.progressed_on is not None
        self.visits["PROG"] = visits.add_on_demand(
            participant=self.participant, event="PROG", on=clock.today(), by=self.crew.coordinator
        )
        decision = self.rng.choices(("NEW_LINE", "LOCAL", "SUPPORTIVE", "CONTINUE"), (70, 10, 12, 8))[0]
        said = answers.progression(self.progressed_on, self.disease, self.rng, decision=decision)
        self.save("progression", said, visit="PROG", by=self.crew.investigator)
        self.refresh()
        if self.rng.random() < 0.85:
            self.after(self.rng.randrange(3, 25), self.end_treatment)
        if decision == "NEW_LINE":
            self.after(self.rng.randrange(14, 45), self.start_subsequent_line)
        for visit in Visit.objects.filter(participant=self.participant, event__regex=r"^S\d+$").order_by("order"):
            assert visit.planned_on is not None
            self.visits[visit.event] = visit
            self.on(visit.planned_on + dt.timedelta(days=self.rng.randrange(-9, 20)), self.survive, visit.event)
        self.after(20 + self.rng.expovariate(1 / 640), self.die)

    def _new_lesion(self, organ: str, on: dt.date) -> Said:
        lesion = patients.Lesion(
            "NEW1",
            organ,
            self.rng.choice(("LEFT", "RIGHT")) if organ in patients.PAIRED else "NOT_PAIRED",
            patients.PLACES[organ],
            0,
            0,
            True,
            True,
        )
        return patients.lesion_entry(self.patient, lesion, on=on) | {
            "category": "NEW",
            "first_seen_on": on.strftime("%d/%m/%Y"),
        }

    def end_treatment(self) -> None:
        if self.visit_is_out("EOT"):
            return
        today = clock.today()
        ended_on = max(self.progressed_on or today, today - dt.timedelta(days=self.rng.randrange(0, 9)))
        self.visits["EOT"] = visits.add_on_demand(
            participant=self.participant, event="EOT", on=today, by=self.crew.coordinator
        )
        self.save(
            "end_of_treatment",
            {"ended_on": ended_on, "end_reason": "PD", "decided_on": self.progressed_on or today},
            visit="EOT",
        )
        for drug in self.given:
            if drug.number:
                drug.said = answers.stopped(drug.said, ended_on, "PD")
                self.save("systemic_treatment", drug.said, number=drug.number, reason="Stopped at progression")
        self.refresh()

    def visit_is_out(self, event: str) -> bool:
        """Whether the participant has left, or already has this visit."""
        left = self.participant.died_on or self.participant.lost_on or self.participant.withdrawn_contact_on
        return left is not None or event in self.visits

    def start_subsequent_line(self) -> None:
        if self.participant.died_on is not None:
            return
        taken = {self.patient.regimen: True, self.patient.next_line: True}
        today = clock.today()
        start = max(self.progressed_on or today, today - dt.timedelta(days=self.rng.randrange(0, 6)))
        self.save("subsequent_line", answers.subsequent_line(self.patient, start, taken, self.rng))
        self.has_line = True

    def survive(self, event: str) -> None:
        if self.participant.died_on is not None:
            return
        today = clock.today()
        visits.record_date(visit=self.visit(event), on=today, by=self.crew.coordinator)
        self.save("survival_followup", answers.survival(today, has_line=self.has_line, rng=self.rng), visit=event)

    def die(self) -> None:
        """Death, then the end of the study."""
        today = clock.today()
        self.is_over = True
        died_on = max(
            self.participant_randomized_on(),
            max(v.actual_on for v in Visit.objects.filter(participant=self.participant) if v.actual_on),
            today - dt.timedelta(days=self.rng.randrange(0, 6)),
        )
        self.visits["DEATH"] = visits.add_on_demand(
            participant=self.participant, event="DEATH", on=died_on, by=self.crew.coordinator
        )
        said: Said = {"died_on": died_on, "cause": "DISEASE", "death_source": "FILE", "autopsy": False}
        if self.progressed_on is None:
            said |= {
                "cause": "UNKNOWN",
                "fatal_event": Typed(missing="NA", reason="Died at home; no adverse event was reported."),
                "death_relation_srt": "NOT_RELATED" if self.had_srt else "NOT_RECEIVED",
            }
        self.save("death", said, visit="DEATH", by=self.crew.investigator)
        self.refresh()
        self.after(self.rng.randrange(1, 20), self.leave_study, "DEATH", died_on)

    def leave_study(self, reason: str, on: dt.date) -> None:
        self.visits["EOS"] = visits.add_on_demand(
            participant=self.participant, event="EOS", on=on, by=self.crew.coordinator
        )
        said: Said = {"ended_on": on, "end_reason": reason}
        if reason == "LOST":
            said |= {"last_alive_on": self.asked_on or on, "attempts": 4, "gp_asked": True, "registry_asked": True}
        self.save("end_of_study", said, visit="EOS", by=self.crew.investigator)
        self.refresh()

    def lose(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        statuses.record_by_hand(
            participant=self.participant,
            kind=StatusKind.LOST,
            on=clock.today(),
            reason="NO_CONTACT",
            detail="No answer to calls and letters for two months",
            by=self.crew.coordinator,
        )
        self.refresh()
        if self.rng.random() < 0.4:  # the others stay "lost to follow-up" until the registry answers
            self.after(self.rng.randrange(5, 30), self.leave_study, "LOST", clock.today())

    def withdraw(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        kind = StatusKind.WITHDRAWN_VISITS if self.rng.random() < 0.7 else StatusKind.WITHDRAWN_CONTACT
        statuses.record_by_hand(
            participant=self.participant,
            kind=kind,
            on=clock.today(),
            reason="PARTICIPANT",
            detail="Visits are too far from home",
            by=self.crew.coordinator,
        )
        self.refresh()


def _working(day: dt.date) -> dt.date:
    """The day, or the Monday after it when it is a weekend."""
    return day + dt.timedelta(days=7 - day.weekday()) if day.weekday() > 4 else day


__all__ = ["Life", "World"]
