"""DEF-001: a wrong study folder is told, code by code, with file, place, line, fault and remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import field_validator

from ecrf.timeline import section as timeline
from tests.trial.definition.small_study import ELIGIBILITY, REMINDERS, SCHEDULE, VITALS, replaced, write
from trial.definition import CATALOGUE, Definition, Problem, load_folder, sections
from trial.definition.problems import number_meant
from trial.definition.reading import MAX_BYTES, MAX_NODES
from trial.definition.sections import Say, SectionExpression
from trial.language import Kind


class Case(NamedTuple):
    """A change to the small study, and the problem that it must give, alone unless `others` are named."""

    code: str
    changes: Mapping[str, str | bytes | None]
    file: str
    place: str
    says: str
    others: tuple[str, ...] = ()


class StrataSection(sections.Part):
    """A section of a room above, for these tests."""

    ratio: dict[str, int]
    when: str | None = None

    @field_validator("ratio")
    @classmethod
    def _positive(cls, ratio: dict[str, int]) -> dict[str, int]:
        if any(share < 1 for share in ratio.values()):
            raise ValueError("Every share of the ratio is at least 1")
        return ratio


def _validate(section: StrataSection, definition: Definition, say: Say) -> None:
    for arm in section.ratio:
        if arm not in definition.arms:
            say(("ratio", arm), f"There is no arm {arm}.", "Write the id of an arm.")


def _expressions(section: StrataSection) -> Iterable[SectionExpression]:
    if section.when is not None:
        yield SectionExpression("when", ("when",), section.when, Kind.BOOL)


@pytest.fixture
def known() -> sections.Registry:
    registry = sections.Registry()
    registry.register("strata", StrataSection, _validate, _expressions)
    registry.register("timeline", timeline.TimelineSection, timeline.validate, reads=timeline.reads)
    return registry


def vitals(old: str, new: str) -> dict[str, str]:
    return replaced("forms/vitals.yaml", old, new)


def item(line: str) -> dict[str, str]:
    """Vital signs with one more item."""
    return vitals("      - {id: done_on", f"      - {line}\n      - {{id: done_on")


def schedule(old: str, new: str) -> dict[str, str]:
    return replaced("schedule.yaml", old, new)


def study(old: str, new: str) -> dict[str, str]:
    return replaced("study.yaml", old, new)


def lanes(text: str) -> dict[str, str]:
    """A timeline of one lane."""
    return {"timeline.yaml": f"lanes:\n  - {{id: story, label: {{en: Story, fr: Histoire}}, {text}}}\n"}


def rows_of_lesions(*keys: str) -> dict[str, str]:
    """Vital signs with rows about lesions, in which a size has these keys."""
    size = f"{{id: seen_size, type: decimal, unit: mm, {LABEL}, {', '.join(keys)}}}"
    return vitals(
        "    repeating: true\n    min_rows: 0\n    max_rows: 20\n    shown_when: \"ecog == '1'\"\n    items:\n",
        "    repeating: true\n    rows_from: lesion\n    items:\n"
        f"      - {{id: seen, type: link, link: lesion, {LABEL}}}\n      - {size}\n",
    )


V = "forms/vitals.yaml"
LABEL = "label: {en: X, fr: X}"

CASES = [
    # the folder and its files
    Case("DEF001", {"forms/old.yml": VITALS}, "forms/old.yml", "", "Rename it to .yaml"),
    Case("DEF001", {"more/forms.yaml": VITALS}, "more/forms.yaml", "", "Move it"),
    Case("DEF002", {"schedule.yaml": None}, "schedule.yaml", "", "missing"),
    Case("DEF002", {"study.yaml": None}, "study.yaml", "", "missing"),
    Case("DEF003", {"shedule.yaml": SCHEDULE}, "shedule.yaml", "", "Did you mean schedule?"),
    Case("DEF004", vitals("kind: visit", "kind: [visit"), V, "", "not valid YAML", ("DEF040",)),
    Case("DEF004", {"reminders.yaml": ""}, "reminders.yaml", "", "empty"),
    Case("DEF004", {"reminders.yaml": REMINDERS + "---\na: 1\n"}, "reminders.yaml", "", "second document"),
    Case("DEF004", {"reminders.yaml": "? [a]\n: b\n"}, "reminders.yaml", "", "key is a list"),
    Case("DEF004", {"reminders.yaml": "reminders: *nothing\n"}, "reminders.yaml", "", "anchor"),
    Case("DEF004", {"reminders.yaml": b"reminders: \x00\n"}, "reminders.yaml", "", "not valid YAML"),
    Case("DEF005", {"reminders.yaml": b"reminders: [] # \xe9t\xe9\n"}, "reminders.yaml", "", "0xe9"),
    Case("DEF006", {"reminders.yaml": b"#" * (MAX_BYTES + 1)}, "reminders.yaml", "", "1,000,001"),
    Case("DEF007", {"reminders.yaml": "a: !!python/object:os.system x\n"}, "reminders.yaml", "", "tag"),
    Case("DEF007", {"reminders.yaml": "a: &a [*a]\n"}, "reminders.yaml", "", "inside its own anchor"),
    Case("DEF007", {"reminders.yaml": "[" * 100_000}, "reminders.yaml", "", "deep"),
    Case("DEF007", {"reminders.yaml": "a: &a {b: 1}\nc: {<<: *a}\n"}, "reminders.yaml", "", "merge key"),
    Case("DEF008", vitals("domain: VS", "domain: VS\ndomain: LB"), V, "domain", "line 4"),
    Case("DEF009", vitals("domain: VS", "domain:\n\t- VS"), V, "", "tab"),
    # shape
    Case("DEF010", vitals("domain:", "domian:"), V, "domian", "Did you mean domain?"),
    Case("DEF010", vitals("decimals: 1", "decimal: 1"), V, "weight › decimal", "Did you mean decimals?"),
    Case("DEF011", vitals("kind: visit\n", ""), V, "", "kind is missing"),
    Case("DEF011", vitals("    severity: hard\n", ""), V, "checks › drug_dates", "severity is missing"),
    Case("DEF012", vitals("max: 300", 'max: "two hundred"'), V, "sbp › max", "Write 200, or remove the line."),
    Case("DEF012", vitals("max: 300", "max: [3]"), V, "sbp › max", "not a number"),
    Case("DEF013", vitals("decimals: 1", "decimals: 1.5"), V, "weight › decimals", "whole number"),
    Case("DEF014", vitals("repeating: true", "repeating: yes"), V, "drugs › repeating", "Write true without"),
    Case("DEF015", vitals("unit: mmHg", "unit: [mmHg]"), V, "sbp › unit", "not text"),
    Case("DEF016", vitals("type: integer", "type: interger"), V, "sbp › type", "Did you mean integer?"),
    Case("DEF016", replaced("eligibility.yaml", "[investigator]", "[doctor]"), "eligibility.yaml", "E1", "coordinator"),
    Case("DEF017", vitals("id: sbp", "id: SBP"), V, "SBP › id", "lower-case", ("DEF101",)),
    Case(
        "DEF018", vitals("label: {en: Systolic pressure, fr: Pression systolique}", "label: S"), V, "sbp › label", "fr"
    ),
    Case("DEF019", study("from: 2020-06-01", "from: 1st of June"), "study.yaml", "consent › documents", "2020-06-01"),
    Case("DEF020", vitals("items: [drug_to]", "items: drug_to"), V, "checks › drug_dates › items", "not a list"),
    Case("DEF021", {"reminders.yaml": "- a\n"}, "reminders.yaml", "", "set of keys"),
    Case(
        "DEF021",
        schedule("window: {before: 28, after: 0}", "window: 28"),
        "schedule.yaml",
        "SCR › window",
        "key: value",
    ),
    Case(
        "DEF022",
        schedule("before: 28", "before: -1"),
        "schedule.yaml",
        "SCR › window › before",
        "greater than or equal",
    ),
    Case("DEF022", schedule("before: 28", "before: null"), "schedule.yaml", "SCR › window › before", "empty"),
    Case("DEF022", replaced("eligibility.yaml", "fr: Refuse", "fr: "), "eligibility.yaml", "E1 › text", "label in fr"),
    Case("DEF023", replaced("codelists.yaml", "code: F", "code: true"), "codelists.yaml", "sex", 'quotes: "true"'),
    Case("DEF023", replaced("codelists.yaml", "en: Male", "en: true"), "codelists.yaml", "M › label", "quotes"),
    Case("DEF024", replaced("codelists.yaml", "code: F", "code: NO"), "codelists.yaml", "NO › code", 'quotes: "NO"'),
    Case("DEF025", {"strata.yaml": "ratio: {A: 0}\n"}, "strata.yaml", "ratio", "at least 1"),
    # ids and labels
    Case("DEF030", vitals("id: height", "id: sbp"), V, "sbp › id", "on line 12"),
    Case("DEF030", vitals("id: few_drugs", "id: drug_dates"), V, "drug_dates › id", "check"),
    Case("DEF030", vitals("id: drugs", "id: main"), V, "main › id", "group", ("DEF101", "DEF106")),
    Case("DEF030", replaced("codelists.yaml", "code: F", "code: M"), "codelists.yaml", "sex › M", "code M"),
    Case("DEF030", replaced("codelists.yaml", "id: ecog", "id: sex"), "codelists.yaml", "sex", "codelist", ("DEF042",)),
    Case("DEF030", replaced("eligibility.yaml", "id: E1", "id: I1"), "eligibility.yaml", "I1", "criterion"),
    Case("DEF030", schedule("id: DOSE", "id: M3"), "schedule.yaml", "M3 › id", "visit M3"),
    Case("DEF030", schedule("months: [3, 6]", "months: [3, 3]"), "schedule.yaml", "M{n} › id", "visit M3"),
    Case("DEF030", study("id: B,", "id: A,"), "study.yaml", "arms › A", "arm A"),
    Case("DEF031", vitals("id: vitals", "id: vital"), V, "id", "forms/vital.yaml", ("DEF040", "DEF063")),
    Case("DEF032", vitals("label: {en: ECOG, fr: ECOG}", "label: {en: ECOG}"), V, "ecog › label", "no words in fr"),
    Case("DEF033", vitals("{en: ECOG, fr: ECOG}", "{en: E, fr: E, de: E}"), V, "ecog › label › de", "speaks de"),
    Case("DEF034", item(f"{{id: lambda, type: text, {LABEL}}}"), V, "lambda › id", "Choose another id"),
    # references
    Case(
        "DEF040", schedule("[consent, vitals]", "[consent, vital]"), "schedule.yaml", "SCR › forms › vital", "vitals?"
    ),
    Case(
        "DEF040",
        replaced("eligibility.yaml", "form: vitals", "form: x"),
        "eligibility.yaml",
        "I1 › validity",
        "no form x",
    ),
    Case(
        "DEF041", vitals("items: [drug_to]", "items: [drug_too]"), V, "drug_dates", "Did you mean drug_to?", ("DEF105",)
    ),
    Case("DEF041", study("consent.sex", "consent.gender"), "study.yaml", "identity › sex", "no item gender"),
    Case(
        "DEF041",
        study("signed_on: consent.signed_on", "signed_on: vitals.done_on"),
        "study.yaml",
        "signed_on",
        "consent",
    ),
    Case(
        "DEF041",
        replaced("forms/lesion.yaml", "columns: [place, size]", "columns: [siez]"),
        "forms/lesion.yaml",
        "columns",
        "size?",
    ),
    Case("DEF042", vitals("codelist: ecog", "codelist: ecgo"), V, "ecog › codelist", "Did you mean ecog?"),
    Case("DEF043", schedule("[path_a]", "[path_z]"), "schedule.yaml", "DOSE › pathways", "no pathway path_z"),
    Case("DEF043", study("pathway: path_b}", "pathway: path_bb}"), "study.yaml", "B › pathway", "path_b?", ("DEF045",)),
    Case(
        "DEF044",
        schedule("anchor: screening", "anchor: screning"),
        "schedule.yaml",
        "SCR › anchor",
        "Did you mean screening?",
    ),
    Case(  # nothing follows this date: a visit hung on it would never be planned
        "DEF044",
        {
            **study("death: end.died_on", "death: end.died_on\n  surgery: end.died_on"),
            **schedule("anchor: screening", "anchor: surgery"),
        },
        "schedule.yaml",
        "SCR › anchor",
        "death",
    ),
    Case(
        "DEF044",
        replaced("reminders.yaml", "visit_planned", "visit_plan"),
        "reminders.yaml",
        "due › on",
        "visit_planned?",
    ),
    Case(
        "DEF045",
        study("  - {id: path_b,", "  - {id: path_c, label: {en: C, fr: C}}\n  - {id: path_b,"),
        "study.yaml",
        "path_c",
        "No arm",
    ),
    Case("DEF046", study("consent.signed_on", "consent.refuses"), "study.yaml", "signed_on", "partial_date"),
    Case(
        "DEF046",
        replaced("eligibility.yaml", "judged: consent.refuses", "judged: consent.sex"),
        "eligibility.yaml",
        "E1 › judged",
        "yesno",
    ),
    Case(
        "DEF047",
        study("death: end.died_on", "death: vitals.drug_to"),
        "study.yaml",
        "milestones › death",
        "many values",
    ),
    Case("DEF047", vitals("date_item: done_on", "date_item: drug_to"), V, "date_item", "repeating"),
    # study
    Case("DEF050", study("value: 40", "value: 70"), "study.yaml", "max_size › value", "outside 10 to 60"),
    Case("DEF051", study("min: 10", "min: 90"), "study.yaml", "max_size › min", "above", ("DEF050",)),
    Case("DEF051", vitals("min: 40", "min: 400"), V, "sbp › min", "min 400 is above max 300", ("DEF072",)),
    # schedule
    Case(
        "DEF060", schedule("forms: [end]", "forms: [end, lesion]"), "schedule.yaml", "END › forms › lesion", "log form"
    ),
    Case(
        "DEF061",
        schedule("log_forms: [lesion,", "log_forms: [lesion, end,"),
        "schedule.yaml",
        "log_forms › end",
        "visit form",
    ),
    Case(
        "DEF062",
        schedule("log_forms: [lesion, event]", "log_forms: [lesion]"),
        "forms/event.yaml",
        "id",
        "not in log_forms",
    ),
    Case("DEF063", schedule("forms: [dose]", "forms: [vitals]"), "forms/dose.yaml", "id", "No visit"),
    Case("DEF064", schedule('id: "M{n}"', "id: M"), "schedule.yaml", "M › id", "{n}"),
    Case("DEF065", schedule("id: SCR", 'id: "S{n}"'), "schedule.yaml", "S{n} › id", "not repeated", ("DEF103",)),
    Case("DEF066", schedule("months: [3, 6]", "months: [3], weeks: [1]"), "schedule.yaml", "M{n} › repeat", "mixes"),
    Case("DEF066", schedule("months: [3, 6]", "months: []"), "schedule.yaml", "M{n} › repeat", "no distance"),
    Case("DEF066", schedule("Month {n}", "Month"), "schedule.yaml", "M{n} › label", "same label in en"),
    Case("DEF066", schedule("phase: event", "unscheduled: true\n    anchor: death"), "schedule.yaml", "END", "by hand"),
    Case(
        "DEF067",
        schedule("forms: [consent, vitals]", "forms: [consent, vitals, vitals]"),
        "schedule.yaml",
        "SCR",
        "twice",
    ),
    Case("DEF068", schedule("    anchor: screening\n", ""), "schedule.yaml", "SCR", "Add anchor:"),
    # forms and items
    Case(
        "DEF070",
        vitals("{id: done_on, type: date,", "{id: done_on, type: date, decimals: 1,"),
        V,
        "done_on › decimals",
        "date",
    ),
    Case("DEF071", vitals("type: choice, codelist: ecog,", "type: choice,"), V, "ecog", "needs codelist", ("DEF102",)),
    Case("DEF071", replaced("forms/event.yaml", "link: lesion, ", ""), "forms/event.yaml", "of", "needs link"),
    Case("DEF072", vitals("soft_max: 200", "soft_max: 400"), V, "sbp › soft_max", "soft_max 400, max 300"),
    Case("DEF073", vitals('factor: "0.45359237"', "factor: 0"), V, "weight › units › lb › factor", "converts to kg"),
    Case("DEF074", vitals("unit: lb", "unit: kg"), V, "weight › units › kg", "given twice"),
    Case(
        "DEF075",
        replaced("forms/event.yaml", "link: lesion", "link: end"),
        "forms/event.yaml",
        "of › link",
        "not a log form",
    ),
    Case(
        "DEF076",
        replaced("forms/event.yaml", "grade_of: term", "grade_of: grade"),
        "forms/event.yaml",
        "grade › grade_of",
        "term",
    ),
    Case("DEF077", vitals("domain: VS", "domain: Vital"), V, "domain", "two capital letters"),
    Case("DEF078", vitals("min_rows: 0", "min_rows: 30"), V, "drugs › min_rows", "at least 30"),
    Case("DEF079", vitals("domain: VS", "columns: [sbp]"), V, "columns", "visit form"),
    Case(
        "DEF080",
        vitals("    label: {en: Measures", "    max_rows: 5\n    label: {en: Measures"),
        V,
        "max_rows",
        "repeating: true",
    ),
    Case(
        "DEF081",
        vitals('derived: "index * 1"', 'derived: "index * 1"\n        required: true'),
        V,
        "bmi › required",
        "derived",
    ),
    Case(
        "DEF082",
        vitals("repeating: true", "repeating: true\n    rows_from: lesion"),
        V,
        "drugs › rows_from",
        "link: lesion",
    ),
    # eligibility and reminders
    Case(
        "DEF090", replaced("eligibility.yaml", "    judged: consent.refuses\n", ""), "eligibility.yaml", "E1", "neither"
    ),
    Case("DEF091", vitals("date_item: done_on\n", ""), "eligibility.yaml", "I1 › validity › form", "date_item"),
    Case(
        "DEF092", replaced("reminders.yaml", "On {date}", "On {grade}"), "reminders.yaml", "due › body › en", "{grade}"
    ),
    Case(
        "DEF093",
        replaced("reminders.yaml", "stop: visit_settled", "repeat_days: 7"),
        "reminders.yaml",
        "due › repeat_days",
        "ends it",
    ),
    # expressions
    Case(
        "DEF100", vitals('rule: "drug_to >= drug_from"', 'rule: "drug_to >="'), V, "drug_dates › rule", "cannot be read"
    ),
    Case("DEF100", vitals('derived: "index * 1"', "derived: '[x for x in (1, 2)]'"), V, "bmi › derived", "not part of"),
    Case("DEF101", vitals("index * 1", "indx * 1"), V, "bmi › derived", "Did you mean index?"),
    Case(
        "DEF101",
        replaced("eligibility.yaml", "lesion.size", "leson.size"),
        "eligibility.yaml",
        "I1 › expression",
        "lesion?",
    ),
    Case(
        "DEF101", replaced("eligibility.yaml", "param.max_size", "param.mx_size"), "eligibility.yaml", "I1", "max_size?"
    ),
    Case("DEF101", vitals("visit.id == 'SCR'", "at('SRC').vitals.sbp > 1"), V, "height › shown_when", "SCR?"),
    Case("DEF102", vitals("index * 1", "done_on * 2"), V, "bmi › derived", "Types do not fit"),
    Case("DEF103", vitals("ecog == '1'", "ecog == '7'"), V, "drugs › shown_when", "7"),
    Case("DEF104", vitals("index * 1", "sbp + weight"), V, "bmi › derived", "mmHg and kg"),
    Case("DEF105", vitals("index * 1", "lesion.size"), V, "bmi › derived", "list"),
    Case("DEF106", vitals("sbp / 2 if sbp > 0 else 0", "bmi"), V, "derived", "vitals.bmi → vitals.index → vitals.bmi"),
    Case("DEF106", vitals("ecog == '1'", "count(drug_to > drug_from) > 0"), V, "drugs › shown_when", "circle"),
    Case("DEF107", vitals('rule: "drug_to >= drug_from"', 'rule: "weight"'), V, "drug_dates › rule", "is needed here"),
    Case("DEF108", vitals("index * 1", "1 + " * 600 + "1"), V, "bmi › derived", "too long"),
    # blinding
    Case("DEF110", vitals("index * 1", "dose.given * 1"), V, "bmi › derived", "dose.given", ("DEF104",)),
    Case(
        "DEF110",
        replaced("eligibility.yaml", "max(lesion.size)", "dose.given"),
        "eligibility.yaml",
        "I1",
        "criterion I1",
        ("DEF104",),
    ),
    Case("DEF111", replaced("forms/dose.yaml", "reveals_arm: true\n", ""), "forms/dose.yaml", "id", "only in visits"),
    Case("DEF112", schedule("    reveals_arm: true\n", ""), "schedule.yaml", "DOSE", "path_a"),
    Case(
        "DEF113",
        replaced("forms/lesion.yaml", "kind: log", "kind: log\nreveals_arm: true"),
        "forms/event.yaml",
        "of › link",
        "reveals the arm",
        ("DEF110",),
    ),
    # logs of one pathway, rows about the entries of a log
    Case(
        "DEF144",
        replaced("forms/lesion.yaml", "kind: log", "kind: log\npathways: [path_a]"),
        "forms/lesion.yaml",
        "pathways",
        "reveals_arm: true",
        ("DEF110", "DEF113"),
    ),
    Case(
        "DEF043",
        replaced("forms/lesion.yaml", "kind: log", "kind: log\npathways: [path_c]"),
        "forms/lesion.yaml",
        "pathways",
        "Did you mean path_",
    ),
    Case("DEF079", vitals("kind: visit", "kind: visit\npathways: [path_a]"), V, "pathways", "visit form"),
    Case(
        "DEF145", item(f"{{id: x, type: decimal, opens_with: lesion.size, {LABEL}}}"), V, "x › opens_with", "rows_from"
    ),
    Case(
        "DEF145",
        item(f"{{id: x, type: decimal, compares_with: [lesion.size], {LABEL}}}"),
        V,
        "x › compares_with",
        "link:",
    ),
    Case("DEF041", rows_of_lesions("opens_with: lesion.sise"), V, "seen_size › opens_with", "Did you mean size?"),
    Case(
        "DEF146",
        rows_of_lesions("opens_with: consent.birth_year"),
        V,
        "seen_size › opens_with",
        "not a single answer of lesion",
    ),
    Case("DEF146", rows_of_lesions("opens_with: lesion.place"), V, "seen_size › opens_with", "another type"),
    Case(
        "DEF146",
        rows_of_lesions("compares_with: [consent.birth_year]"),
        V,
        "seen_size › compares_with",
        "does not stand in rows",
    ),
    Case(
        "DEF146",
        rows_of_lesions("compares_with: [vitals.drug_from]"),
        V,
        "seen_size › compares_with",
        "not a number in the same unit",
    ),
    Case("DEF147", item(f"{{id: x, type: text, unique: true, {LABEL}}}"), V, "x › unique", "log form"),
    # the timeline
    Case("DEF140", lanes("visits: true, statuses: [died]"), "timeline.yaml", "story", "statuses and visits"),
    Case("DEF140", lanes("visits: false"), "timeline.yaml", "story", "shows nothing"),
    Case("DEF044", lanes("statuses: [dead]"), "timeline.yaml", "statuses", "There is no status dead"),
    Case(
        "DEF040",
        lanes("sources: [{form: vitasl, kind: point, from: done_on}]"),
        "timeline.yaml",
        "form",
        "Did you mean vitals?",
    ),
    Case("DEF041", lanes("sources: [{form: vitals, kind: point, from: done}]"), "timeline.yaml", "from", "done_on?"),
    Case("DEF046", lanes("sources: [{form: lesion, kind: point, from: size}]"), "timeline.yaml", "from", "decimal"),
    Case(
        "DEF047", lanes("sources: [{form: vitals, kind: point, from: drug_from}]"), "timeline.yaml", "from", "repeating"
    ),
    Case(
        "DEF141",
        lanes("sources: [{form: vitals, kind: point, from: done_on, to: done_on}]"),
        "timeline.yaml",
        "to",
        "kind: span",
    ),
    Case("DEF142", lanes("sources: [{form: vitals, kind: span, from: done_on}]"), "timeline.yaml", "story", "to:"),
    Case(
        "DEF143",
        lanes(
            "sources: [{form: vitals, kind: span, from: done_on, to: done_on,"
            " pauses: {on: done_on, kind: ecog, begin: ['0'], end: ['1']}}]"
        ),
        "timeline.yaml",
        "pauses",
        "one repeating group",
    ),
    Case(
        "DEF044",
        lanes("sources: [{form: vitals, kind: point, from: done_on, code: ecog, alert: ['7']}]"),
        "timeline.yaml",
        "alert",
        "There is no code 7",
    ),
    Case("DEF032", {"timeline.yaml": "lanes: [{id: a, label: {en: A}, visits: true}]"}, "timeline.yaml", "label", "fr"),
    Case(
        "DEF030",
        {
            "timeline.yaml": "lanes:\n  - {id: a, label: {en: A, fr: A}, visits: true}\n  - {id: a, label: {en: B,"
            " fr: B}, visits: true}\n"
        },
        "timeline.yaml",
        "id",
        "lane 1",
    ),
    # sections of rooms above
    Case("DEF120", {"strata.yaml": "ratio: {A: 1, Z: 1}\n"}, "strata.yaml", "ratio › Z", "There is no arm Z."),
    Case("DEF010", {"strata.yaml": "ratio: {A: 1}\nrato: 2\n"}, "strata.yaml", "rato", "Did you mean ratio?"),
    Case("DEF101", {"strata.yaml": "ratio: {A: 1}\nwhen: 'consent.sx'\n"}, "strata.yaml", "when", "consent.sex?"),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.code}-{number}" for number, case in enumerate(CASES)])
def test_each_fault_is_told_with_place_and_remedy(case: Case, tmp_path: Path, known: sections.Registry) -> None:
    """DEF-001: one wrong line gives its problem, at its place, and no other."""
    definition, problems = load_folder(write(tmp_path, case.changes), section_registry=known)

    told = [str(problem) for problem in problems]
    fitting = [p for p in problems if (p.code, p.file) == (case.code, case.file) and case.place in p.place]
    assert fitting, told
    assert any(case.says in str(problem) for problem in fitting), told
    assert {p.code for p in problems} - {case.code, *case.others} == set(), told
    assert (definition is None) == any(p.is_error for p in problems)
    assert all(p.fault and p.remedy for p in problems)


def test_every_code_of_the_catalogue_is_tried() -> None:
    """DEF-002: a code without a case above is a code that nobody has seen work."""
    assert {case.code for case in CASES} == set(CATALOGUE)


def test_a_problem_reads_as_one_sentence(tmp_path: Path, known: sections.Registry) -> None:
    """DEF-003: code, place, fault and remedy, as a person reads them."""
    changes = vitals("max: 300", 'max: "two hundred"')
    _, problems = load_folder(write(tmp_path, changes), section_registry=known)

    assert [str(problem) for problem in problems] == [
        'DEF012 forms/vitals.yaml › sbp › max: "two hundred" is not a number. Write 200, or remove the line.'
    ]
    assert problems[0].line == 1 + changes[V].split("\n").index('          max: "two hundred"')


def test_a_broken_folder_lists_every_fault_at_once(tmp_path: Path, known: sections.Registry) -> None:
    """DEF-004: twelve faults in seven files are twelve problems in one go."""
    text = VITALS
    for old, new in [
        ("domain: VS", "domian: VS"),
        ("max: 300", 'max: "two hundred"'),
        ("codelist: ecog", "codelist: ecgo"),
        ("index * 1", "indx * 1"),
        ('rule: "drug_to >= drug_from"', 'rule: "drug_to >= weight"'),
        ("label: {en: Height, fr: Taille}", "label: {en: Height}"),
    ]:
        assert old in text
        text = text.replace(old, new, 1)
    changes: dict[str, str | bytes | None] = {
        V: text,
        **schedule("[consent, vitals]", "[consent, vitals, nothing]"),
        **study("value: 40", "value: 400"),
        **replaced("eligibility.yaml", "judged: consent.refuses", "judged: consent.refusal"),
        **replaced("codelists.yaml", "code: F", "code: M"),
        "reminders.yaml": "reminders: [",
        "forms/end.yaml": None,
    }
    _, problems = load_folder(write(tmp_path, changes), section_registry=known)

    told = {(p.code, p.file, p.place) for p in problems}
    assert told == {
        ("DEF010", V, "domian"),
        ("DEF012", V, "sbp › max"),
        ("DEF042", V, "ecog › codelist"),
        ("DEF101", V, "bmi › derived"),
        ("DEF102", V, "checks › drug_dates › rule"),
        ("DEF032", V, "height › label"),
        ("DEF040", "schedule.yaml", "SCR › forms › nothing"),
        ("DEF050", "study.yaml", "parameters › max_size › value"),
        ("DEF041", "eligibility.yaml", "E1 › judged"),
        ("DEF030", "codelists.yaml", "sex › M › code"),
        ("DEF004", "reminders.yaml", ""),
        # The form that is gone is missed by the visit that holds it and by the milestone that names it.
        ("DEF040", "schedule.yaml", "END › forms › end"),
        ("DEF040", "study.yaml", "milestones › death"),
    }
    assert all(p.line for p in problems)


def test_a_broken_part_is_not_reported_a_second_time_by_who_names_it(tmp_path: Path, known: sections.Registry) -> None:
    """DEF-005: an item whose type is misspelled is one problem, though a check, a criterion and a visit name it."""
    changes = replaced("forms/lesion.yaml", "{id: size, type: decimal,", "{id: size, type: desimal,")
    _, problems = load_folder(write(tmp_path, changes), section_registry=known)
    assert [p.code for p in problems] == ["DEF016"]

    changes = replaced("forms/lesion.yaml", "kind: log", "kind: [log")
    _, problems = load_folder(write(tmp_path / "again", changes), section_registry=known)
    assert [p.code for p in problems] == ["DEF004"]

    lane = lanes("sources: [{form: vitals, kind: point, from: done_on, code: ecog, alert: ['1']}]")
    changes = {**lane, **replaced("codelists.yaml", "code: F, label", "code: [F, label")}
    _, problems = load_folder(write(tmp_path / "lists", changes), section_registry=known)
    assert {(p.code, p.file) for p in problems} == {("DEF004", "codelists.yaml")}


def test_alias_bomb_is_refused_quickly(tmp_path: Path, known: sections.Registry) -> None:
    """DEF-006: a few lines of aliases that stand for millions of values are one problem."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    _, problems = load_folder(write(tmp_path, {"reminders.yaml": "\n".join(lines)}), section_registry=known)
    assert [p.code for p in problems] == ["DEF007"]
    assert f"{MAX_NODES:,}" in problems[0].fault


def test_a_repeated_file_name_of_forms_is_told_once_each(tmp_path: Path, known: sections.Registry) -> None:
    """DEF-007: a form copied under another file name is told as twice defined and as misnamed."""
    _, problems = load_folder(write(tmp_path, {"forms/vitals2.yaml": VITALS}), section_registry=known)
    assert [(p.code, p.file) for p in problems] == [("DEF030", "forms/vitals2.yaml"), ("DEF031", "forms/vitals2.yaml")]


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, known: sections.Registry) -> None:
    """DEF-008: a file of another folder is not read through a link."""
    outside = tmp_path / "outside.yaml"
    outside.write_text(ELIGIBILITY)
    folder = write(tmp_path / "study", {"eligibility.yaml": None})
    (folder / "eligibility.yaml").symlink_to(outside)
    _, problems = load_folder(folder, section_registry=known)
    assert [(p.code, p.file) for p in problems] == [("DEF001", "eligibility.yaml")]


def test_what_is_no_folder_is_a_problem(tmp_path: Path) -> None:
    """DEF-009: a path that is not there, a file, and an empty folder are problems, not exceptions."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for name, code in [("nothing", "DEF001"), ("file", "DEF001"), ("empty", "DEF002")]:
        definition, problems = load_folder(tmp_path / name, section_registry=sections.Registry())
        assert definition is None
        assert {p.code for p in problems} == {code}


def test_yaml_words_stay_words(tmp_path: Path, known: sections.Registry) -> None:
    """DEF-010: `on`, `Yes`, `1.10` and `2020-06-01` are what they look like."""
    changes = replaced("codelists.yaml", "{en: Female, fr: Femme}", "{en: Yes, fr: No}")
    definition, problems = load_folder(write(tmp_path, changes), section_registry=known)
    assert problems == []
    assert definition is not None
    assert definition.codelist("sex").entry("F").label == {"en": "Yes", "fr": "No"}
    assert definition.study.protocol_version == "1.10"
    assert definition.reminders[0].on == "visit_planned"
    assert [entry.code for entry in definition.codelist("ecog").codes] == ["0", "1"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("two hundred", "200"),
        ("one hundred and twenty-five", "125"),
        ("three thousand", "3000"),
        ("12,5 mmHg", "12.5"),
        ("-4 °C", "-4"),
        ("many", None),
        ("", None),
    ],
)
def test_the_number_that_was_meant(text: str, meant: str | None) -> None:
    """DEF-011: a remedy names the number when one can be guessed."""
    assert number_meant(text) == meant


def test_section_names_are_guarded() -> None:
    """DEF-012: a room cannot take a file of this one, nor another room's section."""
    registry = sections.Registry()
    registry.register("strata", StrataSection)
    registry.register("strata", StrataSection)

    class Other(sections.Part):
        pass

    for name in ("study", "forms", "strata"):
        with pytest.raises(ValueError, match=name):
            registry.register(name, Other)


def test_a_required_section_that_is_missing_is_told(tmp_path: Path) -> None:
    """DEF-013: a room may say that no study is without its section."""
    registry = sections.Registry()
    registry.register("strata", StrataSection, required=True)
    definition, problems = load_folder(write(tmp_path), section_registry=registry)
    assert definition is None
    assert [(p.code, p.file) for p in problems] == [("DEF002", "strata.yaml")]


def test_problems_are_values() -> None:
    """DEF-014: equal problems are one, and none can be changed after it was told."""
    one = Problem("DEF001", "a", "", 1, "F.", "R.")
    assert len({one, Problem("DEF001", "a", "", 1, "F.", "R.")}) == 1
    with pytest.raises(AttributeError):
        one.line = 2  # type: ignore[misc]
