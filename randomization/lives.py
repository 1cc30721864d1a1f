"""The life of an allocation list as tables: its state, beside it the hold, and what becomes of a correction.

    LIST.after(state, Deed.APPROVE)      # "approved", or Refused in words

Every state answers every deed. The actions ask before they write; `manage.py state_diagrams` draws the tables.
Approval commits in the same transaction: a list that is approved is committed, and there is no moment between.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from django.utils.functional import lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ecrf.lives import Life, life_of

from .models import CorrectionState, ListState


class Deed(StrEnum):
    """What can happen to a list. RUN_OUT and REFILL follow from other deeds; nobody does them."""

    SIMULATE = "simulate"
    APPROVE = "approve"
    USE = "use"
    ALLOCATE = "allocate"
    RUN_OUT = "run_out"
    HOLD = "hold"
    RESUME = "resume"
    WITHDRAW = "withdraw"
    APPEND = "append"
    CLOSE_STRATUM = "close_stratum"
    REOPEN_STRATUM = "reopen_stratum"
    CLOSE = "close"


DEED_WORDS: dict[Deed, Any] = {
    Deed.SIMULATE: _("record a simulation"),
    Deed.APPROVE: _("approve and commit"),
    Deed.USE: _("put into use"),
    Deed.ALLOCATE: _("allocate a participant"),
    Deed.RUN_OUT: _("the last available slot is used or withdrawn"),
    Deed.HOLD: _("hold"),
    Deed.RESUME: _("resume"),
    Deed.WITHDRAW: _("make a slot unavailable"),
    Deed.APPEND: _("append slots"),
    Deed.CLOSE_STRATUM: _("close a stratum"),
    Deed.REOPEN_STRATUM: _("reopen a stratum"),
    Deed.CLOSE: _("close the list"),
}


def _state_words(state: str, wanted: tuple[str, ...]) -> str:
    needed = [f"“{ListState(one).label}”" for one in wanted]
    return gettext("The list is “%(is)s”; this needs it to be %(wanted)s.") % {
        "is": ListState(state).label,
        "wanted": gettext(" or ").join(needed),
    }


_needs = lazy(_state_words, str)
S = ListState
MOVES: dict[Deed, Mapping[str, str]] = {
    Deed.SIMULATE: {S.DRAFT: S.SIMULATED, S.SIMULATED: S.SIMULATED},
    Deed.APPROVE: {S.SIMULATED: S.APPROVED},
    Deed.USE: {S.APPROVED: S.IN_USE},
    Deed.ALLOCATE: {S.IN_USE: S.IN_USE},
    Deed.RUN_OUT: {S.IN_USE: S.EXHAUSTED},
    Deed.HOLD: {S.IN_USE: S.IN_USE},
    Deed.RESUME: {S.IN_USE: S.IN_USE},
    Deed.WITHDRAW: {S.APPROVED: S.APPROVED, S.IN_USE: S.IN_USE},
    Deed.APPEND: {S.APPROVED: S.APPROVED, S.IN_USE: S.IN_USE, S.EXHAUSTED: S.IN_USE},
    Deed.CLOSE_STRATUM: {S.APPROVED: S.APPROVED, S.IN_USE: S.IN_USE},
    Deed.REOPEN_STRATUM: {S.APPROVED: S.APPROVED, S.IN_USE: S.IN_USE, S.EXHAUSTED: S.IN_USE},
    Deed.CLOSE: dict.fromkeys((S.DRAFT, S.SIMULATED, S.APPROVED, S.IN_USE, S.EXHAUSTED), S.CLOSED),
}
"""Deed → the states that allow it, each with the state that follows; every other state refuses."""

LIST: Life = life_of(
    "list",
    _("Allocation list"),
    {state.value: state.label for state in S},
    S.DRAFT,
    moves={state: {deed: moves[state] for deed, moves in MOVES.items() if state in moves} for state in S},
    refusals={
        state: {
            deed: (_needs(state.value, tuple(one.value for one in S if one in moves)), "list_state")
            for deed, moves in MOVES.items()
            if state not in moves
        }
        for state in S
    },
    note=_(
        "Approval by a second person writes the commitment in the same transaction. Corrections (a slot made "
        "unavailable, slots appended, a stratum closed or reopened, hold and resume) are proposed by one unblinded "
        "statistician and approved by another."
    ),
    deeds=DEED_WORDS,
)

HOLD: Life = life_of(
    "list_hold",
    _("Hold of the list in use"),
    {"running": _("Running"), "held": _("On hold")},
    "running",
    moves={"running": {Deed.HOLD: "held"}, "held": {Deed.RESUME: "running"}},
    refusals={
        "running": {Deed.RESUME: (_("Randomization is not on hold."), "not_held")},
        "held": {
            Deed.HOLD: (_("Randomization is already on hold."), "held"),
            Deed.ALLOCATE: (_("Randomization is on hold."), "hold"),
        },
    },
    note=_("A hold takes effect at once and is confirmed by a second person; resuming waits for the second person."),
    deeds=DEED_WORDS,
)


class Decision(StrEnum):
    """What can happen to a correction once it is proposed."""

    APPROVE = "approve"
    REJECT = "reject"
    TAKE_BACK = "take_back"


_DECIDED = _("This correction was decided already.")
_TAKEN_BACK = _("This correction was taken back.")
C = CorrectionState
CORRECTION: Life = life_of(
    "list_correction",
    _("Correction of an allocation list"),
    {state.value: state.label for state in C},
    C.PROPOSED,
    moves={
        C.PROPOSED: {
            Decision.APPROVE: C.APPROVED,
            Decision.REJECT: C.REJECTED,
            Decision.TAKE_BACK: C.TAKEN_BACK,
        }
    },
    refusals={
        C.APPROVED: dict.fromkeys(Decision, (_DECIDED, "decided")),
        C.REJECTED: dict.fromkeys(Decision, (_DECIDED, "decided")),
        C.TAKEN_BACK: dict.fromkeys(Decision, (_TAKEN_BACK, "taken_back")),
    },
    note=_(
        "A second unblinded statistician approves or rejects; the one who proposed it alone takes it back, with a "
        "reason. A hold, which took effect when it was proposed, is not taken back: the second person rejects it, "
        "which lifts it, or randomization is resumed by two."
    ),
    deeds={
        Decision.APPROVE: _("approve as the second person"),
        Decision.REJECT: _("reject as the second person"),
        Decision.TAKE_BACK: _("take it back as the one who proposed it"),
    },
)

LIVES = (LIST, HOLD, CORRECTION)
"""Every table of a list, in the order in which they are drawn."""
