"""What can be done, in words: every room registers its verbs in `AppConfig.ready`."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from audit.errors import UnknownVerb

_verbs: dict[str, Any] = {}


def register_verbs(verbs: Mapping[str, Any]) -> None:
    """Add verbs and the words that pages show for them: `{"record.signed": _("Record signed")}`.

    Registering the same verb twice is an error: two deeds would become one.
    """
    for verb in verbs:
        if verb in _verbs and _verbs[verb] != verbs[verb]:
            raise ValueError(f"The verb {verb!r} is already registered.")
        if not 0 < len(verb) <= 80:
            raise ValueError(f"The verb {verb!r} must have 1 to 80 characters.")
    _verbs.update(verbs)


def check_verb(verb: str) -> str:
    """The verb, or `UnknownVerb` when no room registered it."""
    if verb not in _verbs:
        raise UnknownVerb(f"No room registered the verb {str(verb)!r}; add it with register_verbs in AppConfig.ready.")
    return str(verb)


def verb_label(verb: str) -> Any:
    """The words for a verb; the verb itself when it is no longer registered (old ledgers stay readable)."""
    return _verbs.get(verb, verb)


def all_verbs() -> dict[str, Any]:
    """Every registered verb with its words."""
    return dict(_verbs)


FLOOR_VERBS = {
    "person.signed_in": _("Signed in"),
    "person.signed_out": _("Signed out"),
    "person.sign_in_failed": _("Failed sign-in"),
    "person.locked_out": _("Locked out after failed sign-ins"),
    "signature.given": _("Signed"),
    "signature.refused": _("Signature refused: wrong password"),
    "redaction.proposed": _("Redaction proposed"),
    "redaction.declined": _("Redaction declined"),
    "redaction.applied": _("Redacted"),
    "simulation.run": _("Filled with simulated data"),
}
