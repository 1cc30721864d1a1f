"""One record: seen, filled, saved, signed, verified, marked as not done, removed; and a log as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from audit.errors import Refused
from trial.permissions import Permission, can
from trial.selectors import has_likely_duplicate, participant_or_404
from trial.views.filters import Address, page_of
from trial.views.refusals import status_of
from trial.views.requests import SignedInRequest

from .. import selectors
from ..actions import drafts, records, verifications
from ..actions.records import StaleRecord
from ..checks.book import ROW_ID
from ..conflicts import Conflict, compare, only_calculated_since, resolved
from ..deviations import proposed as proposed_deviation
from ..entry import FieldError, InvalidValues, new_row_id
from ..links import why_not_removed
from ..models import UNSETTLED, Draft, Query, Verification
from ..pages import (
    REASONS,
    LogPage,
    RecordPage,
    Words,
    crumbs,
    entry_page,
    moment,
    posted_page,
    reason_of,
    rows_of_entries,
    stored_page,
    unlisted_entries,
    visit_date_words,
)
from ..permissions import hides, person_can_enter
from ..places import RecordPlace, ended_place, next_url, place_or_404
from ..posted import ROW_BUTTONS, WHOLE, Fields, fields_of_post, submission_of
from ..standings import standings_of
from .files import take_files
from .marks import marks_to_set

LOG_PAGE = 50
COMPLETE, NEXT, LATER = "complete", "next", "in_progress"


@require_http_methods(["GET", "HEAD", "POST"])
def record(
    request: SignedInRequest, code: str, form: str, visit_id: int | None = None, number: int | None = None
) -> HttpResponse:
    """Show a form, to fill or to read; save what was typed."""
    try:
        place = place_or_404(request.user, code, form, visit_id, number)
    except Http404:
        ended = ended_place(request.user, code, form, visit_id, number) if request.method == "POST" else None
        if ended is None:
            raise
        _keep_typing(ended[0], fields_of_post(ended[0].form, request.POST), _revision(request.POST.get("revision")))
        raise ended[1] from None
    if request.method == "POST":
        return _save(request, place)
    refusal = place.refusal()
    if refusal is not None and place.is_new_entry:
        raise refusal  # there is nothing to read yet
    page = entry_page(place) if refusal is None else stored_page(place)
    if page.entering and page.draft is None and "about" in request.GET:
        page.fields = page.fields | proposed_deviation(place, request.GET["about"])
    return _show(request, page, refusal)


def _save(request: SignedInRequest, place: RecordPlace) -> HttpResponse:
    post = request.POST
    fields, revision = fields_of_post(place.form, post), _revision(post.get("revision"))
    if ROW_BUTTONS & set(post):
        fields = _with_rows(place, fields, post)
        page = posted_page(place, fields, revision=revision)
        page.draft = _keep_typing(place, fields, revision)
        return _show(request, page)
    refused_files = take_files(request, place, fields)
    if refused_files:
        page = posted_page(place, fields, refused_files, revision)
        page.draft = _keep_typing(place, fields, revision)
        return _show(request, page, status=422)
    asked = post.getlist("conflict")
    if asked:
        fields, undecided = resolved(place, fields, asked)
        if undecided:
            return _show_conflict(request, compare(place, fields, _revision(post.get("revision_read"))), undecided)
    button = post.get("save", LATER)
    if revision < place.revision and only_calculated_since(place, revision):
        revision = place.revision  # another form moved calculated values: nobody's typing is overwritten
    try:
        saved = records.save(
            where=place.where,
            revision=revision,
            submission=submission_of(place, fields, whole=WHOLE in post),
            complete=button in (COMPLETE, NEXT),
            by=place.person,
            reason=reason_of(post.get("reason_choice", ""), post.get("reason", ""))[:300],
        )
    except StaleRecord:
        _keep_typing(place, fields, revision)
        place = place_or_404(place.person, place.participant.code, place.form.id, _visit_id(place), place.number)
        return _show_conflict(request, compare(place, fields, revision))
    except InvalidValues as invalid:
        page = posted_page(place, fields, _errors(invalid), revision)
        page.draft = _keep_typing(place, fields, revision)
        changed = invalid.errors if invalid.code == "reason_needed" else []
        return _show(request, page, reason_errors=changed, status=422)
    except Refused as refused:
        page = posted_page(place, fields, revision=revision)
        if person_can_enter(place.person, place.participant, place.form):
            page.draft = _keep_typing(place, fields, revision)  # it comes back when the form is open again
        return _show(request, page, refused, status=status_of(refused))
    place.record, place.number = saved, saved.number
    messages.success(
        request,
        _("%(form)s: saved as complete.") % {"form": place.title}
        if button in (COMPLETE, NEXT)
        else _("%(form)s: saved, not finished yet.") % {"form": place.title},
    )
    if _tells_who_it_is(place) and has_likely_duplicate(place.participant):
        messages.warning(
            request,
            _("Somebody else, here or at another site, has the same sex, month and year of birth."),
        )
    return redirect(next_url(place) if button == NEXT else place.back_url)


def _tells_who_it_is(place: RecordPlace) -> bool:
    """Whether this form says sex and birth, so that its save is the moment to look for somebody alike."""
    identity = place.definition.study_file.identity
    return place.form.id in {(each or "").partition(".")[0] for each in (identity.sex, identity.birth_year)}


def _keep_typing(place: RecordPlace, fields: Fields, revision: int) -> Draft | None:
    """Keep as a draft what a save refused, so that it outlives this page too."""
    try:
        return drafts.keep(where=place.where, base_revision=revision, fields=dict(fields), by=place.person)
    except ValueError:
        return None


def _errors(invalid: InvalidValues) -> list[FieldError]:
    if invalid.code != "reason_needed":
        return invalid.errors
    return [FieldError("", "", "", _("Give the reason for the change, below."), "reason_needed")]


def _with_rows(place: RecordPlace, fields: Fields, post: Any) -> Fields:
    """Add, take away or keep a row of a grid where no script does it."""
    group, _mark, row = (post.get("remove_row") or post.get("keep_row") or post.get("add_row", "")).partition(".")
    if "add_known" in post:
        return _with_known(place, fields, post.get("add_known", ""))
    names = {each.id: each.max_rows for each, _items in place.groups() if each.repeating}
    if group not in names:
        raise Http404("No such group of rows.")
    rows, removed = list(fields.get(f"{group}__rows", [])), set(fields.get(f"{group}__removed", []))
    if "add_row" in post and len(rows) < names[group]:
        rows.append(f"n{new_row_id()}")
    elif "remove_row" in post:
        removed.add(row)
    else:
        removed.discard(row)
    return fields | {f"{group}__rows": rows, f"{group}__removed": sorted(removed)}


def _with_known(place: RecordPlace, fields: Fields, name: str) -> Fields:
    """Add a row for each entry of the log that the group is about and that has none yet."""
    page = posted_page(place, fields)
    for group, items in place.groups():
        if group.id == name and group.rows_from is not None:
            added = rows_of_entries(page, group, items, unlisted_entries(page, group, fields))
            rows = [*fields.get(f"{name}__rows", []), *added.pop(f"{name}__rows", [])]
            return fields | added | {f"{name}__rows": rows}
    raise Http404("No such group of rows.")


def _revision(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else 0


def _visit_id(place: RecordPlace) -> int | None:
    return place.visit.pk if place.visit is not None else None


def _show(
    request: SignedInRequest,
    page: RecordPage,
    refusal: Refused | None = None,
    *,
    reason_errors: list[FieldError] | None = None,
    status: int = 200,
) -> HttpResponse:
    place = page.place
    context = {
        "page": page,
        "place": place,
        "crumbs": crumbs(place),
        "visit_date": visit_date_words(place),
        "refusal": _refusal_words(place, refusal),
        "reasons": _reasons(request, page, reason_errors or []) if page.entering and place.was_complete else None,
        "actions": _save_actions(place) if page.entering else [],
        "urls": {name: place.url(name) for name in _deeds(place)},
        "marks_to_set": marks_to_set(place),
        "may_discard": page.draft is not None and request.method != "POST",
        "waiting": _waiting(place) if refusal is not None and not page.entering else "",
        "entry_words": page.entry_words,
        "drafted": moment(page.draft.kept_at, place.locale) if page.draft is not None else "",
    }
    return render(request, "ecrf/record.html", context, status=status)


def _waiting(place: RecordPlace) -> str:
    """When the draft was kept that waits for the form to open again; empty for those who never enter it."""
    if not person_can_enter(place.person, place.participant, place.form):
        return ""
    held = selectors.draft_of(place.person, place.participant, place.where.draft_place)
    return moment(held.kept_at, place.locale) if held is not None else ""


def _refusal_words(place: RecordPlace, refusal: Refused | None) -> Words | None:
    """Why nothing can be entered, and where to go first; nothing for those who only read."""
    if refusal is None:
        return None
    code = str(refusal.code)
    if code.startswith("permission.") and not place.can(Permission.QUERY_ANSWER):
        return None
    words: Words = {"text": str(refusal), "tone": "info" if code.startswith("permission.") else "warn"}
    if code in ("visit_date_needed", "visit_missed") and place.visit is not None and place.can(Permission.VISIT_RECORD):
        words["url"] = reverse("visit", args=[place.participant.code, place.visit.pk])
        words["url_label"] = _("Open the visit")
    if code == "removed" and place.record is not None:
        words["text"] = _("%(words)s Reason: %(reason)s") % {"words": refusal, "reason": place.record.removed_reason}
    return words


def _deeds(place: RecordPlace) -> list[str]:
    if place.is_new_entry:
        return ["draft", "evaluate", "upload"]
    return [
        "draft",
        "evaluate",
        "upload",
        "trail",
        "queries",
        "notes",
        "sign",
        "verify",
        "remove" if place.form.is_log else "not_done",
    ]


def _save_actions(place: RecordPlace) -> list[Words]:
    after = _("Save and add another") if place.form.is_log else _("Save and next")
    return [
        {"label": _("Save as not finished"), "name": "save", "value": LATER},
        {"label": _("Save complete"), "name": "save", "value": COMPLETE, "default": True},
        {"label": after, "name": "save", "value": NEXT, "primary": True},
    ]


def _reasons(request: SignedInRequest, page: RecordPage, errors: list[FieldError]) -> Words:
    """The box that asks why, with a line for each change once it is known which values change."""
    names = []
    for error in errors:
        group = next((g for g in page.form.groups if g.id == error.group), None)
        if group is None or not error.item:
            continue
        name = f"{group.id}.{error.row}.{error.item}" if group.repeating else error.item
        label = page.definition.text(page.form.item(error.item).label, page.locale)
        names.append({"name": f"why__{name}", "label": label, "value": page.fields.get(f"why__{name}", "")})
    return {
        "choices": [
            {"value": key, "label": label, "selected": request.POST.get("reason_choice") == key}
            for key, label in REASONS.items()
        ],
        "text": request.POST.get("reason", ""),
        "needed": bool(errors),
        "items": names,
    }


def _show_conflict(request: SignedInRequest, conflict: Conflict, undecided: list[str] | None = None) -> HttpResponse:
    place = conflict.place
    context = {
        "conflict": conflict,
        "place": place,
        "crumbs": crumbs(place),
        "undecided": undecided or [],
        "actions": _save_actions(place),
        "reasons": [{"value": key, "label": label} for key, label in REASONS.items()] if place.was_complete else None,
        "reason_choice": request.POST.get("reason_choice", ""),
        "reason": request.POST.get("reason", ""),
    }
    return render(request, "ecrf/record_conflict.html", context, status=409)


# ---------------------------------------------------------------- what else can happen to a record


@require_http_methods(["GET", "HEAD", "POST"])
def not_done(request: SignedInRequest, code: str, visit_id: int, form: str) -> HttpResponse:
    """Say that the form was not done, and why."""
    place = place_or_404(request.user, code, form, visit_id)
    return _with_reason(
        request,
        place,
        partial(records.mark_not_done, where=place.where),
        done=_("%(form)s: recorded as not done.") % {"form": place.title},
        title=_("Not done"),
        question=_("Why was this form not done?"),
        label=_("Record as not done"),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: SignedInRequest, code: str, form: str, number: int) -> HttpResponse:
    """Take an entry of a log out of use, and say why."""
    place = place_or_404(request.user, code, form, None, number)
    assert place.record is not None
    return _with_reason(
        request,
        place,
        partial(records.remove_entry, record=place.record),
        done=_("%(entry)s was removed. It stays readable.") % {"entry": place.title},
        title=_("Remove the entry"),
        question=_("Why is this entry removed?"),
        label=_("Remove the entry"),
        held=why_not_removed(place.record, by=place.person),
    )


def _with_reason(
    request: SignedInRequest,
    place: RecordPlace,
    act: Callable[..., object],
    *,
    done: str,
    title: str,
    question: str,
    label: str,
    held: str = "",
) -> HttpResponse:
    """Ask for a reason, then act with it (`revision`, `reason` and `by`); a refusal is shown beside the question.

    `held` says beforehand what stands against it.
    """
    refused = None
    if request.method == "POST":
        try:
            act(
                revision=_revision(request.POST.get("revision")),
                reason=request.POST.get("reason", ""),
                by=place.person,
            )
        except Refused as error:
            refused = error
        else:
            messages.success(request, done)
            return redirect(place.back_url)
    context = {
        "place": place,
        "crumbs": crumbs(place, title),
        "title": title,
        "question": question,
        "deed": label,
        "refused": str(refused) if refused else held,
        "reason": request.POST.get("reason", ""),
    }
    return render(request, "ecrf/record_reason.html", context, status=status_of(refused) if refused else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def sign(
    request: SignedInRequest, code: str, form: str, visit_id: int | None = None, number: int | None = None
) -> HttpResponse:
    """Sign exactly what is shown, with the password typed again."""
    place = place_or_404(request.user, code, form, visit_id, number)
    if place.record is None:
        raise Http404("Nothing was saved yet.")
    statement, refused = _statement(place), None
    if request.method == "POST":
        shown = place.record
        shown.revision = _revision(request.POST.get("revision"))
        try:
            records.sign(record=shown, password=request.POST.get("password", ""), by=place.person, statement=statement)
        except Refused as error:
            refused = error
            place = place_or_404(request.user, code, form, visit_id, number)
        else:
            messages.success(request, _("%(form)s: signed.") % {"form": place.title})
            return redirect(place.back_url)
    elif not place.can_sign:
        return redirect(place.url())
    context = {
        "page": stored_page(place),
        "place": place,
        "crumbs": crumbs(place, _("Sign")),
        "statement": statement,
        "refused": str(refused) if refused else "",
    }
    return render(request, "ecrf/record_sign.html", context, status=status_of(refused) if refused else 200)


def _statement(place: RecordPlace) -> str:
    """What the signature says, in the signer's language: kept with it, word for word."""
    eligibility = place.definition.eligibility
    if eligibility is not None and eligibility.form == place.form.id:
        return place.definition.text(eligibility.sign_meaning, place.locale)
    return _(
        "I have reviewed this form. To the best of my knowledge it is complete and agrees with the patient's file."
    )


@require_http_methods(["GET", "HEAD", "POST"])
def verify(
    request: SignedInRequest, code: str, form: str, visit_id: int | None = None, number: int | None = None
) -> HttpResponse:
    """Mark values as compared with the source document, one by one, those of the plan or all; or take marks back.

    On a round (`?run=1`) the next form follows once nothing that the plan asks for is left in this one.
    """
    place = place_or_404(request.user, code, form, visit_id, number)
    if place.record is None:
        raise Http404("Nothing was saved yet.")
    runs = "run" in request.GET
    refused, page = None, stored_page(place)
    if request.method == "POST":
        try:
            _verify(request, place, page)
        except Refused as error:
            refused = error
            place = place_or_404(request.user, code, form, visit_id, number)
            page = stored_page(place)
        else:
            if not runs:
                return redirect(place.url())
            fresh = stored_page(place_or_404(request.user, code, form, visit_id, number))
            return redirect(request.get_full_path() if fresh.standing.left else _next_url(place))
    elif not place.can_verify:
        return redirect(place.url())
    values = _verifiable(page)
    context = {
        "page": page,
        "place": place,
        "crumbs": crumbs(place, _("Source verification")),
        "values": values,
        "left": sum(not value["verified"] for value in values),
        "required": len(page.standing.required),
        "required_left": len(page.standing.left),
        "runs": runs,
        "round_url": reverse("participant_verification", args=[code]),
        "next_url": _next_url(place),
        "refused": str(refused) if refused else "",
        "reason": request.POST.get("reason", "") if refused else "",
    }
    return render(request, "ecrf/record_verify.html", context, status=status_of(refused) if refused else 200)


def _next_url(place: RecordPlace) -> str:
    assert place.record is not None
    return f"{reverse('verification_next', args=[place.participant.code])}?after={place.record.pk}"


def _verify(request: SignedInRequest, place: RecordPlace, page: RecordPage) -> None:
    """Do what the button says, and tell how many values it was about."""
    shown, post = place.record, request.POST
    assert shown is not None
    keys = {value["name"]: value["key"] for value in _verifiable(page)}
    shown.revision = _revision(post.get("revision"))
    if "take_back" in post:
        picked = [keys[name] for name in post.getlist("held") if name in keys]
        done = verifications.unverify(record=shown, values=picked, reason=post.get("reason", ""), by=place.person)
        messages.success(request, _("Verification taken back: %(count)s.") % {"count": len(done)})
        return
    if "required" in post:
        done = verifications.verify_required(record=shown, by=place.person)
    else:
        wanted = [key for name, key in keys.items() if "whole" in post or name in post.getlist("value")]
        done = verifications.verify(record=shown, values=wanted, by=place.person)
    messages.success(request, _("Values verified at source: %(count)s.") % {"count": len(done)})


def _verifiable(page: RecordPage) -> list[Words]:
    """Every value that can be compared with a source, in the order of the form."""
    held: dict[tuple[str, str], Verification] = {}
    changed = set()
    marks = Verification.objects.filter(record=page.record).select_related("verified_by").order_by("pk")
    for mark in marks:
        if mark.cleared_at is None:
            held[mark.row, mark.item] = mark
        elif mark.cleared_by_id is None:
            changed.add((mark.row, mark.item))
    found = []
    for group, items in page.place.groups():
        for number, row in enumerate(page.stored.get(group.id, []), start=1):
            for item in items:
                key = (row[ROW_ID], item.id)
                if key not in page.standing.filled:
                    continue
                verification = held.get(key)
                found.append(
                    {
                        "key": key,
                        "name": f"{row[ROW_ID]}|{item.id}",
                        "group": page.definition.text(group.label, page.locale),
                        "number": number if group.repeating else "",
                        "label": page.definition.text(item.label, page.locale),
                        "value": page.display(item, row[item.id]),
                        "critical": item.critical,
                        "required": key in page.standing.required,
                        "changed": key in changed and verification is None,
                        "verified": moment(verification.verified_at, page.locale) if verification else "",
                        "by": verification.verified_by.printed_name if verification else "",
                    }
                )
    return found


# ---------------------------------------------------------------- logs


@require_safe
def log(request: SignedInRequest, code: str, form: str) -> HttpResponse:
    """A log form as a table: one line for each entry."""
    participant = participant_or_404(request.user, code)
    definition = selectors.definition_at(participant)
    found = definition.forms.get(form)
    if (
        found is None
        or not found.is_log
        or hides(request.user, definition, participant, form)
        or not can(request.user, Permission.RECORD_VIEW, participant.site_id)
    ):
        raise Http404("No such log.")
    place = RecordPlace(request.user, participant, definition, found)
    entries = list(selectors.records_for(request.user, participant).filter(form=form).order_by("number"))
    for entry in entries:
        entry.participant = participant
    opened = Query.objects.filter(record__in=entries, state__in=UNSETTLED)
    table = LogPage(
        participant,
        definition,
        found,
        request.user,
        entries,
        get_language() or "en",
        Counter(_counts(_shown_to(place, opened))),
        standings_of(entries, definition, lambda _form, item: place.shows(found.item(item))),
    )
    address = Address(request.path, {name: request.GET.get(name, "") for name in ("show", "sort")})
    numbers = table.counts
    chosen = table.only(address.chosen.get("show", ""))
    listed = page_of(table.sorted(chosen, address.chosen.get("sort", "number")), request.GET.get("page"), LOG_PAGE)
    refusal = place.refusal()
    context = {
        "place": place,
        "table": table,
        "listed": listed,
        "rows": table.lines(listed.object_list),
        "heads": [
            {"label": label} | address.sort(name, "number")
            for name, label in [("number", _("No.")), *table.heads, ("state", _("State")), ("queries", _("Queries"))]
        ],
        "filters": [address.group(_("Show"), "show", table.filters, numbers)] if len(entries) > 1 else [],
        "query": address.rest(),
        "crumbs": [*crumbs(place)[:-2], {"label": definition.text(found.label, place.locale)}],
        "title": definition.text(found.label, place.locale),
        "hint": definition.text(found.hint, place.locale),
        "add_url": place.url() if refusal is None else "",
        "refusal": _refusal_words(place, refusal) if person_can_enter(request.user, participant, found) else None,
    }
    return render(request, "ecrf/log.html", context)


def _shown_to(place: RecordPlace, queries: Any) -> Any:
    """Queries about what the person may see: none about an item that would tell the arm."""
    hidden = [item.id for item in place.form.items.values() if not place.shows(item)]
    return queries.exclude(item__in=hidden) if hidden else queries


def _counts(rows: Any) -> dict[int, int]:
    return dict(rows.order_by().values_list("record").annotate(Count("pk")))
