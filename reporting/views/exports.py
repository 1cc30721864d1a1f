"""The person's own exports: asked for, watched, fetched."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import FileResponse, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from trial.permissions import Permission, can, check
from trial.selectors import sites_for
from trial.views.filters import page_of
from trial.views.refusals import attempt
from trial.views.requests import SignedInRequest

from .. import presenters, selectors
from ..actions import exports
from ..models import ExportState

PAGE = 25


class ExportForm(forms.Form):
    """With arms or without; the choice is there only for those who may see arms."""

    includes_arms = forms.ChoiceField(
        label=gettext_lazy("Arms"),
        choices=[
            ("", gettext_lazy("Without arms, and without what would tell them")),
            ("yes", gettext_lazy("With arms")),
        ],
        widget=forms.RadioSelect,
        required=False,
    )

    def clean_includes_arms(self) -> bool:
        """The answer as true or false."""
        return bool(self.cleaned_data["includes_arms"] == "yes")


@require_safe
def exports_list(request: SignedInRequest) -> HttpResponse:
    """Show the person's exports, newest first, with what each holds and how far it is."""
    page = page_of(selectors.exports_of(request.user), request.GET.get("page"), PAGE)
    listed = list(page.object_list)
    leases = selectors.leases_of(listed)
    rows = [presenters.export_row(export, leases.get(export.pk)) for export in listed]
    context = {"rows": rows, "page": page, "is_waiting": any(row.is_waiting for row in rows)}
    return render(request, "reporting/exports.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def export_new(request: SignedInRequest) -> HttpResponse:
    """Ask for a dataset."""
    person = request.user
    check(person, Permission.EXPORT)
    sees_arms = can(person, Permission.ARM_VIEW)
    form = ExportForm(request.POST or None, initial={"includes_arms": ""})
    tried = attempt(form)
    if request.method == "POST" and form.is_valid():
        with tried:
            exports.request(by=person, includes_arms=form.cleaned_data["includes_arms"])
        if tried.done:
            messages.success(request, _("The dataset is being written. It appears here when it is ready."))
            return redirect("exports")
    context = {
        "form": form,
        "sees_arms": sees_arms,
        "sites": sites_for(person, Permission.EXPORT).count(),
    }
    return render(request, "reporting/export_new.html", context, status=tried.status)


@require_safe
def export_progress(request: SignedInRequest, export_id: int) -> HttpResponse:
    """Tell a script how far an export is: `{value, max, text, done}`."""
    export = selectors.export_or_404(request.user, export_id)
    row = presenters.export_row(export, selectors.leases_of([export]).get(export.pk))
    done = export.state != ExportState.REQUESTED
    return JsonResponse(
        {"value": 100 if done else row.progress, "max": 100, "text": row.text or row.state_label, "done": done}
    )


@require_GET
def export_download(request: SignedInRequest, export_id: int) -> FileResponse:
    """Give a written dataset to the person who asked for it."""
    person = request.user
    export = selectors.export_or_404(person, export_id)
    path = exports.download(export=export, by=person)
    response = FileResponse(path.open("rb"), as_attachment=True, filename=export.file_name)
    response["Content-Type"] = "application/zip"
    return response
