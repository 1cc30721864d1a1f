from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RandomizationConfig(AppConfig):
    name = "randomization"
    verbose_name = _("Randomization")

    def ready(self) -> None:
        from audit.verbs import register_verbs
        from ecrf import casebooks, diagrams, effects
        from trial import home_panels, navigation
        from trial.permissions import Permission

        from . import lives, notice_words, panels, section, treatment
        from .actions import differences

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
                permissions=(Permission.LIST_VIEW, Permission.ARM_BALANCE),
            )
        )
        section.register()
        for life in lives.LIVES:
            diagrams.also(life)
        treatment.register()
        effects.on_save(differences.follow)
        register_verbs(
            {
                "list.drafted": _("Allocation list drafted"),
                "list.simulated": _("Simulation of the allocation list recorded"),
                "list.parameters_read": _("Parameters and test list read by the second person"),
                "list.imported": _("Allocation list imported"),
                "list.approved": _("Allocation list approved"),
                "list.put_into_use": _("Allocation list put into use"),
                "list.held": _("Randomization put on hold"),
                "list.resumed": _("Randomization resumed"),
                "list.exhausted": _("Allocation list exhausted"),
                "list.closed": _("Allocation list closed"),
                "list.correction_proposed": _("Correction of the allocation list proposed"),
                "list.correction_approved": _("Correction of the allocation list approved"),
                "list.correction_rejected": _("Correction of the allocation list rejected"),
                "list.correction_taken_back": _("Correction of the allocation list taken back"),
                "list.key_rotated": _("Key of the allocation list rotated"),
                "list.commitment_printed": _("Commitment of the allocation list downloaded"),
                "list.balance_read": _("Balance by arm read"),
                "list.verified": _("Allocation list opened to verify it"),
                "list.schemes_compared": _("Randomization schemes simulated"),
                "list.simulation_run": _("Allocation list simulated"),
                "list.simulation_printed": _("Report of a simulation downloaded"),
                "list.simulation_read": _("Simulation of an allocation list read"),
                "participant.randomized": _("Participant randomized"),
                "participant.registered": _("Participant registered, not randomized"),
                "participant.identity_checked": _("Made sure that the person has no other code"),
                "allocation.flagged": _("Flagged as randomized in error"),
                "allocation.flag_lifted": _("Flag “randomized in error” taken back"),
                "allocation.stratum_differs": _("Data no longer say the frozen stratum"),
                "treatment.recorded": _("Treatment received recorded"),
                "emergency.committed": _("Emergency slots committed with their list"),
                "emergency.pages_taken": _("Pages of the emergency slots downloaded"),
                "emergency.halves_taken": _("Halves of the emergency passwords given to their holder"),
                "emergency.reconciled": _("Emergency allocation entered afterwards"),
                "emergency.set_aside": _("Emergency slot set aside"),
                "allocation.viewed": _("Allocation confirmation downloaded"),
                "registration.viewed": _("Registration confirmation downloaded"),
            }
        )
        notice_words.register()
