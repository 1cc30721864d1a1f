"""Rows and cells of a grid, quickly: what all rows, or all cells of a column, share is rendered once.

Each then puts its own value in. What is shared is known by all that its template is given, and kept: the next page with
the same column does not render it again.

A cell in which anything is special (an error, a finding, a missing code, earlier measurements) is rendered by its
template; so is a row that is removed or has an error, a query or a note. Two hundred rows cost little more than one.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

from django import template
from django.conf import settings
from django.template.loader import get_template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

register = template.Library()
TEMPLATE, ROW_TEMPLATE = "_components/rows_cell.html", "_components/row.html"
ROW, VALUE, ABOUT, NUMBER, CELLS = "__ROW__", "__VALUE__", "__ABOUT__", "__NUMBER__", "__CELLS__"
SPECIAL = ("errors", "findings", "missing", "previous", "earlier", "unknown", "flag", "reference", "file_url")
SPECIAL_ROW = ("removed", "errors", "queries", "notes", "label")
ADDRESSES = {"query_url": "__QUERY__", "note_url": "__NOTE__", "trail_url": "__TRAIL__"}
_MARKS = re.compile(f"({'|'.join((ROW, NUMBER, CELLS, *ADDRESSES.values()))})")
MOST_SKELETONS = 2_000
"""Kept in a process: the columns of every form of a few versions, in two languages. About a kilobyte each."""
TYPED = frozenset({"text", "integer", "decimal", "date", "partial_date", "time", "datetime"})
CHOSEN = frozenset({"choice", "yesno", "link"})


@register.simple_tag
def grid_row(group: Any, row: Any) -> SafeString:
    """One row of a repeating group with its cells: `group` and `row` as `_components/rows.html` has them."""
    cells = mark_safe("".join(grid_cell(group, row, item) for item in row["fields"]))  # noqa: S308 - rendered cells
    if any(row.get(name) for name in SPECIAL_ROW):
        return _rendered_row(group, row, cells)
    skeletons = group.setdefault("skeletons", {})
    addresses = {name: row.get(name) or "" for name in ADDRESSES}
    kind = ("", *(bool(address) for address in addresses.values()))
    if kind not in skeletons:
        of_any = {name: mark for name, mark in ADDRESSES.items() if addresses[name]} | {"id": ROW, "number": NUMBER}
        given = {"name": group["name"], "readonly": bool(group.get("readonly"))}, of_any
        made = _kept((get_language(), repr(given)), lambda: _rendered_row(*given, CELLS))
        skeletons[kind] = _MARKS.split(made)
    own = {ROW: escape(row["id"]), NUMBER: escape(row["number"]), CELLS: cells}
    own |= {mark: escape(addresses[name]) for name, mark in ADDRESSES.items()}
    return mark_safe("".join(own.get(part, part) for part in skeletons[kind]))  # noqa: S308 - rendered, or escaped


def _rendered_row(group: Any, row: Any, cells: str) -> SafeString:
    return mark_safe(get_template(ROW_TEMPLATE).render({"group": group, "row": row, "cells": cells}))  # noqa: S308


def _kept(known_by: tuple[str | None, str] | None, render: Callable[[], str]) -> str:
    """What is rendered in a language from these words, or was the last time; always anew where nothing knows it."""
    if known_by is None or settings.DEBUG:  # in debug a template may have been changed
        return str(render())
    found = _SKELETONS.get(known_by)
    if found is None:
        found = str(render())
        with _LOCK:
            _SKELETONS[known_by] = found
            while len(_SKELETONS) > MOST_SKELETONS:
                _SKELETONS.popitem(last=False)
    return found


_SKELETONS: OrderedDict[tuple[str | None, str], str] = OrderedDict()
_LOCK = Lock()


@register.simple_tag
def grid_cell(group: Any, row: Any, item: Any) -> SafeString:
    """One cell of a repeating group: `group`, `row` and `item` as `_components/rows.html` has them."""
    if not isinstance(item, dict) or not isinstance(group, dict) or not _is_plain(item):
        return _rendered(group, row, item)
    skeletons = group.setdefault("skeletons", {})
    kind = (
        item["item"],
        bool(item.get("readonly")),
        bool(item.get("fixed")),
        item.get("earlier") is None,
        item.get("shown") is not False,
    )
    if kind not in skeletons:
        model = _model(group, item)
        known_by = (get_language(), repr(model)) if item["type"] != "link" else None  # links are a participant's
        skeletons[kind] = _kept(known_by, lambda: _rendered(group, {"id": ROW}, model))
    made = skeletons[kind].replace(ROW, escape(row["id"]))
    if item.get("readonly") or item.get("derived"):
        made = made.replace(VALUE, escape(item.get("display") or ("" if item.get("derived") else "–")))
    elif item.get("fixed"):
        made = made.replace(VALUE, escape(item.get("value") or "")).replace(ABOUT, escape(item["fixed"]))
    elif item["type"] in CHOSEN:
        chosen = next((option["value"] for option in item["options"] if option["selected"]), None)
        if chosen is not None:
            option = f'<option value="{escape(chosen)}"'
            made = made.replace(option, f"{option} selected", 1)
    else:
        made = made.replace(VALUE, escape(item.get("value") or ""))
    return mark_safe(made)  # noqa: S308 - a rendered template into which escaped text was put


def _is_plain(item: dict[str, Any]) -> bool:
    if any(item.get(name) for name in SPECIAL):
        return False
    if item.get("readonly") or item.get("derived"):
        return item["type"] != "file"
    return item["type"] in CHOSEN or (item["type"] in TYPED and not item.get("units"))


def _model(group: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """The item as any row could have it."""
    name = f"{group['name']}.{ROW}.{item['item']}"
    return {
        **item,
        "name": name,
        "id": f"f-{name}",
        "row": ROW,
        "value": VALUE,
        "display": VALUE if item.get("readonly") or item.get("derived") else "",
        "fixed": ABOUT if item.get("fixed") else "",
        "options": [{**option, "selected": False} for option in item.get("options") or []],
        **dict.fromkeys(("derived_reason", "missing_reason", "state", "state_label"), ""),  # no plain cell shows them
    }


def _rendered(group: Any, row: Any, item: Any) -> SafeString:
    return mark_safe(get_template(TEMPLATE).render({"group": group, "row": row, "item": item}))  # noqa: S308
