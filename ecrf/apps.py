from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EcrfConfig(AppConfig):
    name = "ecrf"
    verbose_name = _("eCRF")

    def ready(self) -> None:
        from audit import verification
        from audit.verbs import register_verbs
        from trial import barriers, navigation, notice_kinds
        from trial.permissions import Permission

        from . import effects, panels, policies, signed_contents
        from .actions import eligibility, milestones
        from .selectors import queries_waiting_for

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
                "record.unreviewed": _("Review taken back"),
                "record.confirmed": _("Values confirmed, none changed"),
                "record.marks_broken": _("Marks that a change broke"),
                "scope.frozen": _("Visit, participant, site or study frozen"),
                "scope.unfrozen": _("Visit, participant, site or study unfrozen"),
                "scope.locked": _("Visit, participant, site or study locked"),
                "scope.unlocked": _("Visit, participant, site or study unlocked"),
                "casebook.signed": _("Casebook or visit signed"),
                "record.recomputed": _("Calculated values brought up to date"),
                "record.recomputation_held": _("Calculated value would differ, form frozen or locked"),
                "query.asked": _("Query asked"),
                "query.answered": _("Query answered"),
                "query.closed": _("Query closed"),
                "query.reopened": _("Query reopened"),
                "query.cancelled": _("Query cancelled"),
                "eligibility.input_changed": _("Data behind eligibility or stratum changed after randomization"),
                "laboratory.ranges_set": _("Laboratory reference ranges set"),
            }
        )
        navigation.register(
            navigation.Entry(
                "queries",
                _("Queries"),
                "queries",
                icon="query",
                key="q",
                order=40,
                permissions=(Permission.RECORD_VIEW,),
                count=queries_waiting_for,
                tone="warn",
            )
        )
        notice_kinds.register(
            eligibility.INPUT_CHANGED,
            notice_kinds.NoticeKind(
                subject=_("{code}: data behind eligibility or stratum changed after randomization"),
                body=_(
                    "A value on which the eligibility or the stratum of participant {code} (site {site}) rested was "
                    "changed on {date}, after randomization. Allocation and stratum stay as they were. "
                    "The site was asked whether this is a protocol deviation.\n\nSee {url}"
                ),
            ),
        )
        notice_kinds.register(
            eligibility.DEVIATION_PROPOSED,
            notice_kinds.NoticeKind(
                subject=_("{code}: is this a protocol deviation?"),
                body=_(
                    "A value on which the eligibility or the stratum of participant {code} rested was changed on "
                    "{date}, after randomization. If the protocol was not followed, record the deviation: {url}"
                ),
            ),
        )
        verification.register("signed forms hold what was signed", signed_contents.verify)
        barriers.register("ecrf.closures", policies.barrier)
        panels.register()
        effects.on_save(milestones.apply)
        effects.on_save(eligibility.unsettle)
        effects.on_save(eligibility.follow_disagreements)
        effects.on_sign(eligibility.enrol)
