"""The lives of a record as tables: its entry state, and beside it the marks, each with transitions of its own.

    LIVES["signed"].after("signed", Deed.CHANGE)     # "changed"
    LIVES["locked"].after("locked", Deed.SAVE)       # raises Refused, in words

Every state answers every deed: with the state that follows (often the same), or with a refusal. A test walks them all.
`policies` asks the tables before an action writes; `manage.py state_diagrams` draws them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

from audit.errors import Refused

from .models import EntryState, QueryState


class Deed(StrEnum):
    """What can happen to a record. CHANGE is what a save, a removal or a recalculation does to a value."""

    SAVE = "save"
    COMPLETE = "complete"
    NOT_DONE = "not_done"
    REMOVE = "remove"
    CHANGE = "change"
    VERIFY = "verify"
    UNVERIFY = "unverify"
    REVIEW = "review"
    UNREVIEW = "unreview"
    SIGN = "sign"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    LOCK = "lock"
    UNLOCK = "unlock"
    ASK = "ask"
    SETTLE = "settle"


DEED_WORDS: dict[Deed, Any] = {
    Deed.SAVE: _("save as not finished"),
    Deed.COMPLETE: _("save as complete"),
    Deed.NOT_DONE: _("mark as not done"),
    Deed.REMOVE: _("remove the entry"),
    Deed.CHANGE: _("a value changes"),
    Deed.VERIFY: _("verify at source"),
    Deed.UNVERIFY: _("take a verification back"),
    Deed.REVIEW: _("review"),
    Deed.UNREVIEW: _("take the review back"),
    Deed.SIGN: _("sign"),
    Deed.FREEZE: _("freeze"),
    Deed.UNFREEZE: _("unfreeze"),
    Deed.LOCK: _("lock"),
    Deed.UNLOCK: _("unlock"),
    Deed.ASK: _("ask a query"),
    Deed.SETTLE: _("answer, close, reopen, cancel or readdress a query"),
}

_OF_VALUES = (Deed.SAVE, Deed.COMPLETE, Deed.NOT_DONE, Deed.REMOVE, Deed.CHANGE)
_OF_QUERIES = (Deed.ASK, Deed.SETTLE)


@dataclass(frozen=True)
class Life:
    """One table. `moves` are (state, deed) → state; `refusals` (state, deed) → words, with the code of the refusal.

    `deeds` are all that can happen, with their words: a record's, unless a room above draws a table of its own.
    """

    name: str
    title: Any
    states: Mapping[str, Any]
    start: str
    moves: Mapping[tuple[str, Any], str]
    refusals: Mapping[tuple[str, Any], tuple[Any, str]]
    note: Any = ""
    deeds: Mapping[Any, Any] = field(default_factory=lambda: DEED_WORDS)

    def refusal(self, state: str, deed: Any) -> tuple[Any, str] | None:
        """Return the words and the code with which the state refuses the deed, None when it allows it."""
        return self.refusals.get((state, deed))

    def after(self, state: str, deed: Any) -> str:
        """Return the state to which a deed leads; raises Refused with the table's words."""
        found = self.refusals.get((state, deed))
        if found is not None:
            raise Refused(*found)
        return self.moves[(state, deed)]


def life_of(
    name: str,
    title: Any,
    states: Mapping[str, Any],
    start: str,
    *,
    moves: Mapping[str, Mapping[Any, str]],
    refusals: Mapping[str, Mapping[Any, tuple[Any, str]]],
    note: Any = "",
    deeds: Mapping[Any, Any] = DEED_WORDS,
) -> Life:
    """Write a table out: what is neither a move nor a refusal leaves the state as it is."""
    full: dict[tuple[str, Any], str] = {}
    refused: dict[tuple[str, Any], tuple[Any, str]] = {}
    for state in states:
        for deed in deeds:
            words = refusals.get(state, {}).get(deed)
            if words is not None:
                refused[(state, deed)] = words
            else:
                full[(state, deed)] = moves.get(state, {}).get(deed, state)
    return Life(name, title, states, start, full, refused, note, deeds)


def _all(deeds: tuple[Deed, ...], words: Any, code: str) -> dict[Deed, tuple[Any, str]]:
    return dict.fromkeys(deeds, (words, code))


E = EntryState
_NOTHING_SAVED = (_("Nothing is saved in this form yet."), "empty")
_INCOMPLETE = (_("Only a complete form can be signed."), "incomplete")
_REVIEWED_WHEN_DONE = (_("Only a complete form, or one recorded as not done, can be reviewed."), "incomplete")
_NOT_APPLICABLE = _("This form does not apply: its visit is not expected.")
ENTRY = life_of(
    "entry",
    _("Entry state"),
    {state.value: state.label for state in E},
    E.EXPECTED,
    moves={
        E.EXPECTED: {Deed.SAVE: E.IN_PROGRESS, Deed.COMPLETE: E.COMPLETE, Deed.NOT_DONE: E.NOT_DONE},
        E.IN_PROGRESS: {Deed.COMPLETE: E.COMPLETE, Deed.NOT_DONE: E.NOT_DONE},
        E.COMPLETE: {Deed.SAVE: E.IN_PROGRESS, Deed.NOT_DONE: E.NOT_DONE},
        E.NOT_DONE: {Deed.SAVE: E.IN_PROGRESS, Deed.COMPLETE: E.COMPLETE},
    },
    refusals={
        E.EXPECTED: {
            Deed.REMOVE: _NOTHING_SAVED,
            Deed.CHANGE: _NOTHING_SAVED,
            Deed.VERIFY: _NOTHING_SAVED,
            Deed.UNVERIFY: _NOTHING_SAVED,
            Deed.SIGN: _INCOMPLETE,
            Deed.REVIEW: _REVIEWED_WHEN_DONE,
        },
        E.IN_PROGRESS: {Deed.SIGN: _INCOMPLETE, Deed.REVIEW: _REVIEWED_WHEN_DONE},
        E.NOT_DONE: {
            Deed.NOT_DONE: (_("This form is already recorded as not done."), "not_done"),
            Deed.REMOVE: (_("Only entries of a log can be removed."), "not_done"),
            Deed.CHANGE: (_("This form is recorded as not done: it holds no value."), "not_done"),
            Deed.VERIFY: (_("This form is recorded as not done: it holds no value."), "not_done"),
            Deed.UNVERIFY: (_("This form is recorded as not done: it holds no value."), "not_done"),
            Deed.SIGN: _INCOMPLETE,
        },
        E.NOT_APPLICABLE: _all(
            (*_OF_VALUES, Deed.VERIFY, Deed.UNVERIFY, Deed.REVIEW, Deed.SIGN, Deed.ASK),
            _NOT_APPLICABLE,
            "not_applicable",
        ),
    },
    note=_(
        "Not applicable is never stored for a form that holds values: it is read from the visit, which is not "
        "expected. An entry of a log begins with its first save."
    ),
)

_REMOVED = _("This entry was removed.")
USE = life_of(
    "use",
    _("In use or removed (entries of a log)"),
    {"in_use": _("In use"), "removed": _("Removed")},
    "in_use",
    moves={"in_use": {Deed.REMOVE: "removed"}},
    refusals={"removed": _all(tuple(d for d in Deed if d is not Deed.SETTLE), _REMOVED, "removed")},
    note=_("A removed entry stays readable and keeps its number; its open queries can still be settled."),
)

VERIFIED = life_of(
    "verified",
    _("Verified at source (each value)"),
    {"not_verified": _("Not verified"), "verified": _("Verified at source")},
    "not_verified",
    moves={
        "not_verified": {Deed.VERIFY: "verified"},
        "verified": {
            Deed.CHANGE: "not_verified",
            Deed.NOT_DONE: "not_verified",
            Deed.UNVERIFY: "not_verified",
        },
    },
    refusals={
        "not_verified": {Deed.UNVERIFY: (_("This value is not verified at source."), "not_verified")},
        "verified": {Deed.VERIFY: (_("This value is already verified at source."), "verified")},
    },
    note=_("A change clears the verification of the values that changed, and of no other."),
)

_TO_CHANGED = {Deed.SAVE: "changed", Deed.NOT_DONE: "changed", Deed.REMOVE: "changed", Deed.CHANGE: "changed"}
REVIEWED = life_of(
    "reviewed",
    _("Reviewed"),
    {
        "not_reviewed": _("Not reviewed"),
        "reviewed": _("Reviewed"),
        "changed": _("Changed since the review"),
    },
    "not_reviewed",
    moves={
        "not_reviewed": {Deed.REVIEW: "reviewed"},
        "reviewed": {**_TO_CHANGED, Deed.UNREVIEW: "not_reviewed"},
        "changed": {Deed.REVIEW: "reviewed", Deed.UNREVIEW: "not_reviewed"},
    },
    refusals={
        "not_reviewed": {Deed.UNREVIEW: (_("This form is not reviewed."), "not_reviewed")},
        "reviewed": {Deed.REVIEW: (_("This form is already reviewed as it stands."), "reviewed")},
    },
    note=_("A save that changes nothing leaves the review as it is."),
)

SIGNED = life_of(
    "signed",
    _("Signed"),
    {"unsigned": _("Not signed"), "signed": _("Signed"), "changed": _("Changed since signing")},
    "unsigned",
    moves={
        "unsigned": {Deed.SIGN: "signed"},
        "signed": _TO_CHANGED,
        "changed": {Deed.SIGN: "signed"},
    },
    refusals={"signed": {Deed.SIGN: (_("This form is already signed as it stands."), "signed")}},
    note=_("A signature is never taken away: what changed after it is shown, until the form is signed again."),
)

FROZEN = life_of(
    "frozen",
    _("Frozen"),
    {"open": _("Not frozen"), "frozen": _("Frozen")},
    "open",
    moves={"open": {Deed.FREEZE: "frozen"}, "frozen": {Deed.UNFREEZE: "open"}},
    refusals={
        "open": {Deed.UNFREEZE: (_("This form is not frozen."), "not_frozen")},
        "frozen": _all(_OF_VALUES, _("This form is frozen. Ask the data manager to unfreeze it."), "frozen")
        | {Deed.FREEZE: (_("This form is already frozen."), "frozen")},
    },
    note=_(
        "A form is frozen by its own mark, or because its visit, participant, site or study is frozen; then a form "
        "that nobody has begun cannot be begun. Queries can still be asked and answered, and the form reviewed and "
        "signed."
    ),
)

LOCKED = life_of(
    "locked",
    _("Locked"),
    {"open": _("Not locked"), "locked": _("Locked")},
    "open",
    moves={"open": {Deed.LOCK: "locked"}, "locked": {Deed.UNLOCK: "open"}},
    refusals={
        "open": {Deed.UNLOCK: (_("This form is not locked."), "not_locked")},
        "locked": _all(
            (
                *_OF_VALUES,
                Deed.VERIFY,
                Deed.UNVERIFY,
                Deed.REVIEW,
                Deed.UNREVIEW,
                Deed.SIGN,
                Deed.FREEZE,
                Deed.UNFREEZE,
            ),
            _("This form is locked. Ask the data manager to unlock it."),
            "locked",
        )
        | _all(_OF_QUERIES, _("This form is locked: its queries are closed."), "locked")
        | {Deed.LOCK: (_("This form is already locked."), "locked")},
    },
    note=_("Locking waits until every query is closed. As for freezing, a whole visit, participant, site or study."),
)

LIVES: dict[str, Life] = {life.name: life for life in (ENTRY, USE, VERIFIED, REVIEWED, SIGNED, FROZEN, LOCKED)}
"""Every table of a record, in the order in which they are drawn."""


Q = QueryState
QUERY: dict[str, frozenset[str]] = {
    Q.OPEN: frozenset({Q.ANSWERED, Q.CLOSED, Q.CANCELLED}),
    Q.ANSWERED: frozenset({Q.REOPENED, Q.CLOSED, Q.CANCELLED}),
    Q.CLOSED: frozenset({Q.REOPENED}),
    Q.REOPENED: frozenset({Q.ANSWERED, Q.CLOSED, Q.CANCELLED}),
    Q.CANCELLED: frozenset(),
}
"""Query state → the states a deed may lead to; a cancelled one is the end, a new question is a new query.

Asking another role instead (`readdress`) leaves the state as it is; only a query that waits for an answer allows it.
"""
