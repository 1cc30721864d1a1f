"""The worklist of queries as data: what is chosen, what it finds, how many there are of each sort.

Whatever the number of queries, a page costs the same few statements: one for the rows, one for the number of pages,
one for the counts by state and one for all other counts, and neither of the last two looks at more than `MOST` rows
of a sort.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import BooleanField, Case, Count, F, IntegerField, Q, QuerySet, Value, When
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from audit import clock
from trial.definition import Definition
from trial.models import Role
from trial.selectors import sites_for
from trial.views.filters import Address

from .addressees import ADDRESSEES
from .models import UNSETTLED, Query, QueryKind, QueryState
from .selectors import meant_for, queries_for

MOST = 2_000
"""No count looks at more rows than these; it then says "2000+"."""

BANDS = (("0", 0, 7), ("8", 8, 30), ("31", 31, 90), ("91", 91, None))
"""Age bands: name in the address, first and last day."""

NAMES = ("state", "whose", "age", "site", "role", "form", "kind", "participant", "order")
STATES = ("open", "reopened", "answered", "closed", "cancelled", "all")


def chosen_in(asked: Mapping[str, str]) -> dict[str, str]:
    """Return the filters of an address; words that it cannot mean narrow nothing."""
    known: dict[str, set[str]] = {
        "state": set(STATES),
        "whose": {"asked", "waiting"},
        "age": {band for band, _first, _last in BANDS},
        "role": {str(role) for role in ADDRESSEES},
        "kind": set(QueryKind.values),
        "order": {"new"},
    }
    found = {}
    for name in NAMES:
        value = asked.get(name, "")[:64]
        if not value.isprintable() or (name in known and value not in known[name]):
            value = ""
        found[name] = value
    return found


def age_words(days: int) -> str:
    """An age in words: `today`, `1 day`, `40 days`."""
    return ngettext("%(n)s day", "%(n)s days", days) % {"n": days} if days else _("today")


def age_of(query: Query) -> int:
    """Days since the query was asked, until it was settled."""
    return max(0, ((query.settled_at or clock.now()) - query.opened_at).days)


@dataclass
class Worklist:
    """The queries that one person may see, narrowed by what is chosen."""

    person: Any
    chosen: dict[str, str]
    definition: Definition | None
    locale: str

    @cached_property
    def address(self) -> Address:
        return Address(reverse("queries"), self.chosen)

    @cached_property
    def _conditions(self) -> dict[str, Q]:
        """What each chosen filter asks, by its name."""
        chosen, now = self.chosen, clock.now()
        found: dict[str, Q] = {}
        if chosen["state"] == "":
            found["state"] = Q(state__in=UNSETTLED)
        elif chosen["state"] != "all":
            found["state"] = Q(state=chosen["state"])
        if chosen["whose"]:
            found["whose"] = Q(opened_by=self.person) if chosen["whose"] == "asked" else meant_for(self.person)
        for band, first, last in BANDS:
            if chosen["age"] == band:
                found["age"] = Q(opened_at__lte=now - dt.timedelta(days=first))
                if last is not None:
                    found["age"] &= Q(opened_at__gt=now - dt.timedelta(days=last + 1))
        columns = (
            ("site", "participant__site__number"),
            ("role", "addressed_to"),
            ("form", "record__form"),
            ("kind", "kind"),
            ("participant", "participant__code"),
        )
        for name, column in columns:
            if chosen[name]:
                found[name] = Q(**{column: chosen[name]})
        return found

    def _narrowed(self, *without: str) -> QuerySet[Query]:
        asked = Q()
        for name, condition in self._conditions.items():
            if name not in without:
                asked &= condition
        return queries_for(self.person).filter(asked)

    @property
    def rows(self) -> QuerySet[Query]:
        """The queries found, oldest first (or newest first, if asked)."""
        order = ("-opened_at", "-pk") if self.chosen["order"] == "new" else ("opened_at", "pk")
        return self._narrowed().order_by(*order)

    # ------------------------------------------------------------ counts

    @cached_property
    def by_state(self) -> Counter[str]:
        """How many of each state there are with the other filters."""
        counted = [
            self._narrowed("state").filter(state=state).order_by().values_list("state")[: MOST + 1]
            for state in QueryState.values
        ]
        return Counter(state for (state,) in counted[0].union(*counted[1:], all=True))

    @cached_property
    def _groups(self) -> list[dict[str, Any]]:
        """The queries of the chosen state, counted by everything that can be filtered at once."""
        now = clock.now()
        bands = [
            When(opened_at__gt=now - dt.timedelta(days=last + 1), then=Value(at))
            for at, (_band, _first, last) in enumerate(BANDS)
            if last is not None
        ]
        looked_at = self._narrowed("whose", "age", "site", "role", "form", "kind").order_by("opened_at")
        counted: Any = (
            Query.objects.filter(pk__in=looked_at.values("pk")[:MOST])
            .order_by()
            .annotate(
                site=F("participant__site__number"),
                role=F("addressed_to"),
                form=F("record__form"),
                age=Case(*bands, default=Value(len(BANDS) - 1), output_field=IntegerField()),
                asked=_holds(Q(opened_by=self.person)),
                waiting=_holds(meant_for(self.person)),
            )
            .values("site", "role", "form", "kind", "age", "asked", "waiting")
            .annotate(n=Count("pk"))
        )
        return list(counted)

    @property
    def is_capped(self) -> bool:
        """Whether there are more queries than the counts look at."""
        return sum(group["n"] for group in self._groups) >= MOST

    def _count(self, name: str, value: str) -> int:
        """How many there would be with this filter, the others as they are."""
        wanted = {key: self.chosen[key] for key in ("whose", "age", "site", "role", "form", "kind")} | {name: value}
        return sum(group["n"] for group in self._groups if all(_fits(group, k, v) for k, v in wanted.items()))

    def _options(self, name: str, options: list[tuple[str, Any]], everything: Any) -> list[dict[str, Any]]:
        plus = "+" if self.is_capped else ""
        found = []
        for value, label in [("", everything), *options]:
            n, current = self._count(name, value), self.chosen[name] == value
            if n or current or not value:
                link = self.address.link(**{name: value})
                found.append({"label": label, "url": link, "current": current, "count": f"{n}{plus}"})
        return found

    @property
    def filters(self) -> list[dict[str, Any]]:
        """The filters that everybody uses, as `_components/filters.html` reads them."""
        by_state = self.by_state

        def state(value: str, label: Any, *states: str) -> dict[str, Any]:
            plus = "+" if any(by_state[each] > MOST for each in states) else ""
            n = sum(min(by_state[each], MOST) for each in states)
            return {
                "label": label,
                "url": self.address.link(state=value),
                "current": self.chosen["state"] == value,
                "count": f"{n}{plus}",
            }

        states = [state("", _("To settle"), *UNSETTLED)]
        states += [state(each.value, each.label, each.value) for each in QueryState]
        states.append(state("all", _("All"), *QueryState.values))
        bands = [
            (band, _("%(first)s to %(last)s days") % {"first": first, "last": last} if last else _("over 90 days"))
            for band, first, last in BANDS
        ]
        whose = [("waiting", _("Waiting for me")), ("asked", _("Asked by me"))]
        return [
            {"label": _("State"), "options": states},
            {"label": _("Whose"), "options": self._options("whose", whose, _("Everybody’s"))},
            {"label": pgettext("query", "Age"), "options": self._options("age", bands, _("Any"))},
        ]

    @property
    def more_filters(self) -> list[dict[str, Any]]:
        """The filters that unfold."""
        found = []
        sites = list(sites_for(self.person).order_by("number").values_list("number", flat=True))
        if len(sites) > 1:
            numbers = [(number, number) for number in sites]
            found.append({"label": _("Site"), "options": self._options("site", numbers, _("All"))})
        roles = [(str(role), Role(role).label) for role in ADDRESSEES]
        found.append({"label": _("Asked of"), "options": self._options("role", roles, _("Any role"))})
        kinds = [(kind.value, kind.label) for kind in QueryKind]
        found.append({"label": _("Kind"), "options": self._options("kind", kinds, _("Any"))})
        forms = [(form, self._form_words(form)) for form in dict.fromkeys(g["form"] for g in self._groups)]
        forms.sort(key=lambda pair: pair[1])
        found.append({"label": _("Form"), "options": self._options("form", forms, _("Any"))})
        return found

    def _form_words(self, form: str) -> str:
        known = self.definition.forms.get(form) if self.definition is not None else None
        return self.definition.text(known.label, self.locale) if self.definition and known is not None else form

    @property
    def is_narrowed(self) -> bool:
        return any(value for name, value in self.chosen.items() if name != "order")

    @property
    def unfolds(self) -> bool:
        """Whether one of the folded filters is in use."""
        return any(self.chosen[name] for name in ("site", "role", "kind", "form"))


def _fits(group: Mapping[str, Any], name: str, value: str) -> bool:
    if not value:
        return True
    if name == "whose":
        return bool(group[value])
    if name == "age":
        return bool(BANDS[group["age"]][0] == value)
    return bool(group[name] == value)


def _holds(condition: Q) -> Case:
    return Case(When(condition, then=Value(True)), default=Value(False), output_field=BooleanField())
