"""Simulating schemes before a list is approved, for those who draft or approve lists."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ecrf.pages import moment
from trial.definition import Definition
from trial.definitions import definition_of, latest_version
from trial.links import optional_url
from trial.models import Version
from trial.views.refusals import attempt
from trial.views.requests import SignedInRequest

from .. import presenters, selectors, simulated
from ..actions import simulations
from ..actions.lists import InvalidParameters
from ..arms import is_imported
from ..forms import OutsideSimulationForm
from ..simulation import Report
from .lists import detail


@sensitive_post_parameters("block_sizes", "bias", "weights", "coin", "mti", "urn")
@sensitive_variables("form", "schemes")
@require_http_methods(["GET", "HEAD", "POST"])
def simulation(request: SignedInRequest) -> HttpResponse:
    """Ask for schemes and their confidential parameters; simulate them and show the report. Nothing typed is kept."""
    person = request.user
    simulations.check_may_simulate(person)
    version = _version()
    setting = simulations.setting_for(version)
    form = simulated.ComparisonForm(
        request.POST if request.method == "POST" else None, initial={"participants": setting.participants}
    )
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        schemes = simulated.schemes_from(form.cleaned_data)
        report = None
        with tried:
            report = simulations.compare(
                version=version,
                schemes=schemes,
                trials=form.cleaned_data["trials"],
                participants=form.cleaned_data["participants"],
                by=person,
            )
        if report is not None:
            context = {
                **_report_context(report, definition_of(version.pk)),
                "pdf_url": optional_url("simulation_pdf"),
                "sealed": simulations.seal_report(report, by=person),
            }
            return render(request, "randomization/simulation_report.html", context)
        if isinstance(tried.refused, InvalidParameters):
            for fault in tried.refused.faults:
                form.add_error(None, f"{fault.place}: {fault.fault} {fault.remedy}")
    context = {
        "form": form,
        "facts": _supposed(version),
        "has_prevalences": _supposes(version),
    }
    return render(request, "randomization/simulation.html", context, status=tried.status)


@require_POST
def list_simulate(request: SignedInRequest, pk: int) -> HttpResponse:
    """Simulate a list with its own sealed parameters, and lead to the report; for an imported one, keep a digest."""
    person = request.user
    simulations.check_may_simulate(person)
    found = selectors.list_or_404(person, pk)
    if not is_imported(found):
        simulations.simulate_list(allocation_list=found, by=person)
        return redirect("list_simulation", pk)
    form = OutsideSimulationForm(request.POST, auto_id="outside_%s")
    tried = attempt(form)
    if form.is_valid():
        with tried:
            simulations.record_outside(allocation_list=found, digest=form.cleaned_data["digest"], by=person)
        if tried.done:
            messages.success(request, _("The report is recorded. A second person may approve the list."))
            return redirect("list_detail", pk)
    return detail(request, found, forms={"outside": form}, status=tried.status)


@require_safe
def list_simulation(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show the newest report of a list's simulations."""
    person = request.user
    simulations.check_may_simulate(person)
    found = selectors.list_or_404(person, pk)
    newest = selectors.newest_simulation_or_404(person, pk)
    report = simulations.open_report(simulation=newest, by=person)
    context = {
        **_report_context(report, definition_of(found.version_id)),
        "list": found,
        "made": _("%(name)s, %(when)s")
        % {"name": newest.made_by.printed_name, "when": moment(newest.made_at, presenters.locale())},
        "pdf_url": optional_url("list_simulation_pdf", pk),
        "sealed": "",
    }
    return render(request, "randomization/simulation_report.html", context)


def _version() -> Version:
    try:
        return latest_version()
    except Version.DoesNotExist:
        raise Http404("No study yet.") from None


def _supposes(version: Version) -> bool:
    section = definition_of(version.pk).section("randomization")
    return section is not None and section.simulation is not None


def _supposed(version: Version) -> list[dict[str, Any]]:
    """What every scheme is simulated in."""
    setting = simulations.setting_for(version)
    return [
        {"label": _("Version of the study"), "value": version.number},
        {"label": _("Ratio"), "value": " : ".join(str(share) for share in sorted(arm.ratio for arm in setting.arms))},
        {"label": _("Strata"), "value": setting.strata},
        {"label": _("Sites"), "value": len(setting.sites)},
        {"label": _("Months of inclusion"), "value": simulated.fixed(setting.months, 0)},
    ]


def _report_context(report: Report, definition: Definition) -> dict[str, Any]:
    return {
        "report": report,
        "facts": simulated.report_facts(report),
        "proof": simulated.proof_facts(report),
        "pictures": simulated.pictures(report),
        "histograms": simulated.histograms(report),
        "tables": simulated.tables(report),
        "prevalences": simulated.prevalence_rows(report, definition),
        "groups": simulated.group_tables(report, definition),
        "list": None,
        "made": "",
    }
