"""Source verification by the plan: progress by site and by participant, and the way from one form to the next."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audit import clock
from audit.errors import Refused
from trial.definitions import definition_of
from trial.language import format_date
from trial.models import Participant, Site
from trial.permissions import REFUSALS, Permission, access_of, can
from trial.selectors import participant_or_404, sites_for
from trial.views.requests import SignedInRequest

from ..models import EntryState
from ..rounds import Round
from ..standings import next_participant, plan_in_force, progress_by_participant, progress_by_site, sees_plan
from ..verification import Plan, Strategy
from ..verification.plan import Rule
from ..worklists import age_words

Words = dict[str, Any]
PAGE = 25


@require_safe
def progress(request: SignedInRequest) -> HttpResponse:
    """Show how far the verification is: every site, or (`?site=`) the participants of one."""
    access = access_of(request.user)
    if not (access.has(Permission.VERIFY) or access.has(Permission.LEDGER_VIEW)):
        raise Refused(REFUSALS[Permission.VERIFY](), code=f"permission.{Permission.VERIFY}")
    locale = get_language() or "en"
    version, plan = plan_in_force()
    sites = [site for site in sites_for(request.user).order_by("number") if sees_plan(request.user, site.pk)]
    number = request.GET.get("site", "")
    site = next((each for each in sites if each.number == number), None)
    if number and site is None:
        raise Http404("No such site.")
    words = _PlanWords(definition_of(version), locale) if version is not None else None
    context: Words = {
        "has_plan": plan is not None,
        "site": site,
        "crumbs": [{"label": _("Source verification"), "url": reverse("verification")}, {"label": number}],
    }
    if site is not None:
        rows = Paginator(progress_by_participant(request.user, site.number), PAGE)
        listed = rows.get_page(request.GET.get("page"))
        context |= {
            "rows": [
                _row(row) | {"code": row["participant__code"], "url": _participant_url(row["participant__code"])}
                for row in listed.object_list
            ],
            "listed": listed,
            "rule": words.rule(plan.rule(site.number, clock.today())) if words is not None and plan else None,
        }
    else:
        found = {row["participant__site_id"]: row for row in progress_by_site(request.user)}
        lines = [_site_row(site, found.get(site.pk), plan, words) for site in sites]
        context |= {
            "rows": lines,
            "total": _sum(lines),
            "rules": words.rules(plan) if words is not None and plan else [],
        }
    return render(request, "ecrf/verification.html", context)


def _row(row: Words) -> Words:
    """One line of a table: what is asked, what is done, what waits and since when."""
    required, verified = row["sum_required"], row["sum_verified"]
    oldest: dt.datetime | None = row["oldest"]
    days = max(0, (clock.now() - oldest).days) if oldest is not None else 0
    return {
        "required": required,
        "verified": verified,
        "changed": row["sum_changed"],
        "waiting": row["waiting"],
        "percent": verified * 100 // required if required else None,
        "oldest": age_words(days) if oldest is not None else "",
    }


EMPTY: Words = {"sum_required": 0, "sum_verified": 0, "sum_changed": 0, "waiting": 0, "oldest": None}


def _site_row(site: Site, found: Words | None, plan: Plan | None, words: _PlanWords | None) -> Words:
    rule = plan.rule(site.number, clock.today()) if plan is not None else None
    return _row(found or EMPTY) | {
        "number": site.number,
        "name": site.name,
        "url": f"{reverse('verification')}?site={site.number}",
        "plan": words.text(rule.label) if words is not None and rule is not None else "",
    }


def _sum(rows: list[Words]) -> Words:
    required, verified = sum(row["required"] for row in rows), sum(row["verified"] for row in rows)
    return {
        "required": required,
        "verified": verified,
        "changed": sum(row["changed"] for row in rows),
        "waiting": sum(row["waiting"] for row in rows),
        "percent": verified * 100 // required if required else None,
    }


def _participant_url(code: str) -> str:
    return reverse("participant_verification", args=[code])


# ---------------------------------------------------------------- the plan in words


class _PlanWords:
    """The plan in words, in one language."""

    def __init__(self, definition: Any, locale: str) -> None:
        self.definition = definition
        self.locale = locale

    def text(self, label: Any) -> str:
        return str(self.definition.text(label, self.locale))

    def rules(self, plan: Plan) -> list[Words]:
        """Every entry of the plan, the default first."""
        found = [self.rule(rule) | {"site": ""} for rule in plan.default]
        return found + [self.rule(rule) | {"site": rule.site} for rule in plan.sites]

    def rule(self, rule: Rule | None) -> Words:
        """One entry: its label, since when, and what it asks for."""
        if rule is None:
            return {}
        forms = ", ".join(self.text(self.definition.form(form).label) for form in rule.forms)
        asked = []
        if rule.strategy is Strategy.ALL:
            asked.append(_("every value"))
        else:
            whole = _("whole forms that hold a critical item")
            asked.append(_("critical items") if rule.level == "item" else whole)
            if forms:
                asked.append(_("every value of: %(forms)s") % {"forms": forms})
        if rule.strategy is Strategy.SAMPLE:
            asked.append(
                _("every value of %(share)s of 100 participants of each site, drawn by the seed %(seed)s")
                % {"share": rule.share, "seed": rule.seed}
            )
        return {"label": self.text(rule.label), "since": format_date(rule.from_, self.locale), "asked": asked}


# ---------------------------------------------------------------- one participant


@require_safe
def participant(request: SignedInRequest, code: str) -> HttpResponse:
    """Show what the plan asks for in a participant's forms, and where to begin."""
    found = _participant_or_404(request, code)
    tour = Round(request.user, found)
    required, verified, changed = tour.totals
    _version, plan = plan_in_force()
    rule = plan.rule(found.site.number, clock.today()) if plan is not None else None
    first = tour.next()
    context = {
        "participant": found,
        "crumbs": [
            {"label": _("Source verification"), "url": reverse("verification")},
            {"label": found.site.number, "url": f"{reverse('verification')}?site={found.site.number}"},
            {"label": code},
        ],
        "is_drawn": rule is not None and rule.draws(code),
        "required": required,
        "verified": verified,
        "changed": changed,
        "percent": verified * 100 // required if required else None,
        "lines": [
            {
                "url": line.url,
                "form": line.form,
                "place": line.place,
                "state": line.standing.mark(sees_plan=True),
                "required": len(line.standing.required),
                "verified": len(line.standing.required & line.standing.verified),
                "changed": len(line.standing.changed),
            }
            for line in tour.lines
        ],
        "unfinished": sum(each.entry_state == EntryState.IN_PROGRESS for each in tour.casebook.records),
        "first_url": first.url if first is not None and can(request.user, Permission.VERIFY, found.site_id) else "",
    }
    return render(request, "ecrf/participant_verification.html", context)


@require_safe
def next_form(request: SignedInRequest, code: str) -> HttpResponse:
    """Go to the next form to verify: of this participant after the given one, else of the one who waits longest."""
    found = _participant_or_404(request, code)
    after = request.GET.get("after", "")
    line = Round(request.user, found).next(
        int(after) if after.isascii() and after.isdigit() and len(after) < 19 else None
    )
    if line is not None:
        return redirect(line.url)
    other = next_participant(request.user, found.site_id, after=code)
    if other:
        messages.success(
            request, _("%(code)s: nothing is left to verify. This participant comes next.") % {"code": code}
        )
        return redirect(_participant_url(other))
    messages.success(request, _("%(code)s: nothing is left to verify, here and at this site.") % {"code": code})
    return redirect(_participant_url(code))


def _participant_or_404(request: SignedInRequest, code: str) -> Participant:
    """A participant whose plan the person may know; to the others the page does not exist."""
    found = participant_or_404(request.user, code)
    if not sees_plan(request.user, found.site_id):
        raise Refused(REFUSALS[Permission.VERIFY](), code=f"permission.{Permission.VERIFY}")
    return found
