from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TrialConfig(AppConfig):
    name = "trial"
    verbose_name = _("Trial")

    def ready(self) -> None:
        from audit.verbs import register_verbs

        from . import frame, notice_kinds, panels
        from .actions import consents

        register_verbs(
            {
                "version.published": _("Study version published"),
                "version.activated": _("Study version put into force at a site"),
                "site.opened": _("Site opened"),
                "person.created": _("Account opened"),
                "person.password_changed": _("Password changed"),
                "person.deactivated": _("Account closed"),
                "person.policy_accepted": _("Rules of the account accepted"),
                "delegation.given": _("Role delegated"),
                "delegation.ended": _("Delegation ended"),
                "participant.screened": _("Participant screened"),
                "participant.screened_again": _("Participant screened again"),
                "participant.version_adopted": _("Participant moved to the version in force"),
                "participant.identified": _("Demographics recorded"),
                "participant.screen_failed": _("Screening closed without inclusion"),
                "participant.status_recorded": _("Status recorded"),
                "participant.status_reversed": _("Status reversed"),
                "participant.transferred": _("Participant transferred to another site"),
                "consent.recorded": _("Consent recorded"),
                "consent.taken_back": _("Consent taken back"),
                "consent.document_in_force": _("Consent version in force"),
                "visit.dated": _("Visit date recorded"),
                "visit.missed": _("Visit recorded as missed"),
                "visit.reopened": _("Visit reopened"),
                "visit.added": _("Visit added"),
                "notice.sent": _("Reminder sent"),
            }
        )
        notice_kinds.register(
            consents.RECONSENT,
            notice_kinds.NoticeKind(
                subject=_("{code}: a new consent version is to be signed"),
                body=_(
                    "A new version of the information document is in force at site {site} since {date}. Participant "
                    "{code} has not consented to it yet. Nothing is blocked. Once it is signed, record the date: {url}"
                ),
                is_settled=consents.is_settled,
            ),
        )
        frame.register()
        panels.register()
