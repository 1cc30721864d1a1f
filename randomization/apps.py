from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RandomizationConfig(AppConfig):
    name = "randomization"
    verbose_name = _("Randomization")

    def ready(self) -> None:
        from audit.verbs import register_verbs
        from ecrf import casebooks
        from trial import home_panels, navigation, notice_kinds
        from trial.permissions import Permission

        from . import panels, section

        casebooks.register("randomization", panels.casebook_panel)
        home_panels.register("randomization", panels.home_panel, order=20)
        navigation.register(
            navigation.Entry(
                "randomization",
                _("Randomization"),
                "lists",
                icon="randomize",
                key="a",
                order=65,
                permissions=(Permission.LIST_VIEW,),
            )
        )
        section.register()
        register_verbs(
            {
                "list.drafted": _("Allocation list drafted"),
                "list.imported": _("Allocation list imported"),
                "list.approved": _("Allocation list approved"),
                "list.put_into_use": _("Allocation list put into use"),
                "list.held": _("Randomization put on hold"),
                "list.resumed": _("Randomization resumed"),
                "list.closed": _("Allocation list closed"),
                "list.balance_read": _("Balance by arm read"),
                "list.verified": _("Allocation list opened to verify it"),
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
