"""Visits: their dates, missed or not, and those added by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit import clock
from trial.definition import Definition, VisitDefinition

from .. import page_panels
from ..actions import visits
from ..definitions import definition_of
from ..forms import ReasonForm, VisitAddForm, VisitDateForm, VisitMissedForm
from ..links import casebook_url, optional_url, visit_anchor
from ..models import Participant, Visit, VisitStatus
from ..permissions import Permission, access_of, can, check
from ..presenters import date_words, visit_label
from ..selectors import participant_or_404, visits_of
from .refusals import attempt
from .requests import SignedInRequest


@require_http_methods(["GET", "POST"])
def visit(request: SignedInRequest, code: str, visit_id: int) -> HttpResponse:
    """Show one visit; record its day, that it was missed, or open it again."""
    participant = participant_or_404(request.user, code)
    found = visits_of(request.user, participant).filter(pk=visit_id).first()
    if found is None:
        raise Http404("No such visit.")
    found.participant = participant
    may_record = can(request.user, Permission.VISIT_RECORD, participant.site_id)
    deed = request.POST.get("deed", "") if request.method == "POST" else ""
    if deed:
        check(request.user, Permission.VISIT_RECORD, participant.site_id)
    has_date = found.actual_on is not None
    date_form = VisitDateForm(
        request.POST if deed == "date" else None, initial={"on": found.actual_on}, changes=has_date
    )
    missed_form = VisitMissedForm(request.POST if deed == "missed" else None)
    reopen_form = ReasonForm(request.POST if deed == "reopen" else None, auto_id="id_reopen_%s")
    tried = attempt()
    if deed == "date":
        tried = attempt(date_form)
        if date_form.is_valid():
            with tried:
                visits.record_date(visit=found, by=request.user, **date_form.cleaned_data)
            if tried.done:
                _say_date(request, found, date_form.cleaned_data["on"])
                return redirect(casebook_url(participant, visit_anchor(found)))
    elif deed == "missed":
        tried = attempt(missed_form)
        if missed_form.is_valid():
            with tried:
                visits.miss(visit=found, by=request.user, **missed_form.cleaned_data)
            if tried.done:
                messages.success(request, _("The visit is recorded as missed; its forms are not expected."))
                return redirect(casebook_url(participant, visit_anchor(found)))
    elif deed == "reopen":
        tried = attempt(reopen_form)
        if reopen_form.is_valid():
            with tried:
                visits.reopen(visit=found, by=request.user, **reopen_form.cleaned_data)
            if tried.done:
                messages.success(request, _("The visit is planned again."))
                return redirect("visit", code, visit_id)
    definition = definition_of(participant.version_id)
    today = clock.today()
    context = {
        "participant": participant,
        "visit": found,
        "label": visit_label(found, definition, _locale()),
        "state": _state(found, definition.visit(found.event), today),
        "facts": _facts(found),
        "warning": window_warning(found),
        "date_form": date_form if may_record else None,
        "missed_form": missed_form if _may_miss(found, may_record, today) else None,
        "reopen_form": reopen_form if may_record and found.status == VisitStatus.MISSED else None,
        "has_date": has_date,
        "forms": _forms(request.user, participant, found, definition),
        "casebook_url": casebook_url(participant, visit_anchor(found)),
        "panels": page_panels.panels_on("visit", request.user, found),
    }
    return render(request, "trial/visit.html", context, status=tried.status)


@require_http_methods(["GET", "POST"])
def add(request: SignedInRequest, code: str) -> HttpResponse:
    """Add a visit that the plan does not date: unscheduled, or following an event such as progression."""
    participant = participant_or_404(request.user, code)
    check(request.user, Permission.VISIT_RECORD, participant.site_id)
    definition = definition_of(participant.version_id)
    sees_arm = can(request.user, Permission.ARM_VIEW, participant.site_id)
    offered = [
        (v.id, definition.text(v.label, _locale()))
        for v in visits.on_demand_visits(participant)
        if sees_arm or not definition.reveals_arm(visit_id=v.id)
    ]
    chosen = request.GET.get("event", "")
    form = VisitAddForm(request.POST or None, visits=offered, initial={"event": chosen, "on": clock.today()})
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            made = visits.add_on_demand(participant=participant, by=request.user, **form.cleaned_data)
        if tried.done:
            label = visit_label(made, definition, _locale())
            messages.success(request, _("“%(visit)s” was added.") % {"visit": label})
            return redirect(casebook_url(participant, visit_anchor(made)))
    context = {
        "participant": participant,
        "form": form,
        "offered": offered,
        "casebook_url": casebook_url(participant),
    }
    return render(request, "trial/visit_add.html", context, status=tried.status)


# ---------------------------------------------------------------- words


def window_warning(visit: Visit) -> str:
    """Say how far outside its window a visit took place, empty when it did not."""
    if visit.actual_on is None or visit.window_start is None or visit.window_end is None:
        return ""
    if visit.actual_on < visit.window_start:
        days = (visit.window_start - visit.actual_on).days
        words = ngettext(
            "This visit took place %(days)s day before its window opened.",
            "This visit took place %(days)s days before its window opened.",
            days,
        )
    elif visit.actual_on > visit.window_end:
        days = (visit.actual_on - visit.window_end).days
        words = ngettext(
            "This visit took place %(days)s day after its window had closed.",
            "This visit took place %(days)s days after its window had closed.",
            days,
        )
    else:
        return ""
    return words % {"days": days}


def _say_date(request: SignedInRequest, visit: Visit, on: dt.date) -> None:
    visit.actual_on = on
    messages.success(request, _("The date of the visit is recorded: %(date)s.") % {"date": date_words(on, _locale())})
    warning = window_warning(visit)
    if warning:
        messages.warning(request, warning)


def _locale() -> str:
    return get_language() or "en"


def _may_miss(visit: Visit, may_record: bool, today: dt.date) -> bool:
    came_up = visit.planned_on is None or visit.planned_on <= today
    return may_record and visit.status == VisitStatus.PLANNED and visit.actual_on is None and came_up


def _state(visit: Visit, definition: VisitDefinition, today: dt.date) -> str:
    if visit.status != VisitStatus.PLANNED:
        return str(visit.status)
    if visit.window_end is not None and visit.window_end < today:
        return "overdue"
    if visit.planned_on is not None and visit.window_start is not None and visit.window_start <= today:
        return "due"
    return "planned"


def _facts(visit: Visit) -> list[dict[str, Any]]:
    locale = _locale()
    window = ""
    if visit.window_start and visit.window_end:
        window = _("%(first)s to %(last)s") % {
            "first": date_words(visit.window_start, locale),
            "last": date_words(visit.window_end, locale),
        }
    facts = [
        {"label": _("Planned"), "value": date_words(visit.planned_on, locale) or _("not dated by the visit plan")},
        {"label": _("Window"), "value": window},
        {"label": _("Took place"), "value": date_words(visit.actual_on, locale)},
    ]
    if visit.missed_reason:
        facts.append({"label": _("Missed because"), "value": visit.missed_reason})
    return facts


def _forms(person: Any, participant: Participant, visit: Visit, definition: Definition) -> list[dict[str, Any]]:
    sees_arm = access_of(person).has(Permission.ARM_VIEW, participant.site_id)
    return [
        {
            "label": definition.text(definition.form(form_id).label, _locale()),
            "url": optional_url("record", participant.code, visit.pk, form_id),
        }
        for form_id in definition.visit(visit.event).forms
        if sees_arm or not definition.reveals_arm(form_id, visit_id=visit.event)
    ]
