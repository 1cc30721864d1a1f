"""Records, their changes, checks' findings, queries, verification, freezing and locking."""

from .closures import Closure, ClosureKind, ClosureScope
from .drafts import Draft
from .laboratories import LaboratoryRange
from .queries import Query, QueryKind, QueryMessage, QueryState
from .records import Change, ChangeKind, EntryState, Finding, FindingState, Record, Severity, Verification

__all__ = [
    "Change",
    "ChangeKind",
    "Closure",
    "ClosureKind",
    "ClosureScope",
    "Draft",
    "EntryState",
    "Finding",
    "FindingState",
    "LaboratoryRange",
    "Query",
    "QueryKind",
    "QueryMessage",
    "QueryState",
    "Record",
    "Severity",
    "Verification",
]
