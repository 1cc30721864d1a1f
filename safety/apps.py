from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SafetyConfig(AppConfig):
    name = "safety"
    verbose_name = _("Safety")

    def ready(self) -> None:
        from audit.verbs import register_verbs
        from ecrf import casebooks, effects, laboratory
        from trial import dictionaries as trial_dictionaries
        from trial import home_panels, navigation, notice_kinds
        from trial.permissions import Permission

        from . import grading, panels, section
        from .actions import cases
        from .dictionaries import ctcae

        section.register()
        laboratory.register_grader(grading.grader)
        trial_dictionaries.register(
            "ctcae", lambda definition: ctcae.load(definition.section("safety").dictionary.version)
        )
        effects.on_save(cases.follow)
        home_panels.register("safety", panels.home_panel, order=1)
        casebooks.register("safety", panels.casebook_panel)
        navigation.register(
            navigation.Entry(
                "safety",
                _("Serious events"),
                "safety",
                icon="pulse",
                key="e",
                order=45,
                permissions=(Permission.SAFETY_VIEW,),
                count=panels.waiting_cases,
                tone="danger",
            )
        )
        register_verbs(
            {
                "safety.case_opened": _("Serious event: clock started"),
                "safety.case_reopened": _("Serious event reopened"),
                "safety.case_cancelled": _("Event no longer serious"),
                "safety.case_reported": _("Serious event reported to the sponsor"),
                "safety.case_form_withdrawn": _("Serious event form withdrawn, report owed again"),
                "safety.case_received": _("Serious event received by the sponsor"),
            }
        )
        notice_kinds.register(
            "safety_case",
            notice_kinds.NoticeKind(
                subject=_("{code}: serious adverse event, 24 hours to report"),
                body=_(
                    "A serious adverse event was recorded for {code} (site {site}) on {date}.\n"
                    "The serious event form is due within 24 hours.\n\nSee {url}"
                ),
            ),
        )
        notice_kinds.register(
            "safety_reported",
            notice_kinds.NoticeKind(
                subject=_("{code}: serious adverse event reported"),
                body=_("Site {site} completed the serious event form of {code} on {date}.\n\nSee {url}"),
            ),
        )
