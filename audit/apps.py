from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = _("Audit trail")

    def ready(self) -> None:
        from audit import checks, guards, signals  # noqa: F401  (checks and signals register themselves)
        from audit.verbs import FLOOR_VERBS, register_verbs

        register_verbs(FLOOR_VERBS)
        # Sent for this app after all migrations of all apps ran, so that the floor needs nothing from above.
        post_migrate.connect(guards.after_migrate, sender=self, dispatch_uid="audit.guards")
