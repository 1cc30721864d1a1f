"""What simulated people say to the forms after randomization. Pure: every date and number is an argument.

Doses and wordings are domain knowledge, for the simulation only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from .patients import NEXT_CLASS, Patient
from .toxicities import Event

Said = dict[str, Any]

DRUGS: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "NIVO_IPI": (("NIVOLUMAB", "ICI", "480", "Q4W"),),
    "PEMBRO_AXI": (("PEMBROLIZUMAB", "ICI", "400", "Q6W"), ("AXITINIB", "TKI", "5", "BID")),
    "NIVO_CABO": (("NIVOLUMAB", "ICI", "480", "Q4W"), ("CABOZANTINIB", "TKI", "40", "QD")),
    "NIVO": (("NIVOLUMAB", "ICI", "480", "Q4W"),),
    "SUNI": (("SUNITINIB", "TKI", "50", "D4ON2OFF"),),
    "PAZO": (("PAZOPANIB", "TKI", "800", "QD"),),
    "CABO": (("CABOZANTINIB", "TKI", "60", "QD"),),
    "AXI": (("AXITINIB", "TKI", "5", "BID"),),
    "LENVA_EVERO": (("LENVATINIB", "TKI", "18", "QD"), ("EVEROLIMUS", "MTOR", "5", "QD")),
    "BELZU": (("BELZUTIFAN", "HIF2A", "120", "QD"),),
}
"""Regimen → its drugs: name, class, dose in mg, schedule."""

SCHEMES = ((3, "15"), (5, "8"), (3, "12"), (5, "7"), (1, "20"))
"""SRT in 1 to 5 fractions [FACTS 1.4: GR]: fractions, dose of each in Gy; BED10 between 60 and 113 Gy."""


@dataclass
class Given:
    """One drug of one participant: its log entry's number and what the entry says."""

    name: str
    drug_class: str
    role: str
    said: Said
    number: int = 0


@dataclass
class Course:
    """The SRT of one lesion: its log entry's number, scheme and days of its fractions."""

    lesion: int
    fractions: int
    dose: str
    days: list[dt.date]
    number: int = 0


@dataclass
class Disease:
    """The lesions of one participant over time: present diameters, and what was measured before."""

    diameters: dict[int, int]  # entry of the lesion log → diameter at baseline, mm; targets only
    non_targets: dict[int, str]  # entry → organ
    organs: dict[int, str]
    depth: float  # the smallest sum, as a share of the baseline's
    grows: bool  # progression by growth; by a new lesion otherwise
    nadir: int = 0
    baseline: int = 0
    last: dict[int, int] = field(default_factory=dict)
    new_lesions: dict[int, tuple[str, int]] = field(default_factory=dict)  # entry → organ, diameter


def targeted(given: Sequence[Given]) -> bool:
    """Whether a drug is held around SRT: everything but checkpoint inhibitors."""
    return any(drug.drug_class != "ICI" for drug in given)


def class_at_srt(given: Sequence[Given]) -> str:
    """The answer of the SRT forms about the systemic treatment at SRT."""
    has_ici = any(drug.drug_class == "ICI" for drug in given)
    return "BOTH" if has_ici and targeted(given) else "ICI" if has_ici else "TARGETED"


def drugs(regimen: str, role: str, started_on: dt.date) -> list[Given]:
    """The drugs of a regimen as entries of the systemic treatment log."""
    return [
        Given(
            name,
            drug_class,
            role,
            {
                "drug": name,
                "drug_class": drug_class,
                "role": role,
                "dose": dose,
                "schedule": schedule,
                "drug_start_on": started_on,
                "drug_ongoing": True,
                "changes": [],
            },
        )
        for name, drug_class, dose, schedule in DRUGS[regimen]
    ]


def stopped(said: Said, on: dt.date, why: str) -> Said:
    """A drug's entry once the drug is stopped."""
    return said | {"drug_ongoing": False, "drug_stop_on": on, "drug_stop_reason": why}


def fraction_days(first: dt.date, fractions: int) -> list[dt.date]:
    """Days of the fractions: every second day [FACTS 1.4], never on a weekend."""
    days, day = [], first
    for _ in range(fractions):
        while day.weekday() > 4:
            day += dt.timedelta(days=1)
        days.append(day)
        day += dt.timedelta(days=2)
    return days


def srt_planning(on: dt.date, first: dt.date, lesions: int, given: Sequence[Given]) -> Said:
    """The SRT planning form of a participant who is going to be treated."""
    said: Said = {
        "planned_on": on,
        "srt_planned": True,
        "planning_ct_on": on,
        "planning_imaging": ("CT",),
        "lesions_planned": lesions,
        "first_fraction_planned_on": first,
        "planned_class": class_at_srt(given),
    }
    return said | ({"hold_planned_on": first - dt.timedelta(days=8)} if targeted(given) else {})


def srt_course(course: Course, diameter: int, given: Sequence[Given], rng: Random) -> Said:
    """One course of SRT, as the radiation oncologist reports it after the last fraction."""
    total = course.fractions * float(course.dose)
    volume = 0.52 * (diameter / 10) ** 3
    said: Said = {
        "lesion": str(course.lesion),
        "fractions": course.fractions,
        "dose_per_fraction": course.dose,
        "isodose": "80",
        "plan_approved_on": course.days[0] - dt.timedelta(days=rng.randrange(2, 6)),
        "technique": rng.choice(("VMAT", "VMAT", "ROBOTIC", "MR_LINAC")),
        "fff": rng.random() < 0.6,
        "motion": (rng.choice(("ITV", "GATING", "TRACKING")),),
        "igrt": ("CBCT",),
        "gtv_cc": f"{volume:.2f}",
        "ptv_cc": f"{volume * 2.1 + 2:.2f}",
        "margin_mm": "5",
        "ptv_d95": f"{total * rng.uniform(0.95, 1.0):.2f}",
        "ptv_d2": f"{total * rng.uniform(1.12, 1.24):.2f}",
        "ptv_v100": f"{rng.uniform(94, 99):.1f}",
        "organs_at_risk": [
            {"oar": "RIB", "metric": "DMAX", "oar_dose": f"{rng.uniform(12, 26):.1f}"},
            {"oar": "SPINAL_CORD", "metric": "DMAX", "oar_dose": f"{rng.uniform(3, 11):.1f}"},
        ],
        "first_fraction_on": course.days[0],
        "last_fraction_on": course.days[-1],
        "fractions_delivered": course.fractions,
        "class_at_srt": class_at_srt(given),
    }
    if targeted(given):
        said["targeted_last_dose_on"] = course.days[0] - dt.timedelta(days=8)
        said["targeted_restarted"] = True
        said["targeted_restart_on"] = course.days[-1] + dt.timedelta(days=9)
    return said


def srt_fractions(course: Course, rng: Random) -> Said:
    """The fractions of one course, one row each."""
    return {
        "course": str(course.number),
        "fraction_rows": [
            {
                "fraction_number": number,
                "fraction_on": day,
                "delivered": True,
                "fraction_dose": course.dose,
                "fraction_igrt": True,
                "shift_mm": f"{rng.uniform(0.4, 4):.1f}",
            }
            for number, day in enumerate(course.days, start=1)
        ],
    }


def new_line_start(patient: Patient, on: dt.date, started_on: dt.date, regimen: str) -> Said:
    """The start of the allocated new line."""
    said: Said = {
        "recorded_on": on,
        "line_started": True,
        "new_regimen": regimen,
        "new_class": NEXT_CLASS[regimen],
        "new_line_on": started_on,
        "previous_stopped_on": started_on - dt.timedelta(days=7),
    }
    if regimen != patient.next_line:
        said["change_reason"] = "The tumour board preferred another drug after cardiology advice."
    return said


def adverse_event(event: Event, on: dt.date, given: Sequence[Given], *, in_srt_arm: bool, had_srt: bool) -> Said:
    """An adverse event as known on a day: over when its end has come by then."""
    ended = event.end_on is not None and event.end_on <= on
    causes, grade = event.toxicity.causes, event.grade
    by_srt = "SRT" in causes and had_srt
    blamed = "INTERRUPTED" if grade >= 3 else "NONE"
    said: Said = {
        "term": event.toxicity.code,
        "verbatim": event.toxicity.words,
        "grade": grade,
        "start_on": event.start_on,
        "ongoing": not ended,
        "serious": event.serious,
        "relation_srt": "RELATED" if by_srt else "NOT_RELATED" if had_srt else "NOT_RECEIVED",
        "action_srt": "NONE" if had_srt else "NOT_APPLICABLE",
        "drugs": [
            {
                "drug": str(drug.number),
                "relation_drug": "RELATED" if drug.drug_class in causes else "NOT_RELATED",
                "action_drug": blamed if drug.drug_class in causes else "NONE",
            }
            for drug in given
            if drug.number
        ],
        "treatment_given": grade >= 2,
        "outcome": "RECOVERED" if ended else ("RECOVERING" if grade < 3 else "NOT_RECOVERED"),
    }
    if ended:
        said["end_on"] = event.end_on
    if grade >= 2:
        said["treatments"] = ("CORTICOSTEROID",) if "ICI" in causes and grade >= 3 else ("DRUG",)
    return said


def serious_event(event: Event, aware_at: dt.datetime, *, in_srt_arm: bool, had_srt: bool) -> Said:
    """The serious event form, as sent within the first day."""
    admitted = event.start_on + dt.timedelta(days=1)
    return {
        "event": str(event.number),
        "report_type": "INITIAL",
        "aware_at": aware_at,
        "serious_on": min(admitted, aware_at.date()),
        "criteria": ("HOSP",),
        "admitted_on": min(admitted, aware_at.date()),
        "prolonged": False,
        "still_in_hospital": True,
        "narrative": (
            f"{event.toxicity.words}. First signs some days before admission through the emergency department; "
            "treatment started on the day of admission, with improvement. The participant remains under observation."
        ),
        "sae_relation_srt": (
            "RELATED" if had_srt and "SRT" in event.toxicity.causes else "NOT_RELATED" if had_srt else "NOT_RECEIVED"
        ),
        "sae_relation_procedure": "NOT_RELATED",
        "sae_action_srt": "NONE" if had_srt else "NOT_APPLICABLE",
        "suspects": [],
        "sae_outcome": "RECOVERING",
    }


def assessment(disease: Disease, on: dt.date, share: float, rng: Random, *, progressing: bool) -> Said:
    """A tumour assessment; `share` is how much of the way to progression is behind (1 at progression).

    The sum of diameters falls to `depth` half way and then grows; it reaches progression (RECIST 1.1: 20 % and 5 mm
    over the smallest sum) only when `progressing` by growth.
    """
    factor = 1 - (1 - disease.depth) * share * 2 if share < 0.5 else disease.depth * (1 + 0.16 * (share - 0.5) * 2)
    sizes = {n: max(5, round(base * factor * rng.uniform(0.97, 1.03))) for n, base in disease.diameters.items()}
    limit = max(round(disease.nadir * 1.2 + 0.499), disease.nadir + 5)
    by_growth = progressing and disease.grows
    total = sum(sizes.values())
    if not by_growth and total >= limit:
        sizes = dict(disease.last)
    elif by_growth and total < limit + 2:
        largest = max(sizes, key=lambda n: (sizes[n], n))
        sizes[largest] += limit + 2 - total
    total = sum(sizes.values())
    target = "PD" if by_growth else "PR" if total <= 0.7 * disease.baseline else "SD"
    rows: list[Said] = []
    for number, size in sizes.items():
        state = "TOO_SMALL" if size == 5 else "PRESENT"
        rows.append(_lesion_row(number, "TARGET", disease.organs[number], state, size))
    for number, organ in disease.non_targets.items():
        rows.append(_lesion_row(number, "NON_TARGET", organ, "UNCHANGED", None))
    for number, (organ, size) in disease.new_lesions.items():
        rows.append(_lesion_row(number, "NEW", organ, "PRESENT", size))
    said: Said = {
        "imaging_on": on,
        "method": "CT",
        "thorax_abdomen_pelvis": True,
        "brain_imaging": rng.random() < 0.3,
        "lesions": rows,
        "new_lesions": "YES" if disease.new_lesions else "NONE",
        "target_response": target,
        "overall_response": "PD" if by_growth or disease.new_lesions else target,
        "read_by_radiologist": True,
    }
    if disease.non_targets:
        said["non_target_response"] = "NON_CR_NON_PD"
    disease.last = sizes
    disease.nadir = min(disease.nadir, total)
    return said


def _lesion_row(number: int, category: str, organ: str, state: str, size: int | None) -> Said:
    row: Said = {"lesion": str(number), "category": category, "organ": organ, "state": state}
    return row if size is None else row | {"diameter": size}


def progression(on: dt.date, disease: Disease, rng: Random, *, decision: str) -> Said:
    """The progression form; the lesion named is the new one, or the largest."""
    if disease.new_lesions:
        event = {"event_type": "NEW_LESION", "event_on": on, "event_lesion": str(max(disease.new_lesions))}
    else:
        largest = max(disease.last or disease.diameters, key=lambda n: ((disease.last or disease.diameters)[n], n))
        event = {
            "event_type": "LOCAL" if rng.random() < 0.3 else "OTHER_LESION",
            "event_on": on,
            "event_lesion": str(largest),
        }
    return {
        "progressed_on": on,
        "basis": "RECIST",
        "still_oligo": rng.random() < 0.45,
        "events": [event],
        "decision": (decision,),
        "treatment_stopped": decision == "NEW_LINE",
    }


def subsequent_line(patient: Patient, on: dt.date, taken: Mapping[str, Any], rng: Random) -> Said:
    """The first line after the allocated strategy."""
    regimen = rng.choice([name for name in NEXT_CLASS if name not in taken])
    return {
        "line_regimen": regimen,
        "line_class": NEXT_CLASS[regimen],
        "line_start_on": on,
        "start_reason": "PD",
        "line_ongoing": True,
    }


def survival(on: dt.date, *, has_line: bool, rng: Random) -> Said:
    """A survival contact of a living participant."""
    return {
        "contact_on": on,
        "vital_status": "ALIVE",
        "last_alive_on": on,
        "status_source": rng.choice(("VISIT", "VISIT", "PHONE", "PHYSICIAN")),
        "new_line_since": has_line,
        "local_since": False,
        "late_toxicity": False,
    }
