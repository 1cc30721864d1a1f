"""Each site's laboratory reference ranges, dated: a new range never rewrites the values read under the old one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _

import audit
from audit.errors import Refused
from trial.definition import Definition, Item
from trial.definitions import definition_of, latest_version
from trial.free_text import kept
from trial.language import Fault, parse_number
from trial.language.units import canonical, tidy, to_standard
from trial.models import Participant, Person, Site, Transfer
from trial.permissions import Permission, check

from ..checks.book import HIDDEN, ROW_ID, Rows
from ..entry import RowKey
from ..laboratory import analytes_of, items_of
from ..models import LaboratoryRange, Record
from ..selectors import laboratory_ranges

SEXES = ("", "M", "F")
FIRST_DAY = dt.date(1990, 1, 1)
"""No laboratory's range of a running trial is older."""


@dataclass(frozen=True)
class Range:
    """One analyte's reference range; empty text for a side that has no limit. Any unit that the analyte takes."""

    analyte: str
    sex: str
    unit: str
    low: str
    high: str


@transaction.atomic
def set_ranges(*, site: Site, ranges: Sequence[Range], from_on: dt.date, by: Person | None) -> list[LaboratoryRange]:
    """Give a site its laboratory's reference ranges from a day on.

    The site's own staff do; the system (`by` None) may also keep ranges of analytes that no form asks for yet.
    """
    if by is not None:
        check(by, Permission.ENTER_GENERAL, site.pk)
    _check_day(from_on)
    definition = definition_of(latest_version().pk)
    rows = []
    for one in ranges:
        row = LaboratoryRange(site=site, analyte=one.analyte, sex=one.sex, from_on=from_on)
        _take(row, one, definition, strict=by is not None)
        rows.append(row)
    held = set(LaboratoryRange.objects.filter(site=site, from_on=from_on).values_list("analyte", "sex"))
    doubled = [one.analyte for one in ranges if (one.analyte, one.sex) in held]
    if doubled:
        raise Refused(_("A range from this day on is already kept for: %(list)s.") % {"list": ", ".join(doubled)})
    audit.save_many(rows, by=by)
    audit.deed("laboratory.ranges_set", site, by=by, from_on=from_on, count=len(rows))
    return rows


@transaction.atomic
def correct(
    *, laboratory_range: LaboratoryRange, unit: str, low: str, high: str, reason: str, by: Person
) -> tuple[LaboratoryRange, int]:
    """Correct limits that were entered wrong; values read under them are read again under the right ones.

    Each such record says so in its trail; frozen and locked ones keep theirs and get a finding. Returns the range and
    the number of records that changed.
    """
    current = LaboratoryRange.objects.select_for_update(no_key=True, of=("self",)).get(pk=laboratory_range.pk)
    check(by, Permission.ENTER_GENERAL, current.site_id)
    reason = kept(reason, needed=_("Give the reason why this range is corrected."))
    was = (current.low, current.high)
    _take(
        current, Range(current.analyte, current.sex, unit, low, high), definition_of(latest_version().pk), strict=True
    )
    if was == (current.low, current.high):
        raise Refused(_("These are the limits that are kept already."), code="unchanged")
    audit.save(current, by=by, reason=reason)
    changed = _read_again(current, was, by)
    audit.deed(
        "laboratory.range_corrected", current, by=by, for_site=current.site_id, analyte=current.analyte,
        sex=current.sex, from_on=current.from_on, reason=reason, records=changed,
    )  # fmt: skip
    return current, changed


def _take(row: LaboratoryRange, one: Range, definition: Definition, *, strict: bool) -> None:
    """Put limits into a row, in the standard unit, and as entered when that was another one. Raises Refused."""
    found = analytes_of(definition).get(one.analyte)
    if found is None and strict:
        raise Refused(_("No form of this study asks for “%(analyte)s”.") % {"analyte": one.analyte})
    if one.sex not in SEXES:
        raise Refused(_("%(analyte)s: the sex is M, F or both.") % {"analyte": one.analyte})
    item = found[1] if found is not None else None
    low, high = (_limit(side, one, item) for side in (one.low, one.high))
    if low is None and high is None:
        raise Refused(_("%(analyte)s: give at least one limit.") % {"analyte": one.analyte})
    if low is not None and high is not None and low >= high:
        raise Refused(_("%(analyte)s: the lower limit is not below the upper one.") % {"analyte": one.analyte})
    standard = item.unit or "" if item is not None else one.unit
    row.unit = standard
    row.low, row.high = ("" if side is None else canonical(side) for side in (low, high))
    other = one.unit not in ("", standard)
    row.entered_unit = one.unit if other else ""
    row.entered_low, row.entered_high = (one.low.strip(), one.high.strip()) if other else ("", "")


def _limit(typed: str, one: Range, item: Item | None) -> Decimal | None:
    if not typed.strip():
        return None
    try:
        number = parse_number(typed.strip(), locale=get_language() or "en")
        if item is not None and one.unit and one.unit != item.unit:
            units = [(unit.unit, unit.factor, unit.offset) for unit in item.units]
            number = tidy(to_standard(number, one.unit, item.unit or "", units))
    except Fault as fault:
        text = fault.text(_) if fault.code.startswith("unit.") else _("a limit is not a number.")
        raise Refused(_("%(analyte)s: %(text)s") % {"analyte": one.analyte, "text": text}) from None
    if number < 0:
        raise Refused(_("%(analyte)s: a limit is not below zero.") % {"analyte": one.analyte})
    if len(canonical(number)) > 20:
        raise Refused(_("%(analyte)s: a limit has too many digits.") % {"analyte": one.analyte})
    return number


def _check_day(day: dt.date) -> None:
    if day < FIRST_DAY:
        raise Refused(_("This day is too early for a range: %(day)s.") % {"day": day.isoformat()})


def _read_again(corrected: LaboratoryRange, was: tuple[str, str], by: Person) -> int:
    """Give the values that were read under the former limits the corrected ones; return how many records changed."""
    from .recomputation import reread

    former = {"lo": was[0], "hi": was[1]}
    candidates = (
        Record.objects.filter(
            participant__in=_ever_at(corrected), removed_at=None, dated_on__gte=corrected.from_on,
            form__in={form for v in _versions(corrected) for form in items_of(v, corrected.analyte)},
        )
        .select_for_update(no_key=True, of=("self",))
        .select_related("participant__site", "visit")
        .order_by("participant_id", "pk")
    )  # fmt: skip
    changed = 0
    for record in candidates:
        definition = definition_of(record.participant.version_id)
        items = items_of(definition, corrected.analyte).get(record.form, [])
        wanted = laboratory_ranges(record.participant, record.dated_on).get(corrected.analyte, ("", ""))
        if wanted != (corrected.low, corrected.high):
            continue  # another range, of the other sex or of a later day, is in force there

        def apply(data: Rows, items: list[str] = items) -> dict[RowKey, tuple[Any, Any]]:
            return _with_limits(data, items, former, (corrected.low, corrected.high))

        changed += reread(record, apply, cause=gettext_noop("the correction of a laboratory range"), by=by)
    return changed


def _ever_at(corrected: LaboratoryRange) -> QuerySet[Participant]:
    """Participants of the site, and those who left it: what was read there before keeps its ranges."""
    left = Transfer.objects.filter(from_site_id=corrected.site_id).values("participant")
    return Participant.objects.filter(Q(site_id=corrected.site_id) | Q(pk__in=left))


def _versions(corrected: LaboratoryRange) -> list[Definition]:
    numbers = _ever_at(corrected).order_by().values_list("version_id", flat=True).distinct()
    return [definition_of(number) for number in numbers]


def _with_limits(
    data: Rows, items: list[str], former: dict[str, str], limits: tuple[str, str]
) -> dict[RowKey, tuple[Any, Any]]:
    found: dict[RowKey, tuple[Any, Any]] = {}
    for group, rows in data.items():
        for row in rows:
            for item in items:
                stored = row.get(item) if item not in (ROW_ID, HIDDEN) else None
                if stored is not None and stored.get("extra") == former:
                    row[item] = {**stored, "extra": {"lo": limits[0], "hi": limits[1]}}
                    found[group, row.get(ROW_ID, ""), item] = (stored, row[item])
    return found
