"""The trial's people, places and participants."""

from .leases import Lease
from .notices import Notice, NoticeState
from .participants import (
    Consent,
    ConsentDocument,
    Participant,
    ScreeningOutcome,
    Status,
    StatusChange,
    StatusKind,
    Transfer,
)
from .people import Credential, Delegation, Person, Role
from .studies import Site, SiteActivation, Study, Version
from .visits import Visit, VisitStatus

__all__ = [
    "Consent",
    "ConsentDocument",
    "Credential",
    "Delegation",
    "Lease",
    "Notice",
    "NoticeState",
    "Participant",
    "Person",
    "Role",
    "ScreeningOutcome",
    "Site",
    "SiteActivation",
    "Status",
    "StatusChange",
    "StatusKind",
    "Study",
    "Transfer",
    "Version",
    "Visit",
    "VisitStatus",
]
