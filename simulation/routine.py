"""What happens at intervals whoever the participants are: monitoring visits, signing, reminders."""

from __future__ import annotations

import datetime as dt
from random import Random

import audit
from audit import clock
from ecrf.actions import data_queries, records, verifications
from ecrf.models import EntryState, Query, QueryState, Record
from ecrf.where import Where
from trial.actions import notices
from trial.models import Notice, NoticeState, Study

from .house import Crew
from .lives import World
from .pace import alone
from .passwords import PASSWORD

WEEK = dt.timedelta(days=7)
VERIFIED_FORMS = ("consent", "eligibility", "oligoprogression", "progression", "srt_course", "tumour_assessment")
VERIFIED_AT_ONCE = 6
"""Forms that the monitor gets through in one session, beside the rest of the visit."""
QUESTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "laboratory": (("creatinine", "Please check the creatinine against the printed report."),
                   ("platelets", "Is the unit of the platelets right?")),
    "vitals_performance": (("weight", "The weight differs from the consultation letter. Please check."),
                           ("ecog", "The letter says ECOG 1. Please check.")),
    "tumour_assessment": (("imaging_on", "The report is dated two days earlier. Please check the date of the scan."),
                          ("lesions", "Please send the report with the measurements.")),
    "adverse_event": (("end_on", "Is the end date known from the participant or from the file?"),
                      ("grade", "Two antihypertensive drugs are given: is the grade right?")),
    "quality_of_life": (("completed_on", "The questionnaire is dated by another hand. Please confirm the day."),),
    "medical_history": (("", "The anaesthesia record names sleep apnoea. Please complete."),),
    "rcc_history": (("nephrectomy_on", "Please give the day of the nephrectomy if it is known."),),
    "systemic_treatment": (("dose", "Please confirm the dose after the last consultation."),),
    "oligoprogression": (("first_ct_on", "The first scan in the file has another date. Please check."),),
    "prior_systemic_lines": (("", "Was an adjuvant treatment given?"),),
}  # fmt: skip
"""Questions that monitors ask: item (or the form as such) and words."""
REPLIES = (
    "Checked: the value in the form is right.",
    "Confirmed with the investigator; the source document was corrected.",
    "The letter was wrong, a corrected one is in the file.",
    "Confirmed in the source document.",
)


class SiteRoutine:
    """Monitoring visits and signing sessions of one site."""

    def __init__(self, world: World, crew: Crew, seed: str) -> None:
        self.world = world
        self.timeline = world.timeline
        self.crew = crew
        self.rng = Random(seed)
        self.is_diligent = self.rng.random() < 0.7
        self.seen_to = crew.first_on

    def begin(self) -> None:
        """Put the first visit and the first session on the timeline."""
        self._on(self.crew.first_on + dt.timedelta(days=self.rng.randrange(40, 60)), self.monitor)
        if self.is_diligent:
            self._on(self.crew.first_on + dt.timedelta(days=self.rng.randrange(50, 80)), self.sign)

    def _on(self, day: dt.date, step: object, *arguments: object) -> None:
        self.timeline.at(self.timeline.moment(day, self.rng), step, *arguments)  # type: ignore[arg-type]

    def _after(self, days: int, step: object, *arguments: object) -> None:
        self._on(clock.today() + dt.timedelta(days=days), step, *arguments)

    def monitor(self) -> None:
        """Verify what the plan asks for in some records, and ask about some others."""
        today = clock.today()
        fresh = list(
            Record.objects.filter(
                participant__site=self.crew.site,
                entry_state=EntryState.COMPLETE,
                removed_at=None,
                form__in=[*VERIFIED_FORMS, *QUESTIONS],
                dated_on__gt=self.seen_to - dt.timedelta(days=45),
            )
            .select_related("participant__site", "visit")
            .order_by("participant__code", "form", "visit__order", "visit__occurrence", "number")
        )
        to_verify = [r for r in fresh if r.form in VERIFIED_FORMS]
        for record in self.rng.sample(to_verify, min(len(to_verify), VERIFIED_AT_ONCE)):
            self._verify(record)
        to_ask = [r for r in fresh if r.form in QUESTIONS]
        for record in self.rng.sample(to_ask, min(len(to_ask), self.rng.choice((1, 1, 1, 2, 2)))):
            self._ask(record)
        self.seen_to = today
        self._after(self.rng.randrange(70, 100), self.monitor)

    def _verify(self, record: Record) -> None:
        verifications.verify_required(record=record, by=self.crew.monitor)

    def _ask(self, record: Record) -> None:
        form = self.world.definition.form(record.form)
        item, text = self.rng.choice(QUESTIONS[record.form])
        where = Where(record.participant, record.form, visit=record.visit, number=record.number)
        query = data_queries.ask(where=where, text=text, item=item if item in form.items else "", by=self.crew.monitor)
        chance = self.rng.random()
        if chance < 0.97:  # most within weeks, some only after a reminder
            self._after(self.rng.randrange(2, 35) if chance < 0.82 else self.rng.randrange(40, 220), self.answer, query)

    def answer(self, query: Query) -> None:
        query.refresh_from_db()
        if not query.waits_for_answer:
            return
        data_queries.answer(query=query, text=self.rng.choice(REPLIES), by=self.crew.coordinator)
        chance = self.rng.random()
        if chance < 0.08:
            self._after(self.rng.randrange(3, 20), self.reopen, query)
        elif chance < 0.95:
            self._after(self.rng.randrange(3, 45), self.close, query)

    def reopen(self, query: Query) -> None:
        query.refresh_from_db()
        if query.state == QueryState.ANSWERED:
            data_queries.reopen(query=query, text="Please name the document.", by=self.crew.monitor)
            self._after(self.rng.randrange(3, 30), self.answer, query)

    def close(self, query: Query) -> None:
        query.refresh_from_db()
        if query.state == QueryState.ANSWERED:
            data_queries.close(query=query, text="", by=self.crew.monitor)

    def sign(self) -> None:
        """The investigator signs some complete forms that ask for it."""
        forms = [
            form.id
            for form in self.world.definition.forms.values()
            if form.sign == "investigator" and form.id != "eligibility"
        ]
        unsigned = (
            Record.objects.filter(
                participant__site=self.crew.site, entry_state=EntryState.COMPLETE, signature=None, form__in=forms,
                removed_at=None,
            )
            .select_related("participant__site")
            .order_by("participant__code", "form", "visit__order", "visit__occurrence", "number")
        )  # fmt: skip
        found = list(unsigned[:40])
        for record in self.rng.sample(found, min(len(found), 4)):
            records.sign(record=record, password=PASSWORD, by=self.crew.investigator)
        self._after(self.rng.randrange(70, 110), self.sign)


class Reminders:
    """Once a week the reminders of the study are owed, as the scheduler does each day.

    Nobody wants the e-mails of two past years: what was owed before the last day of the simulation is kept as sent at
    its time, without being sent; most of it as seen by its person. What is owed on the last day stays owed, and the
    worker of the demo sends it by the normal path.
    """

    def __init__(self, world: World, first_on: dt.date, seed: str, *, is_mine: bool = True) -> None:
        self.timeline = world.timeline
        self.rng = Random(seed)
        self.first_on = first_on
        self.is_mine = is_mine  # another process does it; this one only waits for it

    def begin(self) -> None:
        """Put the first week on the timeline."""
        day = self.first_on
        moment = dt.datetime.combine(day + dt.timedelta(days=7 - day.weekday()), dt.time(6, 0), self.timeline.zone)
        self.timeline.at(moment, self.week)
        self.timeline.at(self.timeline.end, self.last)

    @alone
    def week(self) -> None:
        """Owe what is due, and keep it as sent."""
        if self.is_mine:
            notices.owe_reminders()
            self._keep_as_sent()
        assert self.timeline.now is not None
        self.timeline.at(self.timeline.now + WEEK, self.week)

    @alone
    def last(self) -> None:
        """The last day: older notices are kept as sent, those owed now stay owed."""
        if not self.is_mine:
            return
        self._keep_as_sent(before=clock.now() - dt.timedelta(days=1))
        notices.owe_reminders()

    def _keep_as_sent(self, before: dt.datetime | None = None) -> None:
        owed = Notice.objects.filter(state=NoticeState.OWED).order_by(
            "due_at", "kind", "person__email", "participant__code", "visit__order"
        )
        found = list(owed.filter(due_at__lt=before) if before is not None else owed)
        if not found:
            return
        now = clock.now()
        for notice in found:
            notice.state = NoticeState.SENT
            notice.sent_at = now
            if self.rng.random() < 0.8:
                notice.seen_at = now
        audit.save_many(found, by=None, reason="Simulated: not sent")
        audit.deed("notice.sent", Study.objects.order_by("pk").first(), by=None, count=len(found), simulated=True)
