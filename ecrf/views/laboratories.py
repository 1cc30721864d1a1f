"""Each site's laboratory reference ranges: read, added from a day on, corrected with a reason."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit import clock
from audit.errors import Refused
from trial.definition import Definition, Item
from trial.definitions import definition_of, latest_version
from trial.language import format_date
from trial.models import Site
from trial.permissions import Permission, can, check
from trial.selectors import sites_for
from trial.views.refusals import status_of
from trial.views.requests import SignedInRequest

from ..actions import laboratories
from ..forms import CorrectRangeForm, RangeForm
from ..laboratory import analytes_of
from ..models import LaboratoryRange
from ..pages import Words, initials, moment, range_words

MOST_LINES = 1000
"""Ranges of one site; a site that ever had more would be shown the newest."""


@require_http_methods(["GET", "HEAD", "POST"])
def ranges(request: SignedInRequest, number: str) -> HttpResponse:
    """Show a site's ranges, those in force first; add one from a day on."""
    site = get_object_or_404(sites_for(request.user, Permission.RECORD_VIEW), number=number)
    definition, locale = definition_of(latest_version().pk), get_language() or "en"
    enters = can(request.user, Permission.ENTER_GENERAL, site.pk)
    form, refused = None, None
    if request.method == "POST":
        check(request.user, Permission.ENTER_GENERAL, site.pk)
        form = _form(request.POST, definition, locale)
        if form.is_valid():
            said = form.cleaned_data
            one = laboratories.Range(said["analyte"], said["sex"], said["unit"], said["low"], said["high"])
            try:
                laboratories.set_ranges(site=site, ranges=[one], from_on=said["from_on"], by=request.user)
            except Refused as error:
                refused = error
                form.add_error(None, str(error))
            else:
                messages.success(request, _("The range was added."))
                kept = f"?from_on={said['from_on']:%d/%m/%Y}"
                return redirect(reverse("laboratory", args=[site.number]) + kept + "#add")
    elif enters:
        form = _form(None, definition, locale, from_on=request.GET.get("from_on", ""))
    context = {
        "site": site,
        "groups": _groups(site, definition, locale, enters=enters),
        "form": form,
        "lacking": _lacking(site, definition, locale) if enters else [],
    }
    status = status_of(refused) if refused else 422 if form is not None and form.errors else 200
    return render(request, "ecrf/laboratory.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def correct(request: SignedInRequest, number: str, range_id: int) -> HttpResponse:
    """Correct one range with a reason; show who entered and corrected it."""
    site = get_object_or_404(sites_for(request.user, Permission.RECORD_VIEW), number=number)
    found = get_object_or_404(LaboratoryRange.objects.filter(site=site), pk=range_id)
    definition, locale = definition_of(latest_version().pk), get_language() or "en"
    known = analytes_of(definition).get(found.analyte)
    enters = known is not None and can(request.user, Permission.ENTER_GENERAL, site.pk)
    form, refused = None, None
    units = _units(known[1]) if known is not None else [found.unit]
    held = {
        "unit": found.entered_unit or found.unit,
        "low": found.entered_low if found.entered_unit else _number(found.low, locale),
        "high": found.entered_high if found.entered_unit else _number(found.high, locale),
    }
    if request.method == "POST":
        check(request.user, Permission.ENTER_GENERAL, site.pk)
        form = CorrectRangeForm(request.POST, units=units)
        if form.is_valid():
            try:
                _range, changed = laboratories.correct(laboratory_range=found, by=request.user, **form.cleaned_data)
            except Refused as error:
                refused = error
                form.add_error(None, str(error))
            else:
                said = ngettext(
                    "The range was corrected; %(count)s form was read again under it.",
                    "The range was corrected; %(count)s forms were read again under it.",
                    changed,
                ) % {"count": changed}
                messages.success(request, said)
                return redirect("laboratory", number=site.number)
    elif enters:
        form = CorrectRangeForm(initial=held, units=units)
    context = {
        "site": site,
        "range": _line(found, locale, in_force=False),
        "title": _label(definition, known, found.analyte, locale),
        "form": form,
        "trail": _trail(found, locale),
    }
    status = status_of(refused) if refused else 422 if form is not None and form.errors else 200
    return render(request, "ecrf/laboratory_range.html", context, status=status)


def _form(data: Any, definition: Definition, locale: str, from_on: str = "") -> RangeForm:
    known = analytes_of(definition)
    names = [(analyte, _label(definition, found, analyte, locale)) for analyte, found in known.items()]
    units = list(dict.fromkeys(unit for _form_id, item in known.values() for unit in _units(item)))
    return RangeForm(data, analytes=names, units=units, initial={"from_on": from_on})


def _units(item: Item) -> list[str]:
    return [item.unit or "", *(unit.unit for unit in item.units)]


def _label(definition: Definition, found: tuple[str, Item] | None, analyte: str, locale: str) -> str:
    if found is None:
        return analyte
    unit = f" ({found[1].unit})" if found[1].unit else ""
    return definition.text(found[1].label, locale) + unit


def _groups(site: Site, definition: Definition, locale: str, *, enters: bool) -> list[Words]:
    """The ranges by analyte, in the order of the forms; the newest that has begun is in force, for each sex."""
    today, known = clock.today(), analytes_of(definition)
    by_analyte: dict[str, list[Words]] = {analyte: [] for analyte in known}
    settled: set[tuple[str, str]] = set()
    found = LaboratoryRange.objects.filter(site=site).order_by("-from_on", "sex", "pk")
    for each in found[:MOST_LINES]:
        in_force = each.from_on <= today and (each.analyte, each.sex) not in settled
        if in_force:
            settled.add((each.analyte, each.sex))
        line = _line(each, locale, in_force=in_force)
        line["url"] = reverse("laboratory_range", args=[site.number, each.pk])
        by_analyte.setdefault(each.analyte, []).append(line)
    return [
        {"title": _label(definition, known.get(analyte), analyte, locale), "lines": lines}
        for analyte, lines in by_analyte.items()
        if lines
    ]


def _line(found: LaboratoryRange, locale: str, *, in_force: bool) -> Words:
    printed = ""
    if found.entered_unit:
        printed = range_words(found.entered_low, found.entered_high, found.entered_unit, locale)
    return {
        "sex": {"": _("Both sexes"), "F": _("Women"), "M": _("Men")}.get(found.sex, found.sex),
        "range": range_words(found.low, found.high, found.unit, locale),
        "printed": printed,
        "from_on": format_date(found.from_on, locale),
        "in_force": in_force,
        "later": found.from_on > clock.today(),
    }


def _lacking(site: Site, definition: Definition, locale: str) -> list[str]:
    """The analytes for which the site has no range yet: their values get no flag."""
    held = set(LaboratoryRange.objects.filter(site=site).values_list("analyte", flat=True))
    known = analytes_of(definition)
    return [definition.text(item.label, locale) for analyte, (_form_id, item) in known.items() if analyte not in held]


def _trail(found: LaboratoryRange, locale: str) -> list[Words]:
    """Every state of a range, newest first."""
    lines: list[Words] = []
    old = ""
    for each in found.history.order_by("history_id"):
        new = range_words(each.low, each.high, each.unit, locale)
        lines.append(
            {
                "when": moment(each.history_date, locale, zone=True),
                "by": each.by_name,
                "initials": initials(each.by_name),
                "old": old,
                "new": new,
                "reason": each.history_change_reason or "",
                "kind": _("Corrected") if old else _("Entered"),
            }
        )
        old = new
    return lines[::-1]


def _number(text: str, locale: str) -> str:
    return text.replace(".", ",") if locale.startswith("fr") else text
