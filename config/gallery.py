"""What the gallery of components shows: plain words, no database, no person of any trial."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.paginator import Paginator

Words = dict[str, Any]

_SPRITE = Path(__file__).resolve().parent.parent / "static" / "img" / "icons.svg"

STATES: dict[str, tuple[str, ...]] = {
    "Entry": ("expected", "in_progress", "complete", "not_done", "not_applicable"),
    "Marks": ("verified", "partly_verified", "to_verify", "reviewed", "signed", "signed_changed", "frozen", "locked"),
    "Visits": ("planned", "due", "overdue", "done", "missed", "unscheduled"),
    "Queries": ("open", "answered", "closed", "reopened", "cancelled"),
    "Participants": (
        "screening",
        "screen_failure",
        "enrolled",
        "randomized",
        "registered",
        "treatment_ended",
        "progressed",
        "survival",
        "withdrawn",
        "lost",
        "died",
        "completed",
    ),
    "Criteria, checks": ("met", "not_met", "unknown", "ready", "hard", "soft", "justified", "resolved"),
    "Tasks, reminders": ("queued", "running", "failed", "owed", "sent"),
}


def gallery_data() -> Words:
    """Everything that `templates/gallery.html` needs, the same at every call but for the two clocks."""
    return {
        "states": [{"label": label, "states": states} for label, states in STATES.items()],
        "icons": icon_names(),
        "tones": ["rest", "ok", "warn", "danger", "info", "seal", "accent"],
        "tabs": [
            {"label": "Casebook", "url": "#tabs", "current": True},
            {"label": "Adverse events", "url": "#tabs", "count": 3},
            {"label": "Queries", "url": "#tabs", "count": 2, "tone": "warn"},
            {"label": "Audit trail", "url": "#tabs"},
        ],
        "crumbs": [
            {"label": "Participants", "url": "#crumbs"},
            {"label": "07-003", "url": "#crumbs"},
            {"label": "Month 3"},
        ],
        "steps": [
            {"label": "Consent", "step": "done", "url": "#steps"},
            {"label": "Baseline", "step": "done", "url": "#steps"},
            {"label": "Eligibility", "step": "current"},
            {"label": "Signature", "step": "blocked"},
            {"label": "Randomization", "step": ""},
        ],
        "facts": [
            {"label": "Code", "value": "07-003"},
            {"label": "Status", "value": "", "state": "randomized"},
            {"label": "Born", "value": "March 1961", "note": "65 years at screening"},
            {"label": "Site", "value": "07 – Caen", "url": "#facts"},
            {"label": "Consent", "value": "2 Sep 2026", "note": "version 1.0"},
            {"label": "Lesions treated", "value": 0},
            {"label": "Progressed", "value": None},
        ],
        "stats": [
            {"label": "Randomized", "value": "95", "of": "114", "note": "3 this month", "icon": "randomize"},
            {"label": "In screening", "value": "6", "note": "2 ready to randomize", "icon": "search", "url": "#stats"},
            {"label": "Visits overdue", "value": "11", "icon": "state-overdue", "tone": "warn", "url": "#stats"},
            {"label": "Open queries", "value": "0", "icon": "query"},
        ],
        "timeline": [
            {"title": "Consent signed", "date": "2 Sep 2026", "by": "Inès Martin", "state": "done"},
            {"title": "Randomized", "date": "14 Sep 2026", "state": "randomized", "text": "Stratum: 2 of 8"},
            {"title": "Grade 3 fatigue", "date": "3 Oct 2026", "icon": "pulse", "tone": "danger", "url": "#timeline"},
            {"title": "Month 3", "date": "14 Dec 2026", "state": "planned"},
        ],
        "filters": [
            {
                "label": "State",
                "options": [
                    {"label": "All", "url": "#filters", "current": False, "count": 128},
                    {"label": "Open", "url": "#filters", "current": True, "count": 14},
                    {"label": "Answered", "url": "#filters", "current": False, "count": 0},
                ],
            },
            {
                "label": "Age",
                "options": [
                    {"label": "7 days and more", "url": "#filters", "count": 9},
                    {"label": "30 days and more", "url": "#filters", "count": 2},
                ],
            },
        ],
        "table": _table(),
        "page": Paginator(range(420), 25).page(4),
        "trail": _trail(),
        "thread": _thread(),
        "clocks": _clocks(),
        "casebook": _casebook(),
        "groups": [_vitals(), _laboratory(), _lesions()],
        "actions": [
            {"label": "Save, not finished yet", "name": "state", "value": "in_progress"},
            {"label": "Save as complete", "name": "state", "value": "complete", "primary": True, "default": True},
        ],
        "errors": [
            {"text": "Hemoglobin: “12,,4” is not a number.", "target": "f-hgb"},
            {"text": "Sampled on: the date lies in the future.", "target": "f-sampled_on"},
        ],
    }


def icon_names() -> list[str]:
    """The icons of the sprite in its order, without the states."""
    names = re.findall(r'<symbol id="([a-z_-]+)"', _SPRITE.read_text(encoding="utf-8"))
    return [name for name in names if not name.startswith("state-")]


def _table() -> Words:
    def row(code: str, site: str, state: str, visit: str, queries: int) -> Words:
        cells: list[Words] = [
            {"text": code},
            {"text": site},
            {"state": state},
            {"text": visit, "nowrap": True},
            {"badge": queries, "tone": "warn", "text": "open queries"} if queries else {"text": "0"},
        ]
        return {"url": "#table", "cells": cells}

    return {
        "columns": [
            {"label": "Code", "url": "#table", "sorted": "ascending"},
            {"label": "Site", "url": "#table"},
            {"label": "Status"},
            {"label": "Next visit", "url": "#table"},
            {"label": "Queries", "align": "end"},
        ],
        "rows": [
            row("07-001", "Caen", "randomized", "Month 6 · 12 Dec 2026", 2),
            row("07-002", "Caen", "progressed", "Survival · 4 Jan 2027", 0),
            row("07-003", "Caen", "screening", "–", 0),
            row("11-004", "Lyon", "screen_failure", "–", 0),
            row("11-005", "Lyon", "died", "–", 1),
        ],
    }


def _trail() -> list[Words]:
    return [
        {
            "when": "14 Nov 2026, 10:12",
            "by": "Chloé Bernard",
            "role": "Site coordinator",
            "initials": "CB",
            "old": "9,4 g/dL",
            "new": "12,4 g/dL",
            "reason": "Typing error",
            "kind": "Changed",
            "note": "version 1",
        },
        {
            "when": "12 Nov 2026, 16:40",
            "by": "Chloé Bernard",
            "role": "Site coordinator",
            "initials": "CB",
            "old": "",
            "new": "9,4 g/dL",
            "kind": "Entered",
        },
    ]


def _thread() -> list[Words]:
    return [
        {
            "by": "Mona Petit",
            "role": "Monitor",
            "initials": "MP",
            "when": "12 Nov 2026, 17:05",
            "event": "asked",
            "text": "Please confirm 9,4 g/dL: the month before it was 12,1.",
        },
        {
            "by": "Chloé Bernard",
            "role": "Site coordinator",
            "initials": "CB",
            "when": "14 Nov 2026, 10:13",
            "event": "answered",
            "text": "Typing error, corrected to 12,4.",
        },
        {
            "by": "Mona Petit",
            "role": "Monitor",
            "initials": "MP",
            "when": "15 Nov 2026, 09:00",
            "event": "closed the query",
        },
    ]


def _clocks() -> list[Words]:
    now = datetime.now(tz=UTC)
    return [
        {
            "due": now + timedelta(hours=17, minutes=5),
            "now": now,
            "remaining": "17:05:00",
            "label": "Notify the sponsor",
        },
        {
            "due": now + timedelta(hours=2, minutes=9),
            "now": now,
            "remaining": "02:09:00",
            "label": "Notify the sponsor",
        },
        {
            "due": now - timedelta(hours=3, minutes=20),
            "now": now,
            "remaining": "03:20:00",
            "late": True,
            "label": "Notify the sponsor",
        },
        {"stopped": "Notified after 3 h 10", "label": "Notify the sponsor", "due": now, "now": now},
    ]


def _casebook() -> Words:
    visits: list[Words] = [
        {"label": "Screening", "date": "2 Sep 2026", "state": "done", "url": "#casebook"},
        {"label": "Month 3", "date": "14 Dec 2026", "state": "due", "url": "#casebook", "current": True},
        {"label": "Month 6", "date": "14 Mar 2027", "state": "planned", "url": "#casebook"},
        {"label": "Month 9", "date": "14 Jun 2027", "state": "missed", "url": "#casebook"},
        {"label": "Month 12", "date": "14 Sep 2027", "state": "overdue", "url": "#casebook"},
    ]

    def cells(form: str, *states: str | tuple[str, list[str], int]) -> list[Words]:
        made: list[Words] = []
        for visit, state in zip(visits, states, strict=True):
            word, marks, queries = (state, [], 0) if isinstance(state, str) else state
            if not word:
                made.append({})
                continue
            parts = [word.replace("_", " "), *(mark.replace("_", " ") for mark in marks)]
            if queries:
                parts.append(f"{queries} open queries")
            label = f"{form}, {visit['label']}: {', '.join(parts)}"
            made.append({"url": "#casebook", "state": word, "label": label, "marks": marks, "queries": queries})
        return made

    signed: tuple[str, list[str], int] = ("complete", ["verified", "signed"], 0)
    sections: list[Words] = [
        {
            "label": "Baseline",
            "rows": [
                {"label": "Consent", "cells": cells("Consent", signed, "", "", "", "")},
                {
                    "label": "Demographics",
                    "cells": cells("Demographics", ("complete", ["signed_changed"], 1), "", "", "", ""),
                },
            ],
        },
        {
            "label": "Each visit",
            "rows": [
                {
                    "label": "Performance status and vitals",
                    "cells": cells(
                        "Vitals",
                        ("complete", ["verified", "locked"], 0),
                        ("in_progress", [], 2),
                        "expected",
                        "not_done",
                        "expected",
                    ),
                },
                {
                    "label": "Laboratory",
                    "cells": cells(
                        "Laboratory",
                        ("complete", ["frozen"], 0),
                        "complete",
                        "expected",
                        "not_done",
                        "not_applicable",
                    ),
                },
            ],
        },
    ]
    sections[0]["rows"][0]["cells"][0]["start"] = True
    return {"label": "Casebook of 07-003", "visits": visits, "sections": sections}


def _item(name: str, kind: str, label: str, **more: Any) -> Words:
    item: Words = {"name": name, "id": f"f-{name}", "item": name.rsplit(".", 1)[-1], "type": kind, "label": label}
    item.update({"query_url": "#", "trail_url": "#", "note_url": "#"})
    item.update(more)
    return item


def _choices(*labels: str, chosen: str = "") -> list[Words]:
    return [{"value": label.lower(), "label": label, "selected": label == chosen} for label in labels]


def _codes(chosen: str = "") -> list[Words]:
    codes = (("ND", "Not done"), ("UNK", "Unknown"), ("NA", "Not applicable"))
    return [{"value": code, "label": label, "selected": code == chosen} for code, label in codes]


def _vitals() -> Words:
    return {
        "name": "vitals",
        "title": "Performance status and vitals",
        "note": "At the visit, before treatment",
        "fields": [
            _item(
                "measured_on",
                "date",
                "Date",
                required=True,
                value="14/12/2026",
                display="Mon 14 December 2026",
                state="verified",
                state_label="Verified at source",
            ),
            _item("measured", "yesno", "Was it measured?", required=True, options=_choices("Yes", "No", chosen="Yes")),
            _item(
                "ecog",
                "choice",
                "ECOG performance status",
                required=True,
                options=_choices("0", "1", "2", "3", chosen="1"),
                hint="Within 7 days",
                missing_codes=_codes(),
            ),
            _item(
                "weight",
                "decimal",
                "Weight",
                unit="kg",
                value="81,5",
                missing_codes=_codes(),
                previous="92 kg on 2 Sep 2026",
                queries=1,
                findings=[
                    {
                        "severity": "soft",
                        "message": "11 % less than at screening.",
                        "answer_name": "confirm__weight_loss",
                        "answer": "",
                    }
                ],
            ),
            _item("height", "decimal", "Height", unit="cm", value="", missing_codes=_codes("ND"), missing="ND"),
            _item("bmi", "decimal", "Body mass index", derived=True, unit="kg/m²", display=""),
            _item("bsa", "decimal", "Body surface", derived=True, unit="m²", display="1.98"),
            _item("started_on", "partial_date", "Symptoms since", value="UN/03/2026", display="March 2026", notes=1),
            _item("taken_at", "time", "Time of measure", value="14:05"),
            _item("aware_at", "datetime", "Aware on", value="14/12/2026 09:30", display="Mon 14 December 2026"),
            _item(
                "pain",
                "vas",
                "Pain today",
                value="",
                min_label="no pain",
                max_label="worst pain",
                missing_codes=_codes(),
            ),
            _item(
                "symptoms",
                "choices",
                "Symptoms",
                options=_choices("Fatigue", "Pain", "Cough", "Weight loss", chosen="Pain"),
                layout="wide",
            ),
            _item("comment", "longtext", "Comment", value="", max_length=500),
        ],
    }


def _laboratory() -> Words:
    units = [{"value": "g/dL", "label": "g/dL", "selected": True}, {"value": "g/L", "label": "g/L"}]
    return {
        "name": "laboratory",
        "title": "Laboratory",
        "fields": [
            _item(
                "hgb",
                "decimal",
                "Hemoglobin",
                required=True,
                units=units,
                value="12,,4",
                reference="13–17 g/dL",
                flag="low",
                flag_label="Below",
                missing_codes=_codes(),
                errors=["“12,,4” is not a number. Write 12,4 or 12.4."],
            ),
            _item(
                "calcium",
                "decimal",
                "Corrected calcium",
                unit="mmol/L",
                value="9",
                findings=[{"severity": "hard", "message": "No laboratory reports more than 5 mmol/L."}],
            ),
            _item(
                "response",
                "choice",
                "Response",
                layout="radio",
                options=[
                    {"value": "cr", "label": "Complete response", "hint": "All lesions gone"},
                    {"value": "pr", "label": "Partial response", "selected": True},
                    {"value": "sd", "label": "Stable disease"},
                    {"value": "pd", "label": "Progression"},
                ],
            ),
            _item("lesion", "link", "Lesion", options=[{"value": "1", "label": "T1 – lung, right upper lobe"}]),
            _item("term", "text", "Read-only text", readonly=True, display="Taken from screening"),
            _item("later", "text", "Reason", unknown=True, value=""),
        ],
    }


def _lesions() -> Words:
    def row(row_id: str, number: int | str, location: str, size: str, change: str) -> Words:
        def name(item: str) -> str:
            return f"lesions.{row_id}.{item}"

        return {
            "id": row_id,
            "number": number,
            "trail_url": "" if row_id == "__ROW__" else "#",
            "fields": [
                _item(name("location"), "text", "Location", value=location),
                _item(
                    name("change"), "choice", "Change", options=_choices("New", "Progressing", "Stable", chosen=change)
                ),
                _item(name("size"), "decimal", "Size", value=size, missing_codes=_codes()),
                _item(name("ratio"), "decimal", "Ratio", derived=True, display="1.32" if size else ""),
            ],
        }

    return {
        "name": "lesions",
        "title": "Lesions",
        "note": "One row per lesion",
        "repeating": True,
        "max_rows": 5,
        "columns": [
            {"label": "Location", "required": True},
            {"label": "Change", "required": True},
            {"label": "Size", "unit": "mm"},
            {"label": "Ratio"},
        ],
        "rows": [
            row("r1", 1, "Lung, right upper lobe", "24", "Progressing"),
            row("r2", 2, "Adrenal, left", "31", "New"),
        ],
        "blank": row("__ROW__", "", "", "", ""),
    }
