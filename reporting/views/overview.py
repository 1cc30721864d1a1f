"""The study at a glance, without arms."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audit import clock
from audit.errors import Refused
from trial import listings
from trial.definition.model import Accrual
from trial.definitions import current_study, definition_of
from trial.links import optional_url
from trial.permissions import Permission, access_of
from trial.views.requests import SignedInRequest

from .. import overview as figures
from ..charts import Series, chart
from ..presenters import failure_words


@require_safe
def overview(request: SignedInRequest) -> HttpResponse:
    """Show accrual, screening failures, queries and overdue visits of the sites that the person follows."""
    person = request.user
    if not figures.sees_overview(person):
        raise Refused(_("This page is for those who follow the sites."), code="permission.overview")
    study, version = current_study(), listings.version_for(person)
    if study is None or version is None:
        return render(request, "reporting/overview.html", {"is_empty": True})
    definition = definition_of(version.pk)
    accrual = listings.accrual(study)
    plan = definition.study.accrual
    today = clock.today()
    months = figures.accrual_by_month(
        accrual.by_month, accrual.opened_on, target=plan.target, months=plan.months, today=today
    )
    sites = figures.figures_by_site(person)
    planned = accrual.planned_by(today, target=plan.target, months=plan.months)
    failures = figures.failures_by_reason(person)
    is_limited = access_of(person).sites(Permission.PARTICIPANT_VIEW) is not None
    whole = _("whole study") if is_limited else ""
    is_behind = accrual.total < planned
    pace = _("%(planned)s planned by today") % {"planned": planned} if is_behind else _("on plan or ahead")
    context = {
        "accrual": accrual,
        "plan": plan,
        "planned": planned,
        "pace": " · ".join(filter(None, [whole, pace])),
        "pace_tone": "warn" if is_behind else "ok",
        "whole": whole,
        "where": _("at your sites") if is_limited else "",
        "charts": _charts(months, accrual.total, plan, planned) if months else None,
        "months": [month for month in months if month.total is not None],
        "sites": sites,
        "most": max((site.randomized for site in sites), default=0),
        "screened": sum(site.screened for site in sites),
        "failed": sum(site.failed for site in sites),
        "overdue": sum(site.overdue for site in sites),
        "open_queries": sum(site.open_queries for site in sites),
        "ages": [_("up to 7 days"), _("8 to 30 days"), _("31 to 90 days"), _("over 90 days")],
        "query_totals": [sum(site.queries[age] for site in sites) for age in range(len(figures.AGES) + 1)],
        "failures": [
            {"label": failure_words(definition, code, detail), "count": count, "of": failures[0][2]}
            for code, detail, count in failures
        ],
        "queries_url": optional_url("queries"),
        "participants_url": reverse("participants"),
    }
    return render(request, "reporting/overview.html", context)


def _charts(months: list[figures.Month], total: int, plan: Accrual, planned: int) -> dict[str, str]:
    summary = _("%(total)s of %(target)s participants are randomized; the plan foresees %(planned)s by today.") % {
        "total": total,
        "target": plan.target,
        "planned": planned,
    }
    past = [month for month in months if month.total is not None][-figures.MONTHS_SHOWN :]
    pace = plan.target / plan.months
    return {
        "total": chart(
            title=_("Randomized in all, against the plan"),
            summary=summary,
            places=[month.first.strftime("%m/%y") for month in months],
            lines=[
                Series([month.planned for month in months], dashed=True),
                Series([month.total for month in months]),
            ],
            id="accrual",
        ),
        "months": chart(
            title=_("Randomized in each month, against the plan"),
            summary=", ".join(f"{month.first:%m/%Y}: {month.randomized}" for month in past),
            places=[month.first.strftime("%m/%y") for month in past],
            bars=[month.randomized for month in past],
            lines=[Series([pace] * len(past), dashed=True)],
            id="months",
        ),
        "pace": number_format(pace, 1),
    }
