"""What the eCRF adds to the pages of a visit, a site and the study: frozen or locked, and where to sign or close."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from audit.errors import Refused
from trial import page_panels
from trial.home_panels import Panel, Row
from trial.models import Person, Site, Visit
from trial.permissions import Permission, can

from .actions.closures import check_person_can_close
from .closing import Scope
from .models import Closure, ClosureKind, ClosureScope
from .models.closures import in_force_at, in_force_over
from .policies import scope_words


def of_visit(person: Person, visit: Visit) -> Panel | None:
    """Sign the visit, freeze or lock it; what is closed, for everybody who sees it."""
    participant = visit.participant
    rows = [_state_row(c, scope_words(c, participant, visit)) for c in in_force_over(participant, visit)]
    if can(person, Permission.SIGN_RECORD, participant.site_id):
        rows.append(Row(_("Sign the forms of this visit"), reverse("visit_sign", args=[participant.code, visit.pk])))
    rows += _closing_row(person, Scope.of_visit(visit), reverse("visit_closure", args=[participant.code, visit.pk]))
    return _panel(rows)


def of_site(person: Person, site: Site) -> Panel | None:
    """Freeze or lock the site."""
    words = {ClosureScope.STUDY: _("The study"), ClosureScope.SITE: _("Site %(number)s") % {"number": site.number}}
    rows = [_state_row(c, words[ClosureScope(c.scope)]) for c in in_force_at(site)]
    rows += _closing_row(person, Scope.of_site(site), reverse("site_closure", args=[site.number]))
    return _panel(rows)


def of_study(person: Person, _study: Any) -> Panel | None:
    """Freeze or lock the whole study."""
    closures = Closure.objects.filter(scope=ClosureScope.STUDY, lifted_at=None)
    rows = [_state_row(c, _("The study")) for c in closures]
    rows += _closing_row(person, Scope.of_study(), reverse("study_closure"))
    return _panel(rows)


def _panel(rows: list[Row]) -> Panel | None:
    return Panel(title=_("Signature, freeze and lock"), icon="state-locked", rows=rows) if rows else None


def _state_row(closure: Closure, words: str) -> Row:
    return Row(words, note=closure.reason, state=str(closure.kind))


def _closing_row(person: Person, scope: Scope, url: str) -> list[Row]:
    try:
        check_person_can_close(person, scope, ClosureKind.FROZEN)
        check_person_can_close(person, scope, ClosureKind.LOCKED)
    except Refused:
        return []
    return [Row(_("Freeze and lock"), url)]


def register() -> None:
    """Put the panels on the trial's pages."""
    page_panels.register("visit", "ecrf.closures", of_visit)
    page_panels.register("site", "ecrf.closures", of_site)
    page_panels.register("study", "ecrf.closures", of_study)
