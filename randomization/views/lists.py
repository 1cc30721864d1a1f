"""Allocation lists for statisticians: state and counts; never a slot, a block size or a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from trial.definitions import definition_of, latest_version
from trial.models import Version
from trial.permissions import Permission, can, check
from trial.views.refusals import attempt
from trial.views.requests import SignedInRequest

from .. import presenters, selectors
from ..actions import lists as actions
from ..actions.lists import InvalidParameters
from ..algorithms import Algorithm, Kind, current
from ..arms import is_imported
from ..fault_words import fault_words
from ..forms import ImportForm, ListForm, OutsideSimulationForm, PasswordForm, ReasonForm
from ..models import AllocationList, ListState
from ..section import RandomizationSection
from ..uploads import InMemoryUpload


@require_safe
def lists(request: SignedInRequest) -> HttpResponse:
    """Show every list with its state; to the committee, which has the balance alone, how each of them fares."""
    person = request.user
    if not can(person, Permission.LIST_VIEW):
        return _lists_that_ran(request)
    rows = []
    for found in selectors.lists_with_counts(person):
        state, words = presenters.list_state(found)
        rows.append({"list": found, "state": state, "state_label": words, "total": found.slots_total})
    return render(request, "randomization/lists.html", {"rows": rows, "may_draft": can(person, Permission.LIST_DRAFT)})


def _lists_that_ran(request: SignedInRequest) -> HttpResponse:
    """Show the lists with how many were allocated, and the way to their balance: nothing of slots."""
    rows = []
    for found in selectors.lists_that_ran(request.user):
        state, words = presenters.list_state(found)
        rows.append({"list": found, "state": state, "state_label": words})
    return render(request, "randomization/lists_progress.html", {"rows": rows})


@csrf_exempt  # so that how a file is taken can be said before the form is read; `_list_new` is protected
def list_new(request: SignedInRequest) -> HttpResponseBase:
    """Draft a list for the newest version of the study, or import it where the study says so."""
    request.upload_handlers = [InMemoryUpload(request)]
    return _list_new(request)


@sensitive_post_parameters()
@sensitive_variables("form", "tried", "made")
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def _list_new(request: SignedInRequest) -> HttpResponse:
    person = request.user
    check(person, Permission.LIST_DRAFT)
    try:
        version = latest_version()
    except Version.DoesNotExist:
        raise Http404("No study yet.") from None
    definition = definition_of(version.pk)
    section: RandomizationSection | None = definition.section("randomization")
    if section is None:
        raise Http404("This study does not randomize.")
    algorithm = current(section.scheme)
    is_import = algorithm.kind is Kind.IMPORTED
    is_sent = request.method == "POST"
    form: ListForm | ImportForm
    if is_import:
        form = ImportForm(request.POST if is_sent else None, request.FILES if is_sent else None)
    else:
        words = presenters.factor_words(section, definition)
        form = ListForm(request.POST if is_sent else None, parameters=algorithm.parameters, factors=words)
    tried = attempt(form)
    if is_sent and form.is_valid():
        with tried:
            if isinstance(form, ImportForm):
                made = actions.import_list(version=version, content=form.cleaned_data["file"].read(), by=person)
            else:
                made = actions.draft(version=version, block_sizes=form.block_sizes, extra=form.extra, by=person)
        if tried.done:
            messages.success(request, _("The list is drafted. It is simulated before a second person approves it."))
            return redirect("list_detail", made.pk)
        if isinstance(tried.refused, InvalidParameters):
            for fault in tried.refused.faults:
                field = "file" if isinstance(form, ImportForm) else form.field_of(fault.place)
                form.add_error(field, fault_words(fault))
    context = {
        "form": form,
        "is_import": is_import,
        "has_parameters": bool(form.fields),
        "facts": _new_facts(version, section, algorithm),
        "labels": presenters.stratum_labels(section, definition) if is_import else [],
    }
    return render(request, "randomization/list_new.html", context, status=tried.status)


def _new_facts(version: Version, section: RandomizationSection, algorithm: Algorithm) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = [
        {"label": _("Version of the study"), "value": version.number},
        {"label": _("Scheme"), "value": presenters.scheme_words(section.scheme), "note": algorithm.name},
        {"label": _("Ratio"), "value": " : ".join(str(share) for share in sorted(section.ratio.values()))},
    ]
    if algorithm.kind is Kind.DRAWS:
        return [
            *facts,
            {"label": _("Factors"), "value": len(section.factor_ids)},
            {"label": _("Random draws"), "value": section.list_size},
        ]
    combinations = 1
    for factor in section.strata:
        combinations *= len(factor.levels)
    return [
        *facts,
        {"label": _("Strata"), "value": combinations},
        {"label": _("Slots in each stratum"), "value": section.list_size},
    ]


@require_safe
def list_detail(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show one list: state, strata with counts, and what may be done with it."""
    person = request.user
    return detail(request, selectors.list_or_404(person, pk))


def detail(
    request: SignedInRequest,
    found: AllocationList,
    *,
    forms: dict[str, Form] | None = None,
    by_arm: dict[str, dict[str, int]] | None = None,
    status: int = 200,
) -> HttpResponse:
    person = request.user
    state, words = presenters.list_state(found)
    may_approve = can(person, Permission.LIST_APPROVE)
    is_second = found.drafted_by_id != person.pk
    used = selectors.counts_by_stratum(person, found)
    paper = selectors.on_paper_by_stratum(person, found)
    has_paper = any(paper.values())
    may_simulate = may_approve or can(person, Permission.LIST_DRAFT)
    offered = {
        "simulate": can(person, Permission.LIST_DRAFT) and found.state in (ListState.DRAFT, ListState.SIMULATED),
        "simulation_needed": found.state == ListState.DRAFT,
        "look": may_approve and found.state == ListState.SIMULATED and is_second,
        "second_needed": found.state == ListState.SIMULATED and not (may_approve and is_second),
        "use": may_approve and found.state == ListState.APPROVED,
        "close": may_approve and found.state != ListState.CLOSED,
        "correct": presenters.correction_links(found) if may_approve else [],
        "simulation": may_simulate and selectors.simulations_of(person, found.pk).exists(),
        "balance": can(person, Permission.ARM_BALANCE) and by_arm is None and (any(used.values()) or has_paper),
    }
    given = forms or {}
    context = {
        "list": found,
        "state": state,
        "state_label": words,
        "facts": [
            *presenters.list_facts(found),
            *presenters.counted_facts(selectors.counted_for_balance(person, found)),
        ],
        "columns": presenters.stratum_columns(found, by_arm=by_arm is not None, on_paper=has_paper),
        "rows": presenters.stratum_rows(
            found, used, selectors.free_by_stratum(person, found), by_arm, paper if has_paper else None
        ),
        "used": sum(used.values()) + sum(paper.values()),
        "may": offered,
        "by_arm": by_arm is not None,
        "approve_form": given.get("approve") or PasswordForm(auto_id="approve_%s"),
        "corrections": presenters.correction_rows(found, selectors.corrections_of(person, found)),
        "correction_columns": presenters.correction_columns(),
        "outside_form": (given.get("outside") or OutsideSimulationForm(auto_id="outside_%s"))
        if offered["simulate"] and is_imported(found)
        else None,
        "close_form": given.get("close") or ReasonForm(auto_id="close_%s"),
    }
    return render(request, "randomization/list_detail.html", context, status=status)


@sensitive_post_parameters("password")
@require_POST
def list_approve(request: SignedInRequest, pk: int) -> HttpResponse:
    """Approve a drafted list as a second person."""
    return _do(
        request,
        pk,
        "approve",
        PasswordForm(request.POST, auto_id="approve_%s"),
        lambda found, said, by: actions.approve(allocation_list=found, password=said["password"], by=by),
        _("The list is approved. Its commitment stands in the audit trail."),
    )


@require_POST
def list_use(request: SignedInRequest, pk: int) -> HttpResponse:
    """Put an approved list into use."""
    person = request.user
    found = selectors.list_or_404(person, pk)
    actions.put_into_use(allocation_list=found, by=person)
    messages.success(request, _("The list is in use: participants can be randomized."))
    return redirect("list_detail", pk)


@require_POST
def list_parameters(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show parameters and a test list to the second person; the ledger keeps that they looked."""
    person = request.user
    found = selectors.list_or_404(person, pk)
    seen = actions.read_parameters(allocation_list=found, by=person)
    context = {
        "list": found,
        "facts": presenters.parameter_facts(seen),
        "columns": presenters.test_list_columns(found),
        "rows": presenters.test_list_rows(found, seen),
        "has_test_list": bool(seen.test_list),
        "approve_form": PasswordForm(auto_id="approve_%s"),
    }
    return render(request, "randomization/list_parameters.html", context)


@require_POST
def list_close(request: SignedInRequest, pk: int) -> HttpResponse:
    """Close a list for ever, with the reason."""
    return _do(
        request,
        pk,
        "close",
        ReasonForm(request.POST, auto_id="close_%s"),
        lambda found, said, by: actions.close(allocation_list=found, reason=said["reason"], by=by),
        _("The list is closed."),
    )


@require_POST
def list_balance(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show participants by stratum and arm to those who may see balance; the ledger keeps that they looked."""
    person = request.user
    found = selectors.list_or_404(person, pk)
    return detail(request, found, by_arm=actions.read_balance(allocation_list=found, by=person))


def _do(
    request: SignedInRequest,
    pk: int,
    name: str,
    form: Form,
    deed: Callable[[AllocationList, dict[str, Any], Any], AllocationList],
    done: str,
) -> HttpResponse:
    """Do one deed with a list from a form of its page; a refusal is shown there and nothing typed is lost."""
    person = request.user
    found = selectors.list_or_404(person, pk)
    tried = attempt(form)
    if form.is_valid():
        with tried:
            deed(found, form.cleaned_data, person)
        if tried.done:
            messages.success(request, done)
            return redirect("list_detail", pk)
        found = selectors.list_or_404(person, pk)
    return detail(request, found, forms={name: form}, status=tried.status)
