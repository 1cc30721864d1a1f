"""Evaluating a form: skip logic, derivations and edit checks over one participant's records. Pure: no Django."""

from .book import Book, Entry, Facts, Place
from .evaluation import Evaluation, Fired, evaluate, range_check_id

__all__ = ["Book", "Entry", "Evaluation", "Facts", "Fired", "Place", "evaluate", "range_check_id"]
