"""Logs without participants: addresses lose what stands after the first part, and no argument is ever printed."""

from __future__ import annotations

import logging
import re

# A participant's code (07-003), a number in an address, an e-mail address: enough to find a person again.
_CODES = re.compile(r"\b\d{2,4}-\d{3,5}\b")
_NUMBERS = re.compile(r"(?<=/)\d+(?=[/\s?\"']|$)")
_QUERY = re.compile(r"(?<=/)\?\S*|(?<=\w)\?[^\s\"']+=[^\s\"']*")
_MAIL = re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]+\b")


def discreet(text: str) -> str:
    """The text with participant codes, ids in addresses, query strings and e-mail addresses blotted out."""
    for pattern, mark in ((_QUERY, "?…"), (_CODES, "[code]"), (_NUMBERS, "…"), (_MAIL, "[e-mail]")):
        text = pattern.sub(mark, text)
    return text


class Discreet(logging.Filter):
    """Blots out what could name a participant, in the message, its arguments and the texts attached to a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets the record through, without what it should not say."""
        record.msg = discreet(record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = discreet(record.exc_text)
            # The last line repeats the exception's message, which can quote a value: keep its type only.
            lines = record.exc_text.split("\n")
            lines[-1] = lines[-1].split(":", 1)[0]
            record.exc_text = "\n".join(lines)
            record.exc_info = None
        for extra in ("request", "data", "form"):
            record.__dict__.pop(extra, None)
        return True
