from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReportingConfig(AppConfig):
    name = "reporting"
    verbose_name = _("Reporting")

    def ready(self) -> None:
        from audit.verbs import register_verbs
        from trial import home_panels, navigation
        from trial.permissions import Permission

        from . import panels

        register_verbs(
            {
                "export.requested": _("Export requested"),
                "export.written": _("Export written"),
                "export.failed": _("Export failed"),
                "export.downloaded": _("Export downloaded"),
                "export.printed": _("Dataset written by command"),
                "trail.exported": _("Audit trail exported"),
                "flow.read_by_arm": _("Flow of participants by arm read"),
            }
        )
        home_panels.register("reporting.exports", panels.home_panel, order=70)
        navigation.register(
            panels.OverviewEntry("overview", _("Overview"), "overview", icon="chart", key="o", order=5),
            panels.FlowEntry("consort", _("Flow"), "consort", icon="chart", key="", order=6),
            navigation.Entry(
                "exports", _("Exports"), "exports", icon="download", key="x", order=66, permissions=(Permission.EXPORT,)
            ),
            navigation.Entry(
                "audit_trail",
                _("Audit trail"),
                "audit_trail",
                icon="history",
                key="j",
                order=68,
                permissions=(Permission.LEDGER_VIEW,),
            ),
        )
