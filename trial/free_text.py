"""Words that people type beside the data: reasons, details, questions, answers. Kept whole, or refused in words."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from audit.errors import Refused
from trial.language import Fault, clean_text

REASON = 300
"""Characters of a reason; the columns that hold reasons are that long."""


def kept(text: str, *, limit: int = REASON, needed: Any = "") -> str:
    """Return the text without outer blanks.

    Raises Refused for what cannot be kept (NUL, lone surrogates, direction overrides), for text longer than `limit`
    (nothing is cut off unseen), and for a blank one where `needed` says what to give.
    """
    try:
        found = clean_text(text, limit=limit, lines=True)
    except Fault as fault:
        raise Refused(fault.text(_), code=fault.code) from None
    if needed and not found:
        raise Refused(needed, code="reason_needed")
    return found
