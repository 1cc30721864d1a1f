"""Signing eligibility, and what becomes of it when the data change."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial.actions import notices, statuses
from trial.definition import Definition, Phase
from trial.definitions import definition_of
from trial.models import Person, Role, Status, StatusKind

from ..books import book_of
from ..eligibility import assess, assess_entry, decides, deciding_record
from ..models import Change, Finding, FindingState, Record, Severity
from . import findings


def is_eligibility_form(record: Record) -> bool:
    """Tell whether this is the form whose signature makes a participant eligible."""
    eligibility = definition_of(record.participant.version_id).eligibility
    return eligibility is not None and record.form == eligibility.form


def check_can_be_signed(record: Record) -> None:
    """Refuse to sign an eligibility that is undecided, that fails, or that rests on assessments too old by today.

    There are no waivers.
    """
    if not is_eligibility_form(record):
        return
    participant = record.participant
    if not decides(record, participant):
        raise Refused(
            _("This eligibility is of an earlier screening. Sign the one of the new screening."), code="earlier"
        )
    if participant.status not in (Status.SCREENING, Status.ENROLLED):
        raise Refused(_("%(code)s is no longer in screening.") % {"code": participant.code})
    result = assess(participant, clock.today())
    if result.failing:
        raise Refused(
            _("Not eligible: %(criteria)s. There are no waivers.")
            % {"criteria": ", ".join(a.criterion.id for a in result.failing)},
            code="not_eligible",
        )
    if result.undecided:
        raise Refused(
            _("Not yet decided: %(criteria)s.") % {"criteria": ", ".join(a.criterion.id for a in result.undecided)},
            code="undecided",
        )
    if result.outdated:
        raise Refused(
            _("Assessments too old or absent for: %(criteria)s.")
            % {"criteria": ", ".join(a.criterion.id for a in result.outdated)},
            code="outdated",
        )


def enrol(record: Record, by: Person) -> None:
    """Make the participant eligible once the investigator signed; called after every signature."""
    if not is_eligibility_form(record) or not decides(record, record.participant):
        return
    participant = record.participant
    if participant.status == Status.SCREENING:
        record.participant = statuses.set_date(
            participant=participant, kind=StatusKind.ENROLLED, on=clock.today(), by=by
        )


def unsettle(record: Record, changed: frozenset[str], by: Person) -> None:
    """Take eligibility back when its signed form changes before randomization.

    After randomization neither eligibility nor stratum is altered: a change to what they rested on is reported.
    """
    participant = record.participant
    if participant.day_zero_on is not None:
        _report_changed_input(record, changed, by)
    elif (
        is_eligibility_form(record)
        and decides(record, participant)
        and record.is_changed_since_signing
        and participant.enrolled_on is not None
    ):
        record.participant = statuses.set_date(
            participant=participant,
            kind=StatusKind.ENROLLED,
            on=None,
            by=by,
            reason=_("Eligibility was changed after it was signed."),
        )


# ---------------------------------------------------------------- disagreements

DISAGREEMENT = findings.OF_CRITERIA
"""What the check id of a finding begins with that says: the data and the person who judged disagree."""


def follow_disagreements(record: Record, changed: frozenset[str], by: Person) -> None:
    """Keep a finding on the eligibility form for each criterion on which data and judgment disagree."""
    definition = definition_of(record.participant.version_id)
    both = {c.id: c for c in definition.criteria if c.expression is not None and c.judged is not None}
    if not both or record.participant.day_zero_on is not None:
        return
    if not is_eligibility_form(record) and not _decides(definition, record, changed):
        return
    deciding = deciding_record(record.participant, definition)
    if deciding is None:
        return
    book = book_of(record.participant, definition)
    result = assess_entry(record.participant, definition, book, clock.today())
    disagreeing = {DISAGREEMENT + a.criterion.id for a in result.assessments if a.disagrees}
    held = {f.check_id: f for f in Finding.objects.filter(record=deciding, check_id__startswith=DISAGREEMENT)}
    for check_id, finding in held.items():
        if check_id not in disagreeing:
            findings.resolve(finding, by=by)
    for check_id in sorted(disagreeing):
        finding = held.get(check_id) or Finding(record=deciding, check_id=check_id)
        if finding.pk is None or finding.state == FindingState.RESOLVED:
            finding.item = str(both[check_id.removeprefix(DISAGREEMENT)].judged).partition(".")[2]
            finding.severity, finding.state = Severity.HARD, FindingState.OPEN
            finding.raised_at, finding.resolved_at = clock.now(), None
            audit.save(finding, by=by)


# ---------------------------------------------------------------- after randomization

INPUT_CHANGED = "eligibility_input_changed"
DEVIATION_PROPOSED = "deviation_proposed"
DEVIATIONS = "DV"
"""CDASH domain of the log of protocol deviations."""


def _report_changed_input(record: Record, changed: frozenset[str], by: Person) -> None:
    """Tell data managers and statisticians, and propose a deviation to the site; nothing else is written (DOMAIN)."""
    participant = record.participant
    definition = definition_of(participant.version_id)
    if not _decides(definition, record, changed) or not _was_there_at_allocation(record, definition):
        return
    audit.deed(
        "eligibility.input_changed",
        record,
        by=by,
        form=record.form,
        revision=record.revision,
        items=sorted(inputs_among(definition, record.form, changed)),
        reveals_arm=record.reveals_arm,
    )
    key = f"{record.pk}:{record.revision}"
    context = {"site": participant.site.number, "code": participant.code, "date": clock.today().isoformat()}
    casebook = f"/participants/{participant.code}/"
    deviations = next((form.id for form in definition.log_forms if form.domain == DEVIATIONS), None)
    told = (
        (INPUT_CHANGED, (Role.DATA_MANAGER,), casebook),
        (INPUT_CHANGED, (Role.STATISTICIAN_BLINDED, Role.STATISTICIAN_UNBLINDED), "/"),  # they open no casebook
        (
            DEVIATION_PROPOSED,
            (Role.INVESTIGATOR, Role.CO_INVESTIGATOR, Role.COORDINATOR),
            f"{casebook}log/{deviations}/new/?about={record.pk}.{record.revision}" if deviations else casebook,
        ),
    )
    for kind, roles, url in told:
        notices.owe(
            kind=kind,
            people=notices.people_holding(roles, participant.site_id),
            key=f"{kind}:{key}",
            participant=participant,
            context=context,
            url=url,
            by=by,
        )


def _decides(definition: Definition, record: Record, changed: frozenset[str]) -> bool:
    """Whether what changed in the record (an entry taken out of use: all of it) is read by a criterion or a stratum."""
    if record.removed_at is not None:
        return _reads(definition, record.form, None) or any(
            _is_input(definition, record.form, item) for item in definition.form(record.form).items
        )
    return any(_is_input(definition, record.form, item) for item in changed)


def inputs_among(definition: Definition, form: str, items: Iterable[str]) -> set[str]:
    """Return those of a form's items on which a criterion or a stratum rests."""
    return {item for item in items if _is_input(definition, form, item)}


def _is_input(definition: Definition, form: str, item: str) -> bool:
    if _reads(definition, form, item) or any(c.judged == f"{form}.{item}" for c in definition.criteria):
        return True
    identity = definition.study_file.identity
    return any(
        reference == f"{form}.{item}" and name in _read_of_participant(definition)
        for name, reference in (
            ("participant.sex", identity.sex),
            ("participant.birth_month", identity.birth_month),
            ("participant.birth_year", identity.birth_year),
            ("participant.age", identity.birth_month),
            ("participant.age", identity.birth_year),
        )
    )


def _reads(definition: Definition, form: str, item: str | None) -> bool:
    """Whether a criterion, or a section of a room above (the strata), reads the item or the entries of the form."""
    return any(use.kind in ("criterion", "section") for use in definition.feeds(form, item))


def _read_of_participant(definition: Definition) -> set[str]:
    compiled = definition.compiled
    expressions = [*compiled.criteria.values(), *(e for found in compiled.sections.values() for e in found.values())]
    return {ref.name for expression in expressions for ref in expression.reads if ref.kind == "context"}


def _was_there_at_allocation(record: Record, definition: Definition) -> bool:
    """Whether the record could be read when the participant was allocated: what is measured later decides nothing."""
    day_zero_on = record.participant.day_zero_on
    if day_zero_on is None or not decides(record, record.participant):
        return False
    if record.visit is not None:
        is_screening = definition.visit(record.visit.event).phase is Phase.SCREENING
        return is_screening or (record.visit.actual_on is not None and record.visit.actual_on <= day_zero_on)
    first = Change.objects.filter(record=record).order_by("pk").values_list("at", flat=True).first()
    return record.revision > 1 and first is not None and timezone.localtime(first).date() <= day_zero_on
