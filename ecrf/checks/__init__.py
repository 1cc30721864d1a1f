"""Evaluating a form: skip logic, derivations and edit checks over one participant's records. Pure: no Django."""

from .book import Book, Entry, Facts, Place
from .dependents import Changed, dependents
from .evaluation import evaluate
from .outcome import Evaluation, Fired, Only, range_check_id

__all__ = [
    "Book",
    "Changed",
    "Entry",
    "Evaluation",
    "Facts",
    "Fired",
    "Only",
    "Place",
    "dependents",
    "evaluate",
    "range_check_id",
]
