"""The rest of a line of the audit trail in words: what its action wrote down beside who, when and on what."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Deed
from ecrf.models import EntryState
from ecrf.pages import moment
from randomization.models import ErrorReason, WhyOtherwise
from randomization.presenters import stratum_words
from trial.definition import Definition
from trial.models import Role, StatusKind
from trial.presenters import date_words

LONGEST = 80  # characters of a value on the page; the export of the trail has everything

# Named by the line itself, or beside it.
NOT_SHOWN = frozenset({"reason", "form", "visit", "event", "number", "signature", "filters", "item"})

NAMES = {
    "algorithm": gettext_lazy("algorithm"),
    "automatic": gettext_lazy("by itself"),
    "cause": gettext_lazy("after the save of"),
    "changed": gettext_lazy("values changed"),
    "check": gettext_lazy("edit check"),
    "checksum": gettext_lazy("checksum"),
    "commitment": gettext_lazy("commitment"),
    "content_hash": gettext_lazy("content"),
    "count": gettext_lazy("count"),
    "document": gettext_lazy("document"),
    "document_version": gettext_lazy("version of the document"),
    "due_at": gettext_lazy("due"),
    "faults": gettext_lazy("faults"),
    "for_site": gettext_lazy("for a site"),
    "format": gettext_lazy("format"),
    "factor": gettext_lazy("factor"),
    "from_on": gettext_lazy("from"),
    "from_version": gettext_lazy("from version"),
    "frozen": gettext_lazy("frozen"),
    "includes_arms": gettext_lazy("with arms"),
    "is_now": gettext_lazy("is"),
    "items": gettext_lazy("items"),
    "kind": gettext_lazy("kind"),
    "late": gettext_lazy("reported late"),
    "meaning": gettext_lazy("meaning"),
    "now": gettext_lazy("by the data"),
    "on": gettext_lazy("date"),
    "opened_on": gettext_lazy("opened"),
    "participants": gettext_lazy("participants"),
    "person": gettext_lazy("person"),
    "received": gettext_lazy("treatment received"),
    "revision": gettext_lazy("save number"),
    "role": gettext_lazy("role"),
    "rows": gettext_lazy("lines"),
    "signed_on": gettext_lazy("signed"),
    "site_number": gettext_lazy("site"),
    "size": gettext_lazy("size in bytes"),
    "started_on": gettext_lazy("first day"),
    "state": gettext_lazy("state"),
    "strata": gettext_lazy("strata"),
    "stratum": gettext_lazy("stratum"),
    "until": gettext_lazy("until"),
    "values": gettext_lazy("values"),
    "version": gettext_lazy("version"),
    "who": gettext_lazy("who"),
    "why": gettext_lazy("why"),
    "would_be": gettext_lazy("would be"),
}
MEANINGS = {
    "investigator_approval": gettext_lazy("approval by the investigator"),
    "randomization": gettext_lazy("randomization of the participant"),
    "registration": gettext_lazy("registration of the participant, without randomization"),
    "list_approval": gettext_lazy("approval of the allocation list"),
}


def detail_words(deed: Deed, definition: Definition | None, locale: str) -> list[str]:
    """Return `name: value` for each detail that is not shown elsewhere on the line, in the language of the page."""
    details = dict(deed.details)
    if deed.verb == "notice.sent":
        details.pop("kind", None)  # the line is named by it
    if "stratum" in details:
        details.pop("strata", None)  # the same, factor by factor
    found = []
    for key, value in details.items():
        if key not in NOT_SHOWN and value not in (None, "", [], {}):
            found.append(_labelled(str(NAMES.get(key, key.replace("_", " "))), _value(key, value, definition, locale)))
    filters = deed.details.get("filters")
    if isinstance(filters, dict):
        found += [_labelled(str(NAMES.get(name, name)), str(value)) for name, value in filters.items()]
    return found


def _labelled(label: str, text: str) -> str:
    return _("%(label)s: %(text)s") % {"label": label, "text": text}


def _value(key: str, value: Any, definition: Definition | None, locale: str) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):
        text = ", ".join(f"{name} {each}" for name, each in value.items())
    elif isinstance(value, list):
        text = ", ".join(map(str, value))
    else:
        text = _known(key, str(value), definition, locale)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _known(key: str, text: str, definition: Definition | None, locale: str) -> str:
    """A code in the words of its list, a date with its month in letters; anything else as it was written down."""
    try:
        if key == "state":
            return str(EntryState(text).label)
        if key == "kind":
            return str(StatusKind(text).label)
        if key == "role":
            return str(Role(text).label)
        if key == "stratum" and definition is not None:
            return stratum_words(text, definition)
        if key == "why":
            return str({**dict(ErrorReason.choices), **dict(WhyOtherwise.choices)}.get(text, text))
        if key == "meaning":
            return str(MEANINGS.get(text, text))
        if key in ("on", "until") or key.endswith("_on"):
            return date_words(dt.date.fromisoformat(text), locale)
        if key.endswith("_at"):
            return moment(dt.datetime.fromisoformat(text), locale)
    except (ValueError, KeyError):  # written by an earlier version of the study or of the program
        return text
    return text
