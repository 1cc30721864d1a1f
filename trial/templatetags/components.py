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
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
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
        '<svg class="icon{}{}" {} focusable="false"><use href="{}#{}"></use></svg>',
        " icon--" if size else "",
        size,
        format_html('role="{}" aria-label="{}"', "img", label) if label else format_html('aria-hidden="{}"', "true"),
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
    return format_html(
        '<span class="chip{}" data-state="{}">{}<span class="truncate">{}</span></span>',
        " chip--plain" if plain else "",
        word,
        icon(f"state-{word}"),
        label or STATE_WORDS.get(str(word), word),
    )


@register.simple_tag
def cell(held: Mapping[str, Any] | None, start: Any = False) -> SafeString:
    """Draw one cell of the casebook (inside its <td>); a form that does not belong to the visit has no state.

    `held`: state of entry, `url`, `label` (the whole sentence for screen readers: "Laboratory, Month 3: complete, 2
    open queries, signed"), `marks` (words of states beside it), `queries` (number open). `start` puts the grid's Tab
    stop here.
    """
    if not held or not held.get("state"):
        return format_html('<span class="{}" aria-hidden="true"></span>', "cell__none")
    url, word, label = held.get("url"), held["state"], held.get("label", "")
    marks = format_html_join(
        "", '<span data-state="{}">{}</span>', ((m, icon(f"state-{m}")) for m in held.get("marks") or ())
    )
    queries = held.get("queries")
    return format_html(
        '<{} class="cell" data-state="{}" title="{}">{}{}{}<span class="visually-hidden">{}</span></{}>',
        format_html('a href="{}" data-cell{}', url, " data-cell-start" if start else "") if url else "span",
        word,
        label,
        icon(f"state-{word}"),
        format_html('<span class="cell__marks" aria-hidden="true">{}</span>', marks) if marks else "",
        format_html('<span class="cell__queries" aria-hidden="true">{}</span>', queries) if queries else "",
        label,
        "a" if url else "span",
    )
