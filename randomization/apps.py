from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RandomizationConfig(AppConfig):
    name = "randomization"
    verbose_name = _("Randomization")

    def ready(self) -> None:
        from audit.verbs import register_verbs
        from trial import notice_kinds

        from . import section

        section.register()
        register_verbs(
            {
                "list.drafted": _("Allocation list drafted"),
                "list.approved": _("Allocation list approved"),
                "list.put_into_use": _("Allocation list put into use"),
                "list.held": _("Randomization put on hold"),
                "list.resumed": _("Randomization resumed"),
                "participant.randomized": _("Participant randomized"),
                "allocation.viewed": _("Allocation confirmation downloaded"),
            }
        )
        notice_kinds.register(
            "randomized",
            notice_kinds.NoticeKind(
                subject=_("{code}: randomized"),
                body=_("Participant {code} of site {site} was randomized on {date}.\n\nSee {url}"),
            ),
        )
