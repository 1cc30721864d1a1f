"""What rooms above add to the pages of a visit, a site and the study: panels, as those of the home page.

    page_panels.register("site", "ecrf.closures", make)      # make(person, site) -> home_panels.Panel | None

The panel is drawn by `trial/_panel.html`; `make` asks for itself what the person may see, and costs a bounded number
of statements. What it is about: a `Visit` (its participant known), a `Site`, or None for the study.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from .home_panels import Panel
from .models import Person

Page = Literal["visit", "site", "study"]
Maker = Callable[[Person, Any], Panel | None]
_panels: dict[str, dict[str, tuple[int, Maker]]] = {"visit": {}, "site": {}, "study": {}}


def register(page: Page, name: str, make: Maker, order: int = 50) -> None:
    """Add a panel to a page; a second registration of the name replaces the first."""
    _panels[page][name] = (order, make)


def panels_on(page: Page, person: Person, about: Any = None) -> list[Panel]:
    """Return the panels of a page for a person, in order."""
    made = [make(person, about) for _order, make in sorted(_panels[page].values(), key=lambda pair: pair[0])]
    return [panel for panel in made if panel is not None]
