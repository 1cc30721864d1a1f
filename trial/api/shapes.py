"""Rows and definitions as the API says them; what would tell an arm is left out before it gets here or here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audit import clock
from trial.definition import Definition, Form, Group, Item, VisitDefinition

from ..definitions import definition_of
from ..models import Participant, Person, Role, Site, Version, Visit, VisitStatus
from ..permissions import Permission, access_of
from . import serializers

DAYS = tuple(name for name in serializers.Participant().get_fields() if name.endswith("_on"))


def version_numbers() -> dict[int, int]:
    """The number of every version, by key."""
    return dict(Version.objects.values_list("pk", "number"))


# --- People --------------------------------------------------------------------------------------------------------


def me(person: Person) -> dict[str, Any]:
    """Who asks, with roles and permissions in the order of the house's tables."""
    access = access_of(person)
    numbers = dict(Site.objects.values_list("pk", "number"))
    permissions = []
    for permission in Permission:
        sites = access.sites(permission)
        if sites is None or sites:
            permissions.append(
                {
                    "permission": str(permission),
                    "everywhere": sites is None,
                    "sites": sorted(numbers[pk] for pk in sites or ()),
                }
            )
    roles = sorted(access.roles, key=lambda held: (access.role_names.index(held[0]), held[1] or 0))
    return {
        "name": person.printed_name,
        "email": person.email,
        "locale": person.locale,
        "roles": [
            {"role": role, "label": str(Role(role).label), "site": numbers[site] if site is not None else None}
            for role, site in roles
        ],
        "permissions": permissions,
    }


# --- Participants and visits ---------------------------------------------------------------------------------------


def participants(found: Iterable[Participant]) -> list[dict[str, Any]]:
    """Participants; their sites are at hand."""
    numbers = version_numbers()
    return [
        {
            "code": row.code,
            "site": row.site.number,
            "status": row.status,
            "version": numbers[row.version_id],
            "initials": row.initials,
            "sex": row.sex,
            "birth_month": row.birth_month,
            "birth_year": row.birth_year,
            "failure_reason": row.failure_reason,
            **{name: getattr(row, name) for name in DAYS},
        }
        for row in found
    ]


def visits(found: Iterable[Visit], participant: Participant, person: Person) -> list[dict[str, Any]]:
    """Visits of one participant, already scoped; their forms without those that would tell the arm."""
    definition = definition_of(participant.version_id)
    sees_arm = access_of(person).has(Permission.ARM_VIEW, participant.site_id)
    today = clock.today()
    shapes = []
    for visit in found:
        plan = definition.visit(visit.event)
        shapes.append(
            {
                "id": visit.pk,
                "event": visit.event,
                "occurrence": visit.occurrence,
                "label": plan.label,
                "planned_on": visit.planned_on,
                "window_start": visit.window_start,
                "window_end": visit.window_end,
                "actual_on": visit.actual_on,
                "status": visit.status,
                "overdue": visit.status == VisitStatus.PLANNED
                and visit.window_end is not None
                and visit.window_end < today,
                "missed_reason": visit.missed_reason,
                "forms": [
                    form for form in plan.forms if sees_arm or not definition.reveals_arm(form, visit_id=plan.id)
                ],
            }
        )
    return shapes


# --- Definition ----------------------------------------------------------------------------------------------------


class Telling:
    """A definition as told to one person: whole, or without what would tell one arm from the other."""

    def __init__(self, definition: Definition, person: Person) -> None:
        access = access_of(person)
        self.definition = definition
        # Whoever sees arms, or makes the list that allocates them, knows them from the protocol anyway.
        self.tells_arms = any(
            access.has(p) for p in (Permission.ARM_VIEW, Permission.ARM_BALANCE, Permission.LIST_DRAFT)
        )

    def shows(self, form: str, item: str | None = None) -> bool:
        """Whether a form or an item is told."""
        return self.tells_arms or not self.definition.reveals_arm(form, item)

    def arms(self) -> list[dict[str, Any]]:
        found = self.definition.study_file.arms if self.tells_arms else ()
        return [{"id": arm.id, "label": arm.label, "pathway": arm.pathway} for arm in found]

    def forms(self) -> list[dict[str, Any]]:
        return [self._line(form) for form in self.definition.forms.values() if self.shows(form.id)]

    def form(self, form: Form) -> dict[str, Any]:
        groups = [self._group(form, group) for group in form.groups]
        return {
            **self._line(form),
            "date_item": form.date_item,
            "groups": [group for group in groups if group["items"]],
            "checks": [
                {
                    "id": check.id,
                    "rule": check.rule,
                    "severity": str(check.severity),
                    "items": list(check.items),
                    "message": check.message,
                }
                for check in form.checks
                if all(self.shows(form.id, item) for item in check.items)
            ],
        }

    def visits(self) -> list[dict[str, Any]]:
        return [
            self._visit(visit)
            for visit in self.definition.visits
            if self.tells_arms or not self.definition.reveals_arm(visit_id=visit.id)
        ]

    def _line(self, form: Form) -> dict[str, Any]:
        return {
            "id": form.id,
            "kind": str(form.kind),
            "label": form.label,
            "area": str(form.area),
            "domain": form.domain,
            "signed_by": str(form.sign) if form.sign else None,
            "items": sum(self.shows(form.id, item) for item in form.items),
        }

    def _group(self, form: Form, group: Group) -> dict[str, Any]:
        return {
            "id": group.id,
            "label": group.label,
            "repeating": group.repeating,
            "min_rows": group.min_rows,
            "max_rows": group.max_rows,
            "shown_when": group.shown_when,
            "items": [self._item(item) for item in group.items if self.shows(form.id, item.id)],
        }

    def _item(self, item: Item) -> dict[str, Any]:
        codelist = self.definition.codelists.get(item.codelist or "")
        limits = item.range
        return {
            "id": item.id,
            "type": str(item.type),
            "label": item.label,
            "hint": item.hint or {},
            "unit": item.unit,
            "units": [{"unit": u.unit, "factor": str(u.factor), "offset": str(u.offset)} for u in item.units],
            "decimals": item.decimals,
            "range": None
            if limits is None
            else {
                name: None if getattr(limits, name) is None else str(getattr(limits, name))
                for name in ("min", "max", "soft_min", "soft_max")
            },
            "required": item.required,
            "missing": [] if item.is_derived else [str(code) for code in item.missing],
            "codes": [{"code": code.code, "label": code.label} for code in codelist.codes] if codelist else [],
            "link": item.link,
            "dictionary": item.dictionary,
            "grade_of": item.grade_of,
            "shown_when": item.shown_when,
            "derived": item.derived,
            "answered_by": [str(role) for role in item.answered_by],
        }

    def _visit(self, visit: VisitDefinition) -> dict[str, Any]:
        return {
            "id": visit.id,
            "label": visit.label,
            "phase": str(visit.phase),
            "anchor": visit.anchor,
            "days": visit.offset.days,
            "weeks": visit.offset.weeks,
            "months": visit.offset.months,
            "window_before": visit.window.before,
            "window_after": visit.window.after,
            "on_demand": visit.on_demand,
            "forms": [
                form
                for form in visit.forms
                if self.tells_arms or not self.definition.reveals_arm(form, visit_id=visit.id)
            ],
        }
