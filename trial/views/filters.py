"""Filters as links: groups of options that keep the rest of the address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.utils.translation import gettext as _


class Address:
    """The query of a list's address: which filters are set, and links that change one of them."""

    def __init__(self, path: str, chosen: Mapping[str, str]) -> None:
        self.path = path
        self.chosen = {name: value for name, value in chosen.items() if value}

    def link(self, **changes: str) -> str:
        """Return the address with some filters changed (an empty value takes one away), back on the first page."""
        query = {name: value for name, value in {**self.chosen, **changes}.items() if value}
        return f"{self.path}?{urlencode(query)}" if query else self.path

    def rest(self) -> str:
        """Return the filters for the links of the pagination, `&` first."""
        return f"&{urlencode(self.chosen)}" if self.chosen else ""

    def hidden(self, *without: str) -> list[dict[str, str]]:
        """Return the filters that a search keeps."""
        return [{"name": name, "value": value} for name, value in self.chosen.items() if name not in without]

    def group(
        self,
        label: Any,
        name: str,
        options: Iterable[tuple[str, Any]],
        counts: Mapping[str, int] | None = None,
    ) -> dict[str, Any]:
        """Return one group for `_components/filters.html`: “All”, then the options that count something."""
        current = self.chosen.get(name, "")
        shown = [
            {
                "label": words,
                "url": self.link(**{name: value}),
                "current": value == current,
                "count": counts.get(value, 0) if counts is not None else "",
            }
            for value, words in options
            if counts is None or counts.get(value) or value == current
        ]
        everything = {"label": _("All"), "url": self.link(**{name: ""}), "current": not current, "count": ""}
        return {"label": label, "options": [everything, *shown]}

    def sort(self, column: str, default: str) -> dict[str, str]:
        """Return link and direction of a column that sorts."""
        current = self.chosen.get("sort", default)
        direction = {column: "ascending", f"-{column}": "descending"}.get(current, "")
        turned = f"-{column}" if current == column else column
        return {"url": self.link(sort="" if turned == default else turned), "sorted": direction}


def page_of(rows: QuerySet[Any] | list[Any], number: str | None, size: int) -> Page[Any]:
    """Return one page; a number that is none or too high gives the first or the last."""
    return Paginator(rows, size).get_page(number)
