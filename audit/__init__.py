"""The floor: history on every row, the event ledger, signatures, and what the database guarantees.

`audit.save`, `audit.save_many`, `audit.append`, `audit.append_columns` and `audit.delete` write rows; `audit.deed`
tells a deed; `audit.sign` signs (`audit.confirm` looks at the password before).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.actions import (
        append,
        append_columns,
        canonical,
        confirm,
        content_hash,
        deed,
        delete,
        reauthenticate,
        save,
        save_many,
        sign,
    )

__all__ = [
    "append",
    "append_columns",
    "canonical",
    "confirm",
    "content_hash",
    "deed",
    "delete",
    "reauthenticate",
    "save",
    "save_many",
    "sign",
]


def __getattr__(name: str) -> Any:
    """Load the actions on first use: models cannot be imported while Django is still reading its apps."""
    if name in __all__:
        from audit import actions

        return getattr(actions, name)
    raise AttributeError(f"module 'audit' has no attribute {name!r}")
