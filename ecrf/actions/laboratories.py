"""Each site's laboratory reference ranges, dated: a new range never rewrites the values read under the old one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit.errors import Refused
from trial.models import Person, Site
from trial.permissions import Permission, check

from ..models import LaboratoryRange


@dataclass(frozen=True)
class Range:
    """One analyte's reference range in its standard unit; empty text for a side that has no limit."""

    analyte: str
    sex: str
    unit: str
    low: str
    high: str


@transaction.atomic
def set_ranges(*, site: Site, ranges: Sequence[Range], from_on: dt.date, by: Person | None) -> list[LaboratoryRange]:
    """Give a site its laboratory's reference ranges from a day on."""
    if by is not None:
        check(by, Permission.ENTER_GENERAL, site.pk)
    for one in ranges:
        try:
            low, high = (Decimal(side) if side else None for side in (one.low, one.high))
        except InvalidOperation:
            raise Refused(_("%(analyte)s: a limit is not a number.") % {"analyte": one.analyte}) from None
        if low is None and high is None:
            raise Refused(_("%(analyte)s: give at least one limit.") % {"analyte": one.analyte})
        if low is not None and high is not None and low >= high:
            raise Refused(_("%(analyte)s: the lower limit is not below the upper one.") % {"analyte": one.analyte})
    held = set(LaboratoryRange.objects.filter(site=site, from_on=from_on).values_list("analyte", "sex"))
    doubled = [one.analyte for one in ranges if (one.analyte, one.sex) in held]
    if doubled:
        raise Refused(_("A range from this day on is already kept for: %(list)s.") % {"list": ", ".join(doubled)})
    rows = [
        LaboratoryRange(site=site, analyte=o.analyte, sex=o.sex, unit=o.unit, low=o.low, high=o.high, from_on=from_on)
        for o in ranges
    ]
    audit.save_many(rows, by=by)
    audit.deed("laboratory.ranges_set", site, by=by, from_on=from_on, count=len(rows))
    return rows
