"""The smallest components, of which a page has hundreds: icons, states, cells of the casebook. No `load` is needed.

    {% icon "query" %}  {% icon "clock" size="large" label=words %}
    {% state record.state %}  {% state "closed" label=words plain=True %}
    {% cell cell start %}

Written in Python because an included template of one line costs ten times what it shows; the larger components are
templates (`templates/_components/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

register = template.Library()

STATE_WORDS: dict[str, Any] = {
    "expected": _("Expected"),
    "in_progress": _("In progress"),
    "complete": _("Complete"),
    "not_done": _("Not done"),
    "not_applicable": _("Not applicable"),
    "hidden": _("Hidden"),
    "verified": _("Verified at source"),
    "partly_verified": _("Partly verified"),
    "to_verify": _("To verify at source"),
    "reviewed": _("Reviewed"),
    "signed": _("Signed"),
    "signed_changed": _("Changed since signing"),
    "frozen": _("Frozen"),
    "locked": _("Locked"),
    "planned": _("Planned"),
    "due": _("Due"),
    "overdue": _("Overdue"),
    "done": _("Done"),
    "missed": _("Missed"),
    "unscheduled": _("Unscheduled"),
    "open": _("Open"),
    "answered": _("Answered"),
    "closed": _("Closed"),
    "reopened": _("Reopened"),
    "cancelled": _("Cancelled"),
    "screening": _("In screening"),
    "pending": _("In screening"),
    "screen_failure": _("Screen failure"),
    "included": _("Included"),
    "enrolled": _("Enrolled"),
    "randomized": _("Randomized"),
    "registered": _("Registered, not randomized"),
    "treatment_ended": _("Allocated treatment ended"),
    "progressed": _("Progressed"),
    "survival": _("In survival follow-up"),
    "withdrawn": _("Withdrawn"),
    "lost": _("Lost to follow-up"),
    "died": _("Died"),
    "completed": _("Completed"),
    "met": _("Met"),
    "not_met": _("Not met"),
    "unknown": _("Not known"),
    "ready": _("Ready"),
    "queued": _("Waiting"),
    "running": _("Running"),
    "failed": _("Failed"),
    "owed": _("To be sent"),
    "sent": _("Sent"),
    "hard": _("Must be corrected"),
    "soft": _("To be confirmed"),
    "justified": _("Value confirmed"),
    "resolved": _("Resolved"),
}
"""The default words of each state of docs/design.md."""


@register.simple_tag
def icon(name: str, label: str = "", size: str = "") -> SafeString:
    """Draw a symbol of static/img/icons.svg. `size`: "", large, hero; `label`: words when the icon stands alone."""
    return _icon(str(name), size) if not label else _drawn(str(name), label, size)


@cache
def _icon(name: str, size: str) -> SafeString:
    return _drawn(name, "", size)


def _drawn(name: str, label: str, size: str) -> SafeString:
    return format_html(
        '<svg class="icon{}{}"{} focusable="false"><use href="{}#{}"></use></svg>',
        " icon--" if size else "",
        size,
        format_html(' role="img" aria-label="{}"', label) if label else mark_safe(' aria-hidden="true"'),
        _sprite(),
        name,
    )


@cache
def _sprite() -> str:
    return static("img/icons.svg")


@register.simple_tag
def state(word: str, label: Any = "", plain: Any = False) -> SafeString:
    """Say a state in icon and words, never by color alone. `label`: other words than the default ones; `plain`: no
    capsule (in tables)."""
    escaped = conditional_escape(word)
    words = conditional_escape(label or STATE_WORDS.get(str(word), word))
    capsule = " chip--plain" if plain else ""
    return mark_safe(  # noqa: S308 (its parts are escaped)
        f'<span class="chip{capsule}" data-state="{escaped}">{icon(f"state-{word}")}'
        f'<span class="truncate">{words}</span></span>'
    )


@register.simple_tag
def cell(held: Mapping[str, Any] | None, start: Any = False) -> SafeString:
    """Draw one cell of the casebook (inside its <td>); a form that does not belong to the visit has no state.

    `held`: state of entry, `url`, `label` (the whole sentence for screen readers: "Laboratory, Month 3: complete, 2
    open queries, signed"), `marks` (words of states beside it), `queries` (number open). `start` puts the grid's Tab
    stop here.
    """
    if not held or not held.get("state"):
        return mark_safe('<span class="cell__none" aria-hidden="true"></span>')
    word, url, label = conditional_escape(held["state"]), held.get("url"), conditional_escape(held.get("label", ""))
    opening, closing = "span", "span"
    if url:
        opening, closing = f'a href="{conditional_escape(url)}" data-cell', "a"
        opening += " data-cell-start" if start else ""
    beside = ""
    if held.get("marks"):
        marks = "".join(
            f'<span data-state="{conditional_escape(m)}">{icon(f"state-{m}")}</span>' for m in held["marks"]
        )
        beside += f'<span class="cell__marks" aria-hidden="true">{marks}</span>'
    if held.get("queries"):
        beside += f'<span class="cell__queries" aria-hidden="true">{conditional_escape(held["queries"])}</span>'
    return mark_safe(  # noqa: S308 (its parts are escaped)
        f'<{opening} class="cell" data-state="{word}" title="{label}">{icon(f"state-{word}")}{beside}'
        f'<span class="visually-hidden">{label}</span></{closing}>'
    )
