from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EcrfConfig(AppConfig):
    name = "ecrf"
    verbose_name = _("eCRF")

    def ready(self) -> None:
        from audit.verbs import register_verbs

        from . import effects
        from .actions import eligibility, milestones

        register_verbs(
            {
                "record.saved": _("Form saved"),
                "record.not_done": _("Form marked as not done"),
                "record.removed": _("Entry removed"),
                "record.signed": _("Form signed"),
                "record.verified": _("Values verified at source"),
                "record.reviewed": _("Form reviewed"),
                "record.frozen": _("Form frozen"),
                "record.unfrozen": _("Form unfrozen"),
                "record.locked": _("Form locked"),
                "record.unlocked": _("Form unlocked"),
                "record.recomputed": _("Calculated values brought up to date"),
                "record.recomputation_held": _("Calculated value would differ, form frozen or locked"),
                "query.asked": _("Query asked"),
                "query.answered": _("Query answered"),
                "query.closed": _("Query closed"),
                "query.reopened": _("Query reopened"),
                "query.cancelled": _("Query cancelled"),
                "laboratory.ranges_set": _("Laboratory reference ranges set"),
            }
        )
        effects.on_save(milestones.apply)
        effects.on_save(eligibility.unsettle)
        effects.on_sign(eligibility.enrol)
