from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EcrfConfig(AppConfig):
    name = "ecrf"
    verbose_name = _("eCRF")

    def ready(self) -> None:
        from django.db.models.signals import post_save

        from audit import verification
        from audit.verbs import register_verbs
        from trial import barriers, facts, home_panels, navigation, notice_kinds
        from trial.models import Visit
        from trial.permissions import Permission

        from . import casebooks, consents, effects, panels, policies, signed_contents
        from .actions import eligibility, findings, milestones, recomputation, verifications
        from .home import queries_panel
        from .selectors import queries_waiting_for, query_notice_is_settled, redactions_waiting_for
        from .timeline import section as timeline
        from .verification import plan

        timeline.register()
        register_verbs(
            {
                "record.saved": _("Form saved"),
                "record.not_done": _("Form marked as not done"),
                "record.removed": _("Entry removed"),
                "record.signed": _("Form signed"),
                "record.verified": _("Values verified at source"),
                "record.unverified": _("Verification at source taken back"),
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
                "query.readdressed": _("Query asked of another role"),
                "eligibility.input_changed": _("Data behind eligibility or stratum changed after randomization"),
                "laboratory.ranges_set": _("Laboratory reference ranges set"),
                "laboratory.range_corrected": _("Laboratory reference range corrected"),
                "file.opened": _("File of a form opened"),
                "note.added": _("Note added"),
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
            ),
            navigation.Entry(
                "verification",
                _("Source verification"),
                "verification",
                icon="state-verified",
                key="v",
                order=42,
                permissions=(Permission.VERIFY, Permission.LEDGER_VIEW),
            ),
        )
        home_panels.register("ecrf.queries", queries_panel, order=5)
        navigation.register(
            navigation.Entry(
                "redactions",
                _("Redactions"),
                "redactions",
                icon="eye-off",
                key="",
                order=85,
                permissions=(Permission.REDACTION_PROPOSE, Permission.REDACTION_APPROVE),
                count=redactions_waiting_for,
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
        notice_kinds.register(
            findings.QUERY_ASKED,
            notice_kinds.NoticeKind(
                subject=_("{code}: a query is asked of you"),
                body=_(
                    "On {date} a query was asked about participant {code} (site {site}).\n\nRead and answer it: {url}"
                ),
                is_settled=query_notice_is_settled,
            ),
        )
        facts.on_change(recomputation.recompute_facts)
        casebooks.register("consent", consents.casebook_panel)
        verification.register("signed forms hold what was signed", signed_contents.verify)
        barriers.register("ecrf.closures", policies.barrier)
        panels.register()
        effects.on_save(milestones.apply)
        effects.on_save(eligibility.unsettle)
        effects.on_save(eligibility.follow_disagreements)
        effects.on_sign(eligibility.enrol)
        plan.register()
        effects.on_save(verifications.follow)
        post_save.connect(verifications.follow_visit, sender=Visit, dispatch_uid="ecrf.verification")
