"""The report of a running list: how many were allocated by stratum, by site and in time, with arms only when given."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from trial.definitions import definition_of
from trial.presenters import date_words

from .models import AllocationList
from .presenters import locale, stratum_words
from .selectors import Given
from .simulated import Picture, TableWords, fixed
from .simulation.drawing import course
from .simulation.measures import imbalance

DAYS_OF_A_MONTH = 30.4375


@dataclass(frozen=True)
class Progress:
    """A running list in words: tables by stratum, by site and by month, and its course as pictures."""

    total: int
    tables: list[TableWords]
    pictures: list[Picture]


def progress(allocation_list: AllocationList, given: Sequence[Given], *, by_arm: bool) -> Progress:
    """Count the allocations. `by_arm` adds a column for each arm and the imbalance; it needs allocations with arms."""
    counted = _Counted(allocation_list, given, by_arm)
    return Progress(len(given), [counted.by_stratum(), counted.by_site(), counted.by_month()], counted.pictures())


class _Counted:
    def __init__(self, allocation_list: AllocationList, given: Sequence[Given], by_arm: bool) -> None:
        self.list = allocation_list
        self.given = given
        self.by_arm = by_arm
        self.definition = definition_of(allocation_list.version_id)
        self.arms = sorted(allocation_list.arms)
        ratio = np.array([allocation_list.arms[arm] for arm in self.arms], dtype=np.float64)
        self.ratio = ratio / ratio.sum()

    def by_stratum(self) -> TableWords:
        heads = [_("Stratum"), _("Allocated"), _("First"), _("Last"), _("Each month"), *self._arm_heads()]
        rows = [
            [stratum_words(stratum, self.definition), *self._group(("stratum", stratum), pace=True)]
            for stratum in self.list.strata
        ]
        note = _("Each month: allocations since the first one of the stratum, in a month of the time since.")
        return TableWords(_("By stratum"), heads, rows, note)

    def by_site(self) -> TableWords:
        heads = [_("Site"), _("Allocated"), _("First"), _("Last"), *self._arm_heads()]
        sites = sorted({given.site for given in self.given})
        rows = [[site, *self._group(("site", site))] for site in sites]
        return TableWords(_("By site"), heads, rows)

    def by_month(self) -> TableWords:
        heads = [_("Month"), _("Allocated"), _("So far"), *self._arm_heads()]
        rows = []
        for month in _months(self.given):
            until = [given for given in self.given if _month(given) <= month]
            within = sum(1 for given in until if _month(given) == month)
            rows.append([f"{month:%m/%Y}", str(within), str(len(until)), *self._arms(until)])
        note = _("Arms and imbalance: so far, up to the end of the month.") if self.by_arm else ""
        return TableWords(_("By month"), heads, rows, note)

    def pictures(self) -> list[Picture]:
        months = _months(self.given)
        if not months:
            return []
        so_far = [sum(1 for given in self.given if _month(given) <= month) for month in months]
        found = [
            _picture(
                "course",
                _("Allocated so far"),
                [float(n) for n in so_far],
                [f"{m:%m/%Y}" for m in (months[0], months[-1])],
            )
        ]
        if self.by_arm:
            apart = [self._apart(self.given[:number]) for number in range(1, len(self.given) + 1)]
            found.append(
                _picture(
                    "apart", _("Imbalance after each allocation"), apart, ["1", str(len(apart))][: min(2, len(apart))]
                )
            )
        return found

    def _group(self, of: tuple[str, str], *, pace: bool = False) -> list[str]:
        name, value = of
        found = [given for given in self.given if getattr(given, name) == value]
        days = [_day(given) for given in found]
        cells = [str(len(found)), _date(days[0]) if days else "–", _date(days[-1]) if days else "–"]
        if pace:
            cells.append(self._pace(days))
        return [*cells, *self._arms(found)]

    def _pace(self, days: Sequence[dt.date]) -> str:
        """Allocations in a month, from the first one of the group to the last one of the list."""
        if not days:
            return "–"
        months = max(1.0, (_day(self.given[-1]) - days[0]).days / DAYS_OF_A_MONTH)
        return fixed(len(days) / months, 2)

    def _arm_heads(self) -> list[str]:
        if not self.by_arm:
            return []
        return [*(self.definition.text(self.definition.arms[arm].label, locale()) for arm in self.arms), _("Imbalance")]

    def _arms(self, found: Iterable[Given]) -> list[str]:
        if not self.by_arm:
            return []
        found = list(found)
        counts = Counter(given.arm for given in found)
        return [*(str(counts[arm]) for arm in self.arms), fixed(self._apart(found), self._places)]

    @property
    def _places(self) -> int:
        return 0 if self.ratio.max() == self.ratio.min() else 1

    def _apart(self, found: Sequence[Given]) -> float:
        counts = Counter(given.arm for given in found)
        return float(imbalance(np.array([counts[arm] for arm in self.arms], dtype=np.float64), self.ratio))


def _picture(name: str, title: str, values: list[float], labels: list[str]) -> Picture:
    words = _("%(title)s: %(last)s at the end, at most %(most)s") % {
        "title": title,
        "last": fixed(values[-1], 0),
        "most": fixed(max(values), 0),
    }
    svg = course(
        values,
        labels=labels,
        is_whole=all(v == int(v) for v in values),
        name=f"list-{name}",
        title=title,
        description=words,
    )
    return Picture(title, [], _safe(svg))


def _safe(svg: str) -> SafeString:
    return mark_safe(svg)  # noqa: S308 - the drawing escapes every word


def _day(given: Given) -> dt.date:
    return timezone.localtime(given.at).date()


def _month(given: Given) -> dt.date:
    return _day(given).replace(day=1)


def _months(given: Sequence[Given]) -> list[dt.date]:
    """Every month from the first allocation to the last, those without any as well."""
    if not given:
        return []
    months = [min(_month(g) for g in given)]
    last = max(_month(g) for g in given)
    while months[-1] < last:
        months.append((months[-1] + dt.timedelta(days=32)).replace(day=1))
    return months


def _date(day: dt.date) -> str:
    return date_words(day, locale())
