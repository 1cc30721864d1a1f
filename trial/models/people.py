"""People, their roles at sites, and what they sign in with."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth import hashers
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils.translation import gettext_lazy as _

from audit import exempt
from audit.models import AuditedModel


class Role(models.TextChoices):
    """The field's roles (DOMAIN, "Who does what by default")."""

    COORDINATOR = "coordinator", _("Site coordinator")
    INVESTIGATOR = "investigator", _("Principal investigator")
    CO_INVESTIGATOR = "co_investigator", _("Co-investigator")
    RADIATION_ONCOLOGIST = "radiation_oncologist", _("Radiation oncologist")
    RADIOLOGIST = "radiologist", _("Radiologist")
    MONITOR = "monitor", _("Monitor")
    DATA_MANAGER = "data_manager", _("Data manager")
    SAFETY_OFFICER = "safety_officer", _("Safety officer")
    SPONSOR = "sponsor", _("Sponsor")
    STATISTICIAN_BLINDED = "statistician_blinded", _("Blinded statistician")
    STATISTICIAN_UNBLINDED = "statistician_unblinded", _("Unblinded statistician")
    COMMITTEE = "committee", _("Committee member")
    ADMINISTRATOR = "administrator", _("Administrator")
    AUDITOR = "auditor", _("Auditor")


class PersonManager(BaseUserManager["Person"]):
    """People are made by `trial.actions.people`, never by the manager."""

    def get_by_natural_key(self, username: str | None) -> Person:
        return self.select_related("credential").get(email__iexact=username)


class Person(AbstractBaseUser, AuditedModel):
    """One human being with one account (21 CFR 11.100(a)); never deleted.

    The password hash lives in `Credential`, outside history: an append-only copy of old hashes is a leak.
    """

    email = models.EmailField(unique=True)
    given_name = models.CharField(max_length=80)
    family_name = models.CharField(max_length=80)
    locale = models.CharField(max_length=5, default="en", choices=[("en", "English"), ("fr", "Français")])
    is_active = models.BooleanField(default=True)

    last_login = None
    objects: PersonManager = PersonManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["given_name", "family_name"]

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        ordering = ["family_name", "given_name"]

    def __str__(self) -> str:
        return self.printed_name

    @property
    def printed_name(self) -> str:
        """The name as it is printed with a signature (21 CFR 11.50(a))."""
        return f"{self.given_name} {self.family_name}"

    @property
    def password(self) -> str:
        credential = getattr(self, "credential", None) if self.pk else None
        return credential.password if credential else hashers.make_password(None)

    @password.setter
    def password(self, encoded: str) -> None:
        if self.pk is not None:
            raise AttributeError("A password is set by trial.actions.people.set_password.")
        # Django hashes a password for a person who does not exist, so that an unknown address takes as long as a known.

    def check_password(self, raw_password: str | None) -> bool:
        """Tell whether this is the person's password; upgrades the stored hash when the hasher changed."""

        def upgrade(raw: str) -> None:
            self.credential.password = hashers.make_password(raw)
            self.credential.save(update_fields=["password"])

        return hashers.check_password(raw_password, self.password, upgrade)

    def has_usable_password(self) -> bool:
        return hashers.is_password_usable(self.password)


class Credential(models.Model):
    """What a person signs in with. Exempt from history; each change is a line of the ledger."""

    person = models.OneToOneField(Person, on_delete=models.PROTECT, related_name="credential")
    password = models.CharField(max_length=200)
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"credential of person {self.person_id}"


exempt.register("trial.Credential", "Password hashes: an append-only copy of old hashes would be a leak.")


class Delegation(AuditedModel):
    """A role of a person at a site (or, for sponsor roles, at every site) between two dates."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="delegations")
    site = models.ForeignKey("trial.Site", on_delete=models.PROTECT, null=True, blank=True, related_name="delegations")
    role = models.CharField(max_length=30, choices=Role.choices)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)
    may_randomize = models.BooleanField(default=False)
    sees_arm = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("delegation")
        ordering = ["starts_on", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_on__isnull=True) | models.Q(ends_on__gte=models.F("starts_on")),
                name="delegation_ends_after_it_starts",
            ),
            models.CheckConstraint(
                condition=models.Q(site__isnull=False)
                | ~models.Q(
                    role__in=["coordinator", "investigator", "co_investigator", "radiation_oncologist", "radiologist"]
                ),
                name="site_roles_name_their_site",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} · {self.get_role_display()}"

    def is_in_force(self, on: dt.date) -> bool:
        """Tell whether the delegation holds on that day, both ends included."""
        return self.starts_on <= on and (self.ends_on is None or on <= self.ends_on)
