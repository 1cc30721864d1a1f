"""Records, their changes, checks' findings, queries, verification, freezing and locking."""

from .closures import Closure, ClosureKind, ClosureScope
from .drafts import Draft
from .files import Attachment, FileContent, Upload
from .laboratories import LaboratoryRange
from .notes import Note
from .queries import UNSETTLED, WAITS_FOR_ANSWER, Query, QueryKind, QueryMessage, QueryState
from .records import Change, ChangeKind, EntryState, Finding, FindingState, Record, Severity, Verification
from .tallies import VerificationTally

__all__ = [
    "UNSETTLED",
    "WAITS_FOR_ANSWER",
    "Attachment",
    "Change",
    "ChangeKind",
    "Closure",
    "ClosureKind",
    "ClosureScope",
    "Draft",
    "EntryState",
    "FileContent",
    "Finding",
    "FindingState",
    "LaboratoryRange",
    "Note",
    "Query",
    "QueryKind",
    "QueryMessage",
    "QueryState",
    "Record",
    "Severity",
    "Upload",
    "Verification",
    "VerificationTally",
]
