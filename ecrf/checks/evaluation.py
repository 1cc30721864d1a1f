"""Evaluate one form: what is shown, what is derived, what the edit checks say, what is still missing.

Unknown is decided per use (TRAPS 14): skip logic shows, a check stays silent and is listed as not evaluable, a
derivation stays empty.
"""

from __future__ import annotations

from .book import Book, Entry
from .outcome import Evaluation, Fired, Only, RowKey, range_check_id
from .program import program_of


def evaluate(book: Book, entry: Entry, only: Only | None = None) -> Evaluation:
    """Evaluate the form of an entry whose data stand in the book, and tell of the whole or `only` of a part.

    Never raises for the data's sake.
    """
    found = Evaluation()
    program_of(book.definition, entry.form.id)(book, entry, found)
    return found if only is None else found.part(entry.form, only)


__all__ = ["Evaluation", "Fired", "Only", "RowKey", "evaluate", "range_check_id"]
