"""Tables without history, each with the reason.

A room above declares its own in the module of the model: `exempt.register("ecrf.Draft", "private and unaudited …")`.
An unlisted table fails the system check `audit.E001` and the tests.
"""

from dataclasses import dataclass

from django.db import models

READ_WRITE = ("SELECT", "INSERT", "UPDATE", "DELETE")
READ = ("SELECT",)


@dataclass(frozen=True, slots=True)
class Exemption:
    """Why a table has no history, and what the application's role may do with it."""

    reason: str
    privileges: tuple[str, ...] = READ_WRITE


_exempt: dict[str, Exemption] = {}


def register(label: str, reason: str, privileges: tuple[str, ...] = READ_WRITE) -> None:
    """Exempt a model ("ecrf.Draft") or a whole third-party app ("axes.*"), saying why."""
    if len(reason.strip()) < 10:
        raise ValueError(f"{label}: an exemption needs a reason that a reader can judge.")
    _exempt[label.lower()] = Exemption(reason, privileges)


def exemption_of(model: type[models.Model]) -> Exemption | None:
    """The exemption of a model, its own first, then its app's; None if it has none."""
    return _exempt.get(model._meta.label_lower) or _exempt.get(f"{model._meta.app_label}.*")


def all_exemptions() -> dict[str, Exemption]:
    """Every exemption by label."""
    return dict(_exempt)


register("sessions.*", "session keys: short-lived secrets of the web tier; sign-ins stand in the ledger")
register(
    "axes.*",
    "counters of failed sign-ins under a keyed hash of the name, which expire; each failure stands in the ledger",
)
register("contenttypes.*", "names of models, written by migrate alone", READ)
register("auth.*", "Django's own permissions and groups, which nothing here uses", READ)

# Tables that belong to no model of the registry.
UNMODELLED: dict[str, Exemption] = {
    "django_migrations": Exemption("which migrations ran, written by migrate alone", READ),
}
