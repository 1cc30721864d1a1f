"""A simulated person of GETUG-StORM-01: disease, drugs, measurements, and what they say to each baseline form.

Frequencies follow FACTS where it gives them; the rest is domain knowledge and stands here only for the simulation.
Nothing of this is used for real participants.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from random import Random
from typing import Any

REGIMENS: tuple[tuple[str, str, float], ...] = (
    ("NIVO_IPI", "ICI_ICI", 0.18),
    ("PEMBRO_AXI", "ICI_TKI", 0.20),
    ("NIVO_CABO", "ICI_TKI", 0.14),
    ("NIVO", "ICI", 0.18),
    ("SUNI", "TKI", 0.10),
    ("PAZO", "TKI", 0.08),
    ("CABO", "TKI", 0.12),
)
"""Ongoing regimen, its class, and how often: about two thirds contain a checkpoint inhibitor."""

NEXT_LINES = ("CABO", "LENVA_EVERO", "AXI", "NIVO", "BELZU")
NEXT_CLASS = {"CABO": "TKI", "LENVA_EVERO": "TKI_MTOR", "AXI": "TKI", "NIVO": "ICI", "BELZU": "HIF2A"}
ORGANS = (("LUNG", 0.38), ("LYMPH_NODE", 0.2), ("ADRENAL", 0.14), ("LIVER", 0.1), ("BONE", 0.12), ("PANCREAS", 0.06))
PAIRED = {"LUNG", "ADRENAL", "KIDNEY", "RENAL_BED", "PLEURA"}
PLACES = {
    "LUNG": "Lower lobe",
    "LYMPH_NODE": "Mediastinal node",
    "ADRENAL": "Adrenal gland",
    "LIVER": "Segment VI",
    "BONE": "Iliac wing, soft-tissue component",
    "PANCREAS": "Tail of the pancreas",
}


@dataclass
class Lesion:
    """One lesion for life: where, how large on the two CT scans (mm), and whether it progresses."""

    number: str
    organ: str
    side: str
    place: str
    first_mm: int
    second_mm: int
    progressing: bool
    is_new: bool


@dataclass
class Patient:
    """Everything about one simulated person that forms ask for; made once, then asked at each visit."""

    sex: str
    birth_year: int
    birth_month: int
    height: int
    weight: float
    kps: int
    regimen: str
    regimen_class: str
    line_number: int
    diagnosed_on: dt.date
    started_on: dt.date
    nephrectomy: str
    intermediate: bool
    lesions: list[Lesion]
    next_line: str
    creatinine: int
    labs_shift: dict[str, float] = field(default_factory=dict)

    @property
    def contains_ici(self) -> bool:
        return self.regimen_class.startswith("ICI")


def draw_patient(rng: Random, screened_on: dt.date) -> Patient:
    """Draw a person who fits the trial: 1 to 3 progressing lesions in at most 2 organs, favourable or intermediate."""
    sex = "M" if rng.random() < 0.72 else "F"
    regimen, regimen_class = _pick(rng, [((r, c), w) for r, c, w in REGIMENS])
    months = rng.randrange(7, 34)
    line = 1 if rng.random() < 0.6 else 2
    started_on = screened_on - dt.timedelta(days=30 * months)
    before = rng.randrange(13, 60) if rng.random() < 0.6 else rng.randrange(2, 11)
    diagnosed_on = started_on - dt.timedelta(days=30 * (before + (12 if line == 2 else 0)))
    intermediate = rng.random() < 0.6
    organ_one = _pick(rng, list(ORGANS))
    organ_two = _pick(rng, list(ORGANS))
    count = 1 if rng.random() < 0.55 else rng.choice((2, 2, 3))
    lesions = []
    for number in range(1, count + 1):
        organ = organ_one if number < 3 else organ_two
        is_new = number > 1 and rng.random() < 0.4
        second = rng.randrange(17, 37)
        lesions.append(
            Lesion(
                number=f"T{number}",
                organ=organ,
                side=rng.choice(("LEFT", "RIGHT")) if organ in PAIRED else "NOT_PAIRED",
                place=PLACES[organ],
                first_mm=0 if is_new else second - rng.randrange(4, 11),
                second_mm=second,
                progressing=True,
                is_new=is_new,
            )
        )
    return Patient(
        sex=sex,
        birth_year=screened_on.year - min(82, max(38, int(rng.gauss(64, 9)))),
        birth_month=rng.randrange(1, 13),
        height=int(rng.gauss(175 if sex == "M" else 163, 6)),
        weight=round(min(115.0, max(52.0, rng.gauss(81 if sex == "M" else 67, 10))), 1),
        kps=90 if rng.random() < 0.6 else (100 if rng.random() < 0.5 else 80),
        regimen=regimen,
        regimen_class=regimen_class,
        line_number=line,
        diagnosed_on=diagnosed_on,
        started_on=started_on,
        nephrectomy="RADICAL" if rng.random() < 0.75 else "PARTIAL",
        intermediate=intermediate,
        lesions=lesions,
        next_line=rng.choice([n for n in NEXT_LINES if n != regimen]),
        creatinine=rng.randrange(78, 128),
        labs_shift={"hgb": -1.6 if intermediate else 0.0},
    )


def first_line_on(patient: Patient) -> dt.date:
    """The start of the first systemic line: this one, or one about a year earlier."""
    return patient.started_on if patient.line_number == 1 else patient.started_on - dt.timedelta(days=330)


def baseline(patient: Patient, form: str, *, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    """Return what the person says to a baseline form (see `simulation.filler.Said`)."""
    maker = _BASELINE.get(form)
    return maker(patient, on, consented_on, rng) if maker is not None else {}


def lesion_entry(patient: Patient, lesion: Lesion, *, on: dt.date) -> dict[str, Any]:
    """Return what the lesion log says of one lesion."""
    seen = on if lesion.is_new else patient.started_on
    said: dict[str, Any] = {"bone_type": "LYTIC_SOFT"} if lesion.organ == "BONE" else {}
    return said | {
        "lesion_number": lesion.number,
        "category": "TARGET",
        "organ": lesion.organ,
        "laterality": lesion.side,
        "description": lesion.place,
        "first_seen_on": seen.strftime("%m/%Y"),
        "first_seen_method": "CT",
        "irradiated_before": False,
    }


def _consent(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    return {
        "informed_on": consented_on - dt.timedelta(days=rng.randrange(1, 8)),
        "consented": True,
        "signed_on": consented_on,
        "document_version": "1.0",
        "informed_by": "INV",
        "physician_signed_on": consented_on,
        "copy_given": True,
        "consents_data_reuse": rng.random() < 0.9,
        "consents_images": rng.random() < 0.85,
        "consents_samples": rng.random() < 0.7,
        "informs_gp": True,
    }


def _demographics(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    return {"sex": p.sex, "birth_month": p.birth_month, "birth_year": p.birth_year}


def _medical_history(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    known = [c for c in ("Arterial hypertension", "Type 2 diabetes", "Hypothyroidism") if rng.random() < 0.45]
    return {
        "recorded_on": on,
        "any_history": bool(known),
        "autoimmune": False,
        "tobacco": rng.random() < 0.4,
        "conditions": [
            {"condition": name, "onset_on": str(p.diagnosed_on.year - rng.randrange(1, 12)), "condition_ongoing": True,
             "condition_treated": True}
            for name in known
        ],
    }  # fmt: skip


def _rcc_history(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    first = first_line_on(p)
    return {
        "recorded_on": on,
        "diagnosed_on": p.diagnosed_on.strftime("%d/%m/%Y"),
        "histology": "CLEAR",
        "histology_proven": True,
        "sarcomatoid": rng.random() < 0.08,
        "nuclear_grade": rng.choice(("G2", "G3", "G3", "G4")),
        "nephrectomy": p.nephrectomy,
        "nephrectomy_on": (p.diagnosed_on + dt.timedelta(days=21)).strftime("%m/%Y"),
        "solitary_kidney": p.nephrectomy == "RADICAL",
        "metastatic_on": (first - dt.timedelta(days=25)).strftime("%d/%m/%Y")
        if first - dt.timedelta(days=25) > p.diagnosed_on
        else p.diagnosed_on.strftime("%d/%m/%Y"),
        "first_line_on": first.strftime("%d/%m/%Y"),
        "imdc_first_line": "INT" if p.intermediate else "FAV",
        "brain_metastases": False,
    }


def _prior_systemic(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    prior = p.line_number == 2
    first = first_line_on(p)
    return {
        "recorded_on": on,
        "any_prior_line": prior,
        "adjuvant": False,
        "prior_lines": [
            {
                "line_regimen": "SUNI" if p.regimen != "SUNI" else "PAZO",
                "line_class": "TKI",
                "line_start_on": first.strftime("%d/%m/%Y"),
                "line_stop_on": (p.started_on - dt.timedelta(days=20)).strftime("%d/%m/%Y"),
                "line_best_response": "SD",
                "line_stop_reason": "PD",
            }
        ]
        if prior
        else [],
    }


def _prior_local(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    return {"recorded_on": on, "any_local": False, "brain_radiotherapy": False, "treatments": []}


def _systemic_ongoing(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    return {
        "recorded_on": on,
        "ongoing": True,
        "regimen": p.regimen,
        "regimen_class": p.regimen_class,
        "line_number": p.line_number,
        "started_on": p.started_on.strftime("%d/%m/%Y"),
        "best_response": rng.choice(("PR", "SD", "PR", "SD", "CR")),
    }


def vitals(p: Patient, on: dt.date, rng: Random, *, decline: float = 0.0, at_screening: bool = False) -> dict[str, Any]:
    """Return vital signs and performance on a day; `decline` (0 to 1) worsens the performance status."""
    kps = max(50, p.kps - 10 * int(decline * 4))
    weight = round(p.weight * (1 - 0.06 * decline) + rng.uniform(-1.2, 1.2), 1)
    said: dict[str, Any] = {"height": p.height} if at_screening else {}
    return said | {
        "examined_on": on,
        "kps": kps,
        "ecog": "0" if kps >= 90 else "1" if kps >= 70 else "2",
        "weight": str(weight).replace(".", "," if rng.random() < 0.5 else "."),
        "sbp": int(rng.gauss(134, 11)),
        "dbp": int(rng.gauss(79, 7)),
        "heart_rate": int(rng.gauss(74, 8)),
        "temperature": f"{rng.gauss(36.7, 0.2):.1f}",
        "spo2": rng.choice((96, 97, 98, 99)),
    }


def laboratory(p: Patient, on: dt.date, rng: Random, *, at_screening: bool = False) -> dict[str, Any]:
    """Return laboratory results on a day, in the units that French laboratories print."""
    hgb = (13.9 if p.sex == "M" else 12.9) + p.labs_shift.get("hgb", 0.0) + rng.uniform(-0.4, 0.4)
    neutrophils = rng.uniform(2.6, 5.2)
    lymphocytes = rng.uniform(1.0, 2.1)
    said: dict[str, Any] = {"pregnancy_test": "NOT_FERTILE"} if at_screening and p.sex == "F" else {}
    return said | {
        "sampled_on": on,
        "hgb": f"{hgb:.1f}",
        "wbc": f"{neutrophils + lymphocytes + rng.uniform(0.4, 0.9):.2f}",
        "neutrophils": f"{neutrophils:.2f}",
        "lymphocytes": f"{lymphocytes:.2f}",
        "platelets": str(rng.randrange(172, 372)),
        "calcium": f"{rng.uniform(2.22, 2.44):.2f}",
        "albumin": f"{rng.uniform(38, 44):.1f}",
        "creatinine": str(p.creatinine + rng.randrange(-8, 9)),
        "egfr": str(rng.randrange(52, 84)),
        "sodium": str(rng.randrange(137, 143)),
        "potassium": f"{rng.uniform(3.8, 4.7):.1f}",
        "ast": str(rng.randrange(16, 34)),
        "alt": str(rng.randrange(14, 36)),
        "alp": str(rng.randrange(50, 105)),
        "bilirubin": str(rng.randrange(5, 14)),
        "ldh": str(rng.randrange(150, 225)),
        "tsh": f"{rng.uniform(0.9, 3.4):.2f}",
        "free_t4": f"{rng.uniform(11, 18):.1f}",
        "crp": f"{rng.uniform(1, 9):.1f}",
    }


def quality_of_life(p: Patient, on: dt.date, rng: Random) -> dict[str, Any]:
    """Return questionnaire scores on a day."""
    said: dict[str, Any] = {"completed_on": on, "with_help": rng.random() < 0.1, "eq_vas": rng.randrange(58, 92)}
    said |= {f"eq5d_{d}": rng.choice((1, 1, 2, 2, 3)) for d in ("mo", "sc", "ua", "ad")} | {"eq5d_pd": 2}
    said["eq5d_index"] = f"{rng.uniform(0.62, 0.94):.3f}"
    for scale in ("ql2", "pf2", "rf2", "ef", "cf", "sf"):
        said[f"c30_{scale}"] = f"{rng.choice((66.7, 75, 83.3, 91.7, 100)):g}"
    for scale in ("fa", "nv", "pa", "dy", "sl", "ap", "co", "di", "fi"):
        said[f"c30_{scale}"] = f"{rng.choice((0, 0, 16.7, 33.3)):g}"
    return said


def _imdc(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    return {"assessed_on": on, "agrees": True}


def _oligoprogression(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    second = on - dt.timedelta(days=rng.randrange(4, 12))
    return {
        "first_ct_on": second - dt.timedelta(days=rng.randrange(56, 76)),
        "second_ct_on": second,
        "slice_mm": "2.5",
        "progressing": [
            {
                "lesion": str(number),
                "organ": lesion.organ,
                "change": "NEW" if lesion.is_new else "PROGRESSING",
                "size_first": lesion.first_mm,
                "size_second": lesion.second_mm,
                "irradiated": False,
            }
            | ({"bone_type": "LYTIC_SOFT"} if lesion.organ == "BONE" else {})
            for number, lesion in enumerate(p.lesions, start=1)
            if lesion.progressing
        ],
    }


def _baseline_lesions(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    targets: dict[str, int] = {}
    rows = []
    for number, lesion in enumerate(p.lesions, start=1):
        targets[lesion.organ] = targets.get(lesion.organ, 0) + 1
        category = "TARGET" if targets[lesion.organ] <= 2 else "NON_TARGET"
        rows.append(
            {"lesion": str(number), "category": category, "organ": lesion.organ, "diameter": lesion.second_mm}
            if category == "TARGET"
            else {"lesion": str(number), "category": category, "organ": lesion.organ}
        )
    return {
        "imaging_on": on - dt.timedelta(days=2),
        "method": "CT",
        "slice_mm": "2.5",
        "thorax_abdomen_pelvis": True,
        "brain_imaging": True,
        "lesions": rows,
    }


def _intended_line(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    return {
        "decided_on": on,
        "intended_regimen": p.next_line,
        "intended_class": NEXT_CLASS[p.next_line],
        "tumour_board_on": on,
    }


def _eligibility(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    said: dict[str, Any] = {"assessed_on": on}
    said |= {f"i{n:02d}": True for n in (7, 10, 11, 13, 14)}
    said |= {f"e{n:02d}": False for n in (1, 3, 4, 5, 6, 7, 8)}
    return said


def _vitals(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    return vitals(p, on, rng, at_screening=True)


def _laboratory(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    return laboratory(p, on, rng, at_screening=True)


def _quality_of_life(p: Patient, on: dt.date, consented_on: dt.date, rng: Random) -> dict[str, Any]:
    return quality_of_life(p, on, rng)


_BASELINE = {
    "consent": _consent,
    "demographics": _demographics,
    "medical_history": _medical_history,
    "rcc_history": _rcc_history,
    "prior_systemic_lines": _prior_systemic,
    "prior_local_treatments": _prior_local,
    "systemic_ongoing": _systemic_ongoing,
    "vitals_performance": _vitals,
    "laboratory": _laboratory,
    "imdc": _imdc,
    "oligoprogression": _oligoprogression,
    "baseline_lesions": _baseline_lesions,
    "quality_of_life": _quality_of_life,
    "intended_line": _intended_line,
    "eligibility": _eligibility,
}


def _pick(rng: Random, weighted: list[tuple[Any, float]]) -> Any:
    return rng.choices([value for value, _ in weighted], weights=[weight for _, weight in weighted])[0]
