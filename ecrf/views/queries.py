"""Queries: asked on an item or a form, answered, settled; and the list of those that wait."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from audit import clock
from audit.errors import Refused
from trial.definitions import definition_of
from trial.models import Role
from trial.permissions import Permission, access_of, check
from trial.selectors import sites_for
from trial.views.refusals import status_of
from trial.views.requests import SignedInRequest

from .. import selectors
from ..actions import data_queries
from ..models import Query, QueryKind, QueryMessage, QueryState
from ..pages import Words, crumbs, stored_page
from ..places import RecordPlace, place_or_404
from ..trails import about, record_words, thread

ADDRESSEES = (Role.COORDINATOR, Role.INVESTIGATOR, Role.RADIATION_ONCOLOGIST, Role.RADIOLOGIST)
AGES = (0, 7, 30, 90)
"""Ages in days by which the list is narrowed."""
DEEDS: dict[str, Callable[..., Query]] = {
    "answer": data_queries.answer,
    "close": data_queries.close,
    "reopen": data_queries.reopen,
    "cancel": data_queries.cancel,
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
                addressed_to=_addressee(request.POST.get("addressed_to", "")),
            )
        except Refused as error:
            refused = error
        else:
            if not request.headers.get("HX-Request"):
                messages.success(request, _("The query was asked."))
                return redirect(place.url())
            place = place_or_404(request.user, code, form, visit_id, number)
    return _show_of_record(request, place, item, row, refused)


def _addressee(role: str) -> str:
    return role if role in ADDRESSEES else str(Role.COORDINATOR)


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
        "may_ask": place.can(Permission.QUERY_ASK) and not (place.record is not None and place.record.is_locked),
        "addressees": [(str(role), role.label) for role in ADDRESSEES],
        "text": request.POST.get("text", "") if refused else "",
        "refused": str(refused) if refused else "",
    }
    part = "#drawer" if request.headers.get("HX-Request") else ""
    return render(request, f"ecrf/queries_of_record.html{part}", context, status=status_of(refused) if refused else 200)


def _has_row(place: RecordPlace, group: str, row: str) -> bool:
    return place.record is not None and any(r["_id"] == row for r in place.record.data.get(group, []))


@require_http_methods(["GET", "HEAD", "POST"])
def query(request: SignedInRequest, query_id: int) -> HttpResponse:
    """Show one query with its thread; answer, close, reopen or cancel it."""
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
        try:
            deed(query=found, text=request.POST.get("text", ""), by=request.user)
        except Refused as error:
            refused = error
        else:
            if request.headers.get("HX-Request"):
                return _show_of_record(request, place, request.POST.get("item", ""), request.POST.get("row", ""))
            messages.success(request, _("The query is now: %(state)s.") % {"state": _state_after(found)})
            return redirect("query", query_id)
    if request.headers.get("HX-Request") and request.method == "POST":
        return _show_of_record(request, place, request.POST.get("item", ""), request.POST.get("row", ""), refused)
    context = {
        "place": place,
        "crumbs": [{"label": _("Queries"), "url": reverse("queries")}, {"label": _("Query %(id)s") % {"id": query_id}}],
        "thread": thread(found, place.locale, request.user),
        "about": about(place, found.item, found.row),
        "query": found,
        "age": _age(found),
        "value": _value_now(place, found),
        "addressed_to": Role(found.addressed_to).label if found.addressed_to in Role.values else found.addressed_to,
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


def _age(found: Query) -> int:
    """Days since the query was asked, until it was settled."""
    return max(0, ((found.settled_at or clock.now()) - found.opened_at).days)


# ---------------------------------------------------------------- the list


@require_safe
def worklist(request: SignedInRequest) -> HttpResponse:
    """Show the queries that wait for somebody, oldest first, narrowed by links."""
    check(request.user, Permission.PARTICIPANT_VIEW)
    locale = get_language() or "en"
    chosen = _chosen(request)
    queries = selectors.queries_for(request.user)
    counts = {row["state"]: row["n"] for row in queries.order_by().values("state").annotate(n=Count("pk"))}
    narrowed = _narrow(queries, chosen, request.user)
    last = QueryMessage.objects.filter(query=OuterRef("pk")).order_by("-pk")
    listed = Paginator(
        narrowed.annotate(
            last_text=Subquery(last.values("text")[:1]), last_by=Subquery(last.values("by_name")[:1])
        ).order_by("opened_at", "pk"),
        25,
    ).get_page(request.GET.get("page"))
    query_string = urlencode({k: v for k, v in chosen.items() if v})
    context = {
        "rows": [_line(query, locale) for query in listed.object_list],
        "listed": listed,
        "filters": _filters(request, chosen, counts),
        "query_string": f"&{query_string}" if query_string else "",
        "clear_url": reverse("queries") if query_string else "",
    }
    return render(request, "ecrf/queries.html", context)


def _chosen(request: SignedInRequest) -> dict[str, str]:
    known = {
        "state": {"open", "answered", "closed", "cancelled", "all"},
        "age": {str(age) for age in AGES[1:]},
        "kind": set(QueryKind.values),
        "mine": {"1"},
    }
    chosen = {name: request.GET.get(name, "") for name in ("state", "site", "age", "kind", "mine")}
    return {name: value if name == "site" or value in known[name] else "" for name, value in chosen.items()}


def _narrow(queries: QuerySet[Query], chosen: dict[str, str], person: Any) -> QuerySet[Query]:
    state = chosen["state"]
    if state == "":
        queries = queries.filter(state__in=[QueryState.OPEN, QueryState.ANSWERED])
    elif state != "all":
        queries = queries.filter(state=state)
    if chosen["site"]:
        queries = queries.filter(participant__site__number=chosen["site"])
    if chosen["age"]:
        queries = queries.filter(opened_at__lte=clock.now() - dt.timedelta(days=int(chosen["age"])))
    if chosen["kind"]:
        queries = queries.filter(kind=chosen["kind"])
    if chosen["mine"]:
        roles = access_of(person).role_names
        queries = queries.filter(Q(opened_by=person) | Q(addressed_to__in=roles, state=QueryState.OPEN))
    return queries


def _line(query: Query, locale: str) -> Words:
    definition = definition_of(query.participant.version_id)
    form, visit = record_words(query.record, definition, locale)
    known = definition.forms.get(query.record.form)
    item = known.items.get(query.item) if known is not None else None
    return {
        "url": reverse("query", args=[query.pk]),
        "code": query.participant.code,
        "form": form,
        "visit": visit,
        "item": definition.text(item.label, locale) if item is not None else _("The whole form"),
        "text": query.last_text,  # type: ignore[attr-defined]
        "by": query.last_by,  # type: ignore[attr-defined]
        "state": query.state,
        "kind": QueryKind(query.kind).label,
        "age": _age(query),
    }


def _filters(request: SignedInRequest, chosen: dict[str, str], counts: dict[str, int]) -> list[Words]:
    def option(name: str, value: str, label: Any, count: int | None = None) -> Words:
        rest = {k: v for k, v in {**chosen, name: value}.items() if v}
        url = f"?{urlencode(rest)}" if rest else reverse("queries")
        return {"label": label, "url": url, "current": chosen[name] == value, "count": count}

    waiting = counts.get("open", 0) + counts.get("answered", 0)
    groups: list[Words] = [
        {
            "label": _("State"),
            "options": [
                option("state", "", _("To settle"), waiting),
                option("state", "open", QueryState.OPEN.label, counts.get("open", 0)),
                option("state", "answered", QueryState.ANSWERED.label, counts.get("answered", 0)),
                option("state", "closed", QueryState.CLOSED.label, counts.get("closed", 0)),
                option("state", "cancelled", QueryState.CANCELLED.label, counts.get("cancelled", 0)),
                option("state", "all", _("All"), sum(counts.values())),
            ],
        },
        {
            "label": _("Age"),
            "options": [option("age", "", _("Any"))]
            + [option("age", str(age), _("%(days)s days and more") % {"days": age}) for age in AGES[1:]],
        },
        {
            "label": _("Kind"),
            "options": [option("kind", "", _("Any"))] + [option("kind", kind.value, kind.label) for kind in QueryKind],
        },
        {"label": _("Whose"), "options": [option("mine", "", _("Everybody’s")), option("mine", "1", _("Mine"))]},
    ]
    sites = list(sites_for(request.user).order_by("number").values_list("number", flat=True))
    if len(sites) > 1:
        numbers = [option("site", number, number) for number in sites]
        groups.insert(1, {"label": _("Site"), "options": [option("site", "", _("All")), *numbers]})
    return groups
