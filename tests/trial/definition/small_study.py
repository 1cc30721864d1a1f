"""A study small enough to read: two arms, one repeated visit, one log form. Tests change a line of it and look."""

from collections.abc import Mapping
from pathlib import Path

STUDY = """\
study:
  code: MINI
  acronym: MINI-01
  title: {en: Mini, fr: Mini}
  sponsor: A sponsor
  protocol_version: "1.10"
  locales: [en, fr]
  accrual: {target: 10, sites: 2, months: 12}
parameters:
  max_size: {value: 40, min: 10, max: 60, label: {en: Largest, fr: Maximum}}
arms:
  - {id: A, label: {en: Arm A, fr: Bras A}, pathway: path_a}
  - {id: B, label: {en: Arm B, fr: Bras B}, pathway: path_b}
pathways:
  - {id: path_a, label: {en: A, fr: A}, reveals_arm: true}
  - {id: path_b, label: {en: B, fr: B}, reveals_arm: true}
identity: {sex: consent.sex, birth_year: consent.birth_year}
consent:
  form: consent
  signed_on: consent.signed_on
  documents:
    - {version: "1.0", from: 2020-06-01, label: {en: Version 1, fr: Version 1}}
milestones:
  death: end.died_on
"""

SCHEDULE = """\
visits:
  - id: SCR
    label: {en: Screening, fr: Sélection}
    phase: screening
    anchor: screening
    window: {before: 28, after: 0}
    forms: [consent, vitals]
  - id: "M{n}"
    label: {en: "Month {n}", fr: "Mois {n}"}
    anchor: randomization
    repeat: {months: [3, 6]}
    window: {before: 14, after: 14}
    forms: [vitals]
  - id: DOSE
    label: {en: Dose, fr: Dose}
    anchor: randomization
    offset: {weeks: 1}
    pathways: [path_a]
    reveals_arm: true
    forms: [dose]
  - id: END
    label: {en: End, fr: Fin}
    phase: event
    forms: [end]
log_forms: [lesion, event]
"""

ELIGIBILITY = """\
form: consent
sign_meaning: {en: I confirm, fr: Je confirme}
criteria:
  - id: I1
    kind: inclusion
    text: {en: Small lesions, fr: Petites lésions}
    expression: "max(lesion.size) <= param.max_size"
    validity: {form: vitals, days: 28}
  - id: E1
    kind: exclusion
    text: {en: Refuses, fr: Refuse}
    judged: consent.refuses
    answered_by: [investigator]
"""

REMINDERS = """\
reminders:
  - id: due
    on: visit_planned
    offset: {days: -7}
    to: [coordinator]
    stop: visit_settled
    subject: {en: "{code}, {visit}", fr: "{code}, {visit}"}
    body: {en: "On {date}: {url}", fr: "Le {date} : {url}"}
"""

CODELISTS = """\
codelists:
  - id: sex
    codes:
      - {code: F, label: {en: Female, fr: Femme}}
      - {code: M, label: {en: Male, fr: Homme}}
  - id: ecog
    codes:
      - {code: 0, label: {en: "0", fr: "0"}}
      - {code: 1, label: {en: "1", fr: "1"}}
"""

CONSENT = """\
id: consent
kind: visit
label: {en: Consent, fr: Consentement}
groups:
  - id: main
    label: {en: Consent, fr: Consentement}
    items:
      - {id: signed_on, type: date, label: {en: Signed, fr: Signé}, required: true}
      - {id: sex, type: choice, codelist: sex, label: {en: Sex, fr: Sexe}}
      - {id: birth_year, type: integer, label: {en: Year, fr: Année}}
      - {id: refuses, type: yesno, label: {en: Refuses, fr: Refuse}}
"""

VITALS = """\
id: vitals
kind: visit
label: {en: Vital signs, fr: Signes vitaux}
domain: VS
date_item: done_on
groups:
  - id: main
    label: {en: Measures, fr: Mesures}
    items:
      - {id: done_on, type: date, label: {en: Date, fr: Date}}
      - {id: ecog, type: choice, codelist: ecog, label: {en: ECOG, fr: ECOG}}
      - id: sbp
        type: integer
        unit: mmHg
        label: {en: Systolic pressure, fr: Pression systolique}
        range:
          min: 40
          max: 300
          soft_min: 80
          soft_max: 200
      - id: weight
        type: decimal
        unit: kg
        units: [{unit: lb, factor: "0.45359237"}]
        decimals: 1
        label: {en: Weight, fr: Poids}
      - id: height
        type: decimal
        unit: m
        label: {en: Height, fr: Taille}
        shown_when: "visit.id == 'SCR'"
      - id: bmi
        type: decimal
        label: {en: BMI, fr: IMC}
        derived: "index * 1"
      - id: index
        type: decimal
        label: {en: Index, fr: Indice}
        derived: "sbp / 2 if sbp > 0 else 0"
  - id: drugs
    label: {en: Drugs, fr: Médicaments}
    repeating: true
    min_rows: 0
    max_rows: 20
    shown_when: "ecog == '1'"
    items:
      - {id: drug_from, type: partial_date, label: {en: From, fr: Du}}
      - {id: drug_to, type: partial_date, label: {en: To, fr: Au}}
checks:
  - id: drug_dates
    rule: "drug_to >= drug_from"
    severity: hard
    items: [drug_to]
    message: {en: Ends before it starts, fr: Finit avant de commencer}
  - id: few_drugs
    rule: "count(drugs) <= 10"
    severity: soft
    items: [drug_from]
    message: {en: Many drugs, fr: Beaucoup de médicaments}
"""

DOSE = """\
id: dose
kind: visit
reveals_arm: true
label: {en: Dose, fr: Dose}
groups:
  - id: main
    label: {en: Dose, fr: Dose}
    items:
      - {id: given, type: decimal, unit: Gy, label: {en: Given, fr: Délivrée}}
"""

END = """\
id: end
kind: visit
label: {en: End, fr: Fin}
groups:
  - id: main
    label: {en: End, fr: Fin}
    items:
      - {id: died_on, type: date, label: {en: Died, fr: Décès}}
"""

LESION = """\
id: lesion
kind: log
label: {en: Lesion, fr: Lésion}
title_items: [place]
columns: [place, size]
groups:
  - id: main
    label: {en: Lesion, fr: Lésion}
    items:
      - {id: place, type: text, label: {en: Location, fr: Localisation}}
      - {id: size, type: decimal, unit: mm, label: {en: Size, fr: Taille}}
"""

EVENT = """\
id: event
kind: log
label: {en: Event, fr: Événement}
groups:
  - id: main
    label: {en: Event, fr: Événement}
    items:
      - {id: term, type: term, dictionary: ctcae, label: {en: Term, fr: Terme}}
      - {id: grade, type: grade, grade_of: term, label: {en: Grade, fr: Grade}}
      - {id: of, type: link, link: lesion, label: {en: Of lesion, fr: De la lésion}}
"""

FILES: Mapping[str, str] = {
    "study.yaml": STUDY,
    "schedule.yaml": SCHEDULE,
    "eligibility.yaml": ELIGIBILITY,
    "reminders.yaml": REMINDERS,
    "codelists.yaml": CODELISTS,
    "forms/consent.yaml": CONSENT,
    "forms/vitals.yaml": VITALS,
    "forms/dose.yaml": DOSE,
    "forms/end.yaml": END,
    "forms/lesion.yaml": LESION,
    "forms/event.yaml": EVENT,
}


def replaced(file: str, old: str, new: str, count: int = 1) -> dict[str, str]:
    """The file with one text in place of another, which must be there."""
    assert old in FILES[file], f"{old!r} is not in {file}"
    return {file: FILES[file].replace(old, new, count)}


def write(folder: Path, changes: Mapping[str, str | bytes | None] | None = None) -> Path:
    """The small study in a folder, with some files changed, added, or (None) left out."""
    for name, text in {**FILES, **(changes or {})}.items():
        if text is None:
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder
