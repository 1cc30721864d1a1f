"""Queries: asked on an item or a form, answered, settled; and the list of those that wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import OuterRef, Subquery
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit.errors import Refused
from trial.definitions import definition_of, latest_version
from trial.models import Participant, Role, Version
from trial.permissions import Permission, access_of, check
from trial.views.refusals import status_of
from trial.views.requests import SignedInRequest

from .. import selectors
from ..actions import data_queries
from ..addressees import ADDRESSEES, addressed_as
from ..models import Query, QueryKind, QueryMessage, QueryState
from ..pages import Words, crumbs, stored_page
from ..places import RecordPlace, place_or_404
from ..trails import about, line_words, record_words, role_words, thread
from ..worklists import Worklist, age_of, age_words, chosen_in

PAGE = 25
DEEDS: dict[str, Callable[..., Query]] = {
    "answer": data_queries.answer,
    "close": data_queries.close,
    "reopen": data_queries.reopen,
    "cancel": data_queries.cancel,
    "readdress": data_queries.readdress,
}


@require_http_methods(["GET", "HEAD", "POST"])
def of_record(
    request: SignedInRequest, code: str, form: str, visit_id: int | None = None, number: int | None = None
) -> HttpResponse:
    """Show the queries on an item, a row or a form, and ask one."""
    place = place_or_404(request.user, code, form, visit_id, number)
    said = request.POST if request.method == "POST" else request.GET
    item, row = said.get("item", ""), said.get("row", "")
    if item and (item not in place.form.items or not place.shows(place.form.item(item))):
        raise Http404("No such item.")
    refused = None
    if request.method == "POST":
        try:
            data_queries.ask(
                where=place.where,
                text=request.POST.get("text", ""),
                by=place.person,
                item=item,
                row=row,
                addressed_to=request.POST.get("addressed_to") or str(Role.COORDINATOR),
            )
        except Refused as error:
            refused = error
        else:
            if not request.headers.get("HX-Request"):
                messages.success(request, _("The query was asked."))
                return redirect(place.url())
            place = place_or_404(request.user, code, form, visit_id, number)
    return _show_of_record(request, place, item, row, refused)


def _addressees(participant: Participant, chosen: str = "") -> list[Words]:
    """The roles of which a query may be asked here, saying where nobody holds one at the site."""
    held = addressed_as(selectors.roles_held_at(participant.site_id))
    return [
        {
            "value": str(role),
            "label": Role(role).label
            if role in held
            else _("%(role)s (nobody at this site)") % {"role": Role(role).label},
            "selected": str(role) == chosen,
        }
        for role in ADDRESSEES
    ]


def _show_of_record(
    request: SignedInRequest, place: RecordPlace, item: str, row: str, refused: Refused | None = None
) -> HttpResponse:
    queries = selectors.queries_for(place.person).filter(record=place.record) if place.record else Query.objects.none()
    if item:
        queries = queries.filter(item=item, row=row)
    elif row:
        queries = queries.filter(row=row)
    shown = [
        query
        for query in queries.prefetch_related("messages").order_by("-pk")
        if not query.item or (query.item in place.form.items and place.shows(place.form.item(query.item)))
    ]
    group = next((g for g, _items in place.groups() if g.repeating and row and _has_row(place, g.id, row)), None)
    may_ask = place.can(Permission.QUERY_ASK) and not (place.record is not None and place.record.is_locked)
    context = {
        "place": place,
        "crumbs": crumbs(place, _("Queries")),
        "title": about(place, item, row),
        "item": item,
        "row": row,
        "items": [
            (each.id, place.definition.text(each.label, place.locale))
            for each in (group.items if group is not None and not item else ())
            if place.shows(each)
        ],
        "threads": [
            thread(query, place.locale, place.person) | {"about": about(place, query.item, query.row)}
            for query in shown
        ],
        "may_ask": may_ask,
        "addressees": _addressees(place.participant, request.POST.get("addressed_to", "")) if may_ask else [],
        "text": request.POST.get("text", "") if refused else "",
        "refused": str(refused) if refused else "",
    }
    part = "#drawer" if request.headers.get("HX-Request") else ""
    return render(request, f"ecrf/queries_of_record.html{part}", context, status=status_of(refused) if refused else 200)


def _has_row(place: RecordPlace, group: str, row: str) -> bool:
    return place.record is not None and any(r["_id"] == row for r in place.record.data.get(group, []))


@require_http_methods(["GET", "HEAD", "POST"])
def query(request: SignedInRequest, query_id: int) -> HttpResponse:
    """Show one query with its thread; answer, close, reopen or cancel it, or ask another role."""
    found = selectors.query_or_404(request.user, query_id)
    record = found.record
    place = place_or_404(request.user, found.participant.code, record.form, record.visit_id, record.number)
    if found.item and found.item in place.form.items and not place.shows(place.form.item(found.item)):
        raise Http404("No such query.")
    refused = None
    if request.method == "POST":
        deed = DEEDS.get(request.POST.get("deed", ""))
        if deed is None:
            raise Http404("No such deed.")
        more = {"addressed_to": request.POST.get("addressed_to", "")} if deed is data_queries.readdress else {}
        try:
            deed(query=found, text=request.POST.get("text", ""), by=request.user, **more)
        except Refused as error:
            refused = error
        else:
            if request.headers.get("HX-Request"):
                return _show_of_record(request, place, request.POST.get("item", ""), request.POST.get("row", ""))
            messages.success(request, _("The query is now: %(state)s.") % {"state": _state_after(found)})
            return redirect("query", query_id)
    if request.headers.get("HX-Request") and request.method == "POST":
        return _show_of_record(request, place, request.POST.get("item", ""), request.POST.get("row", ""), refused)
    shown = thread(found, place.locale, request.user)
    context = {
        "place": place,
        "crumbs": [{"label": _("Queries"), "url": reverse("queries")}, {"label": _("Query %(id)s") % {"id": query_id}}],
        "thread": shown,
        "about": about(place, found.item, found.row),
        "query": found,
        "age": age_words(age_of(found)),
        "value": _value_now(place, found),
        "addressed_to": role_words(found.addressed_to),
        "addressees": _addressees(place.participant, found.addressed_to) if "readdress" in shown["may"] else [],
        "text": request.POST.get("text", ""),
        "refused": str(refused) if refused else "",
    }
    return render(request, "ecrf/query.html", context, status=status_of(refused) if refused else 200)


def _state_after(found: Query) -> str:
    return str(QueryState(Query.objects.values_list("state", flat=True).get(pk=found.pk)).label).lower()


def _value_now(place: RecordPlace, found: Query) -> str:
    if not found.item or found.item not in place.form.items or place.record is None:
        return ""
    item = place.form.item(found.item)
    group = place.form.group_of(item.id)
    row: Words = next((r for r in place.record.data.get(group.id, []) if r["_id"] == found.row), {})
    return stored_page(place).display(item, row.get(item.id))


# ---------------------------------------------------------------- the list

AT_ONCE_WORDS: dict[str, Any] = {
    "close": gettext_lazy("Close"),
    "readdress": gettext_lazy("Ask another role"),
    "reopen": gettext_lazy("Reopen"),
    "cancel": gettext_lazy("Cancel"),
}
assert set(AT_ONCE_WORDS) == set(data_queries.AT_ONCE)


@require_http_methods(["GET", "HEAD", "POST"])
def worklist(request: SignedInRequest) -> HttpResponse:
    """Show the queries that wait for somebody, oldest first, narrowed by links; settle several at once."""
    check(request.user, Permission.PARTICIPANT_VIEW)
    if request.method == "POST":
        return _settle(request)
    return _show_list(request)


def _settle(request: SignedInRequest) -> HttpResponse:
    """Do one thing with the queries that were picked; what was refused is shown again with why, still picked."""
    post, deed = request.POST, request.POST.get("deed", "")
    wanted = [int(key) for key in post.getlist("query")[: data_queries.MOST_AT_ONCE + 1] if _is_id(key)]
    queries = list(selectors.queries_for(request.user).filter(pk__in=wanted).order_by("opened_at", "pk"))
    if not queries:
        return _show_list(request, refused=_("Select the queries first."), status=422)
    try:
        outcome = data_queries.settle_several(
            queries=queries,
            deed=deed,
            text=post.get("text", ""),
            by=request.user,
            addressed_to=post.get("addressed_to", ""),
        )
    except Refused as error:
        return _show_list(request, refused=str(error), picked=wanted, status=status_of(error))
    if outcome.done:
        n = len(outcome.done)
        messages.success(request, ngettext("%(n)s query: done.", "%(n)s queries: done.", n) % {"n": n})
    if not outcome.refused:
        return redirect(request.get_full_path())
    locale = get_language() or "en"
    not_done = [
        {"url": reverse("query", args=[query.pk]), "about": _about(query, locale), "why": words}
        for query, words in outcome.refused
    ]
    return _show_list(request, not_done=not_done, picked=[q.pk for q, _words in outcome.refused], status=422)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _show_list(
    request: SignedInRequest,
    *,
    refused: str = "",
    not_done: list[Words] | None = None,
    picked: list[int] | None = None,
    status: int = 200,
) -> HttpResponse:
    locale = get_language() or "en"
    chosen = chosen_in(request.GET.dict())
    try:
        definition = definition_of(latest_version().pk)
    except Version.DoesNotExist:
        definition = None
    found = Worklist(request.user, chosen, definition, locale)
    last = QueryMessage.objects.filter(query=OuterRef("pk")).order_by("-pk")
    rows: Any = found.rows.annotate(last_line=Subquery(last.values("pk")[:1]))
    listed = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    lines = QueryMessage.objects.in_bulk([query.last_line for query in listed.object_list])
    everything = "select" in request.GET
    page = f"&page={listed.number}" if listed.number > 1 else ""
    newest_first = chosen["order"] == "new"
    access = access_of(request.user)
    asks, answers = access.has(Permission.QUERY_ASK), access.has(Permission.QUERY_ANSWER)
    offered = AT_ONCE_WORDS if asks else {"readdress": AT_ONCE_WORDS["readdress"]} if answers else {}
    context = {
        "rows": [
            _line(query, lines.get(query.last_line), locale)
            | {"id": query.pk, "picked": everything or query.pk in (picked or ())}
            for query in listed.object_list
        ],
        "listed": listed,
        "found": found,
        "filters": found.filters,
        "more_filters": found.more_filters,
        "query_string": found.address.rest(),
        "clear_url": reverse("queries") if found.is_narrowed else "",
        "order_url": found.address.link(order="" if newest_first else "new"),
        "order_now": "ascending" if newest_first else "descending",
        "deeds": [
            {"value": value, "label": label, "selected": request.POST.get("deed", "close") == value}
            for value, label in offered.items()
        ],
        "select_url": f"?select=all{found.address.rest()}{page}",
        "unselect_url": f"?{found.address.rest()}{page}".replace("?&", "?") if everything else "",
        "addressees": [
            {"value": str(role), "label": Role(role).label, "selected": request.POST.get("addressed_to") == role}
            for role in ADDRESSEES
        ],
        "text": request.POST.get("text", ""),
        "refused": refused,
        "not_done": not_done or [],
    }
    return render(request, "ecrf/queries.html", context, status=status)


def _about(query: Query, locale: str) -> str:
    line = _line(query, None, locale)
    return ", ".join(word for word in (line["code"], line["item"], line["form"], line["visit"]) if word)


def _line(query: Query, last: QueryMessage | None, locale: str) -> Words:
    definition = definition_of(query.participant.version_id)
    form, visit = record_words(query.record, definition, locale)
    known = definition.forms.get(query.record.form)
    item = known.items.get(query.item) if known is not None else None
    if item is not None:
        words = definition.text(item.label, locale)
    else:
        words = _("One row") if query.row else _("The whole form")
    return {
        "url": reverse("query", args=[query.pk]),
        "code": query.participant.code,
        "form": form,
        "visit": visit,
        "item": words,
        "text": line_words(last, locale) if last is not None else "",
        "by": last.by_name if last is not None else "",
        "state": query.state,
        "kind": QueryKind(query.kind).label,
        "role": role_words(query.addressed_to),
        "age": age_words(age_of(query)),
    }
