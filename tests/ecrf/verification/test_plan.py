"""The plan of source verification: which part of it holds, who is in the sample, what is wrong with its text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrf.verification import Plan, drawn, filled_values, required_items, required_values
from ecrf.verification.plan import NAME, PROBLEMS, Rule, validate
from tests.cast import STUDY_FOLDER
from tests.trial.definition.small_study import write
from trial.definition import Definition, load_folder, sections

LABEL = {"en": "Plan", "fr": "Plan"}


def rule(**more: Any) -> Rule:
    return Rule.model_validate({"from": "2020-06-01", "strategy": "critical", "label": LABEL} | more)


def plan(*default: Mapping[str, Any], sites: tuple[Mapping[str, Any], ...] = ()) -> Plan:
    return Plan.model_validate({"default": default, "sites": sites})


@pytest.fixture(scope="module")
def storm() -> Definition:
    definition, problems = load_folder(STUDY_FOLDER)
    assert definition is not None, problems
    return definition


class TestInForce:
    OLD = {"from": "2020-06-01", "strategy": "critical", "label": LABEL}
    NEW = {"from": "2024-01-01", "strategy": "all", "label": LABEL}
    SITE = {"from": "2022-01-01", "strategy": "all", "label": LABEL, "site": "03"}

    def test_the_newest_entry_that_has_begun_holds(self) -> None:
        """ECRF-285: from its day until the next; what is older than the plan follows its first entry."""
        both = plan(self.NEW, self.OLD)
        days = {"2019-01-01": "critical", "2023-12-31": "critical", "2024-01-01": "all", "2026-01-01": "all"}
        for day, strategy in days.items():
            found = both.rule("01", dt.date.fromisoformat(day))
            assert found is not None
            assert found.strategy == strategy

    def test_a_site_of_its_own_is_verified_by_its_own_entry_from_that_day_on(self) -> None:
        """ECRF-286: before that day by the default; the other sites always."""
        own = plan(self.OLD, sites=(self.SITE,))
        strategies = [
            getattr(own.rule(site, day), "strategy", None)
            for site in ("03", "04")
            for day in (dt.date(2021, 12, 31), dt.date(2022, 1, 1))
        ]
        assert strategies == ["critical", "all", "critical", "critical"]

    def test_a_plan_without_a_default_asks_nothing(self) -> None:
        """ECRF-287: (and publishing refuses it)."""
        assert Plan.model_construct(default=(), sites=()).rule("01", dt.date(2024, 1, 1)) is None


class TestSample:
    def test_a_site_has_its_share_in_every_full_block(self) -> None:
        """ECRF-288: 20 of 100 are one of every five codes of each site, whatever the seed."""
        for seed in ("seed-one", "seed-two"):
            for site in range(1, 19):
                codes = [f"{site:02d}-{number:03d}" for number in range(1, 11)]
                picked = [drawn(code, seed=seed, share=20) for code in codes]
                assert (sum(picked[:5]), sum(picked[5:])) == (1, 1)

    @given(st.text(min_size=1, max_size=20), st.integers(1, 99), st.integers(1, 400))
    def test_the_draw_is_a_function_of_seed_and_code_alone(self, seed: str, share: int, number: int) -> None:
        """ECRF-289: drawn again it is the same, and 100 codes hold exactly their share."""
        code = f"07-{number:03d}"
        assert drawn(code, seed=seed, share=share) is drawn(code, seed=seed, share=share)
        assert sum(drawn(f"07-{n:03d}", seed=seed, share=share) for n in range(1, 101)) == share

    def test_the_draw_never_moves(self) -> None:
        """ECRF-290: known draws of a known seed, so that no later code can change what was drawn."""
        picked = [n for n in range(1, 21) if drawn(f"01-{n:03d}", seed="StORM-01/SDV/2020-06", share=20)]
        assert picked == [3, 8, 15, 18]

    def test_other_seeds_and_sites_draw_others(self) -> None:
        """ECRF-291: the place in a block is not the same everywhere."""
        seen = {
            tuple(drawn(f"{site:02d}-{n:03d}", seed=seed, share=20) for n in range(1, 6))
            for site in range(1, 19)
            for seed in ("seed-one", "seed-two")
        }
        assert len(seen) == 5

    def test_the_edges(self) -> None:
        """ECRF-292: nobody, everybody, and a code that is no site and number."""
        assert not drawn("01-001", seed="s", share=0)
        assert drawn("01-001", seed="s", share=100)
        odd = [drawn(f"x{n}", seed="s", share=20) for n in range(500)]
        assert 60 < sum(odd) < 140


class TestRequired:
    def test_what_each_strategy_asks_for(self, storm: Definition) -> None:
        """ECRF-293: all but calculated items; critical ones; named forms in full; drawn participants in full."""
        form, death = storm.form("vitals_performance"), storm.form("death")
        everything = {item.id for item in form.items.values() if not item.is_derived}
        critical = {item.id for item in form.items.values() if item.critical}
        assert critical < everything
        assert required_items(None, form, "01-001") == frozenset()
        assert required_items(rule(strategy="all"), form, "01-001") == everything
        assert required_items(rule(), form, "01-001") == critical
        assert required_items(rule(level="form"), form, "01-001") == everything
        assert required_items(rule(forms=["death"]), death, "01-001") == set(death.items)
        sample = rule(strategy="sample", share=20, seed="a seed of words")
        asked = [required_items(sample, form, f"01-{n:03d}") for n in range(1, 6)]
        assert sorted(map(len, asked)) == sorted([len(everything), *[len(critical)] * 4])

    def test_what_is_empty_hidden_or_calculated_has_no_source(self, storm: Definition) -> None:
        """ECRF-294: only values that stand in the form; a missing code is one."""
        form = storm.form("vitals_performance")
        group = form.group_of("weight").id
        row = {"_id": "", "weight": {"value": "80"}, "height": {"missing": "ND"}, "bmi": {"value": "25"}}
        assert filled_values(form, {group: [row]}) == {("", "weight"), ("", "height")}
        hidden = {group: [row | {"_hidden": ["weight"]}]}
        assert required_values(rule(strategy="all"), form, "01-001", hidden) == {("", "height")}

    def test_storm01_asks_for_what_decides_the_trial(self, storm: Definition) -> None:
        """ECRF-295: consent, criteria, lesions, dose, seriousness and grade, progression and death, of everybody."""
        found = storm.section(NAME)
        code = next(f"01-{n:03d}" for n in range(1, 6) if not found.default[0].draws(f"01-{n:03d}"))
        wanted = {
            "consent": {"signed_on", "document_version"},
            "eligibility": {"i07", "e01"},
            "lesion": {"organ"},
            "srt_course": {"dose_per_fraction", "fractions"},
            "adverse_event": {"serious", "grade", "term"},
            "progression": {"progressed_on"},
            "death": {"died_on", "cause"},
        }
        for form, items in wanted.items():
            asked = required_items(found.rule("01", dt.date(2024, 1, 1)), storm.form(form), code)
            assert items <= asked, (form, items - asked)
        quality = required_items(found.rule("01", dt.date(2024, 1, 1)), storm.form("quality_of_life"), code)
        assert len(quality) < len([i for i in storm.form("quality_of_life").items.values() if not i.is_derived])


GOOD = "default:\n  - {from: 2020-06-01, strategy: all, label: {en: A, fr: A}}\n"
SAMPLE = "default:\n  - {from: 2020-06-01, strategy: sample, %s label: {en: A, fr: A}, forms: [vitals]}\n"
CASES = {
    "DEF150": "default: []\n",
    "DEF151": GOOD.replace("strategy: all", "strategy: all, forms: [vitls]"),
    "DEF152": GOOD.replace("strategy: all", "strategy: all, forms: [vitals, vitals]"),
    "DEF153": SAMPLE % "share: 20,",
    "DEF154": SAMPLE % "share: 120, seed: abcdefgh,",
    "DEF155": GOOD.replace("strategy: all", "strategy: all, share: 20"),
    "DEF156": GOOD + "  - {from: 2020-06-01, strategy: all, label: {en: B, fr: B}}\n",
    "DEF157": SAMPLE % "share: 20, seed: abc,",
    "DEF158": GOOD.replace("strategy: all", "strategy: critical"),
    "DEF159": GOOD + 'sites:\n  - {site: "Caen 1", from: 2021-01-01, strategy: all, label: {en: C, fr: C}}\n',
}


@pytest.fixture
def known() -> sections.Registry:
    registry = sections.Registry()
    registry.register(NAME, Plan, validate)
    return registry


@pytest.mark.parametrize("code", CASES)
def test_each_fault_of_a_plan_is_told_at_its_place(code: str, tmp_path: Path, known: sections.Registry) -> None:
    """ECRF-296: code, file, line, fault and remedy; nothing is published."""
    text = CASES[code]
    definition, problems = load_folder(
        write(tmp_path, {f"{NAME}.yaml": text}),
        section_registry=known,
    )
    assert [(p.code, p.file) for p in problems if p.is_error] == [(code, "verification.yaml")], problems
    found = next(p for p in problems if p.is_error)
    assert found.fault and found.remedy and found.line is not None
    assert definition is None


def test_every_code_of_the_plan_is_tried() -> None:
    """ECRF-297: a code without a case is one that nobody has seen work."""
    assert set(CASES) == set(PROBLEMS)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("default:\n  - {from: someday, strategy: all, label: {en: A, fr: A}}\n", "DEF019"),
        ("default:\n  - {from: 2020-06-01, strategy: most, label: {en: A, fr: A}}\n", "DEF016"),
        ("default:\n  - {from: 2020-06-01, strategy: all, label: {en: A, fr: A}, leval: item}\n", "DEF010"),
        ("default:\n  - {strategy: all, label: {en: A, fr: A}}\n", "DEF011"),
        ("strategy: all\n", "DEF010"),
    ],
)
def test_the_shape_of_a_plan_is_checked_too(text: str, code: str, tmp_path: Path, known: sections.Registry) -> None:
    """ECRF-298: dates, words and keys, with the general catalogue."""
    _definition, problems = load_folder(write(tmp_path, {f"{NAME}.yaml": text}), section_registry=known)
    assert code in [problem.code for problem in problems], problems


def test_a_plan_is_the_same_after_it_was_stored(tmp_path: Path, known: sections.Registry) -> None:
    """ECRF-299: the seed is in the stored definition, under its hash."""
    text = (SAMPLE % "share: 20, seed: abcdefgh,") + (
        'sites:\n  - {site: "03", from: 2021-01-01, strategy: all, label: {en: C, fr: C}}\n'
    )
    definition, problems = load_folder(write(tmp_path, {f"{NAME}.yaml": text}), section_registry=known)
    assert definition is not None, problems
    again = Definition.from_json(definition.to_json(), section_registry=known)
    assert again.section(NAME) == definition.section(NAME)
    assert again.section(NAME).default[0].seed == "abcdefgh"
    assert again.content_hash == definition.content_hash
