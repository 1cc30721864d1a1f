from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReportingConfig(AppConfig):
    name = "reporting"
    verbose_name = _("Reporting")

    def ready(self) -> None:
        from audit.verbs import register_verbs

        register_verbs(
            {
                "export.requested": _("Export requested"),
                "export.written": _("Export written"),
                "export.failed": _("Export failed"),
                "export.downloaded": _("Export downloaded"),
                "export.printed": _("Dataset written by command"),
            }
        )
