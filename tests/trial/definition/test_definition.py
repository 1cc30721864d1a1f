"""What a definition answers, how it is stored, and what its expressions know."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.trial.definition.small_study import replaced, write
from trial.definition import Definition, Use, load_folder, sections
from trial.definition.model import Form, Item
from trial.definition.sections import SectionExpression
from trial.language import DictContext, Kind, Ref


class StrataSection(sections.Part):
    """A section of a room above, for these tests."""

    when: str


REGISTRY = sections.Registry()
REGISTRY.register(
    "strata", StrataSection, None, lambda section: [SectionExpression("x", ("when",), section.when, Kind.BOOL)]
)


def load(folder: Path, changes: dict[str, Any] | None = None) -> Definition:
    definition, problems = load_folder(write(folder, changes), section_registry=REGISTRY)
    assert definition is not None, [str(problem) for problem in problems]
    return definition


@pytest.fixture
def definition(tmp_path: Path) -> Definition:
    return load(tmp_path, {"strata.yaml": "when: \"consent.sex == 'F'\"\n"})


def test_lookups(definition: Definition) -> None:
    """DEF-030: forms, items, groups, visits, codelists and labels are found by id."""
    assert list(definition.forms) == ["consent", "vitals", "dose", "end", "lesion", "event"]
    assert definition.form("vitals").item("sbp").unit == "mmHg"
    assert definition.form("vitals").group_of("drug_to").id == "drugs"
    assert definition.item("lesion.size").type.value == "decimal"
    assert [visit.id for visit in definition.visits] == ["SCR", "M3", "M6", "DOSE", "END"]
    assert definition.visit("M6").label == {"en": "Month 6", "fr": "Mois 6"}
    assert definition.visit("M6").offset.months == 6
    assert [visit.id for visit in definition.visits_for("path_b")] == ["SCR", "M3", "M6", "END"]
    assert [visit.id for visit in definition.visits_for(None)] == ["SCR", "M3", "M6", "END"]
    assert [visit.id for visit in definition.visits_with("vitals")] == ["SCR", "M3", "M6"]
    assert [form.id for form in definition.log_forms] == ["lesion", "event"]
    assert [criterion.id for criterion in definition.criteria] == ["I1", "E1"]
    assert definition.parameters["max_size"].value == Decimal(40)
    assert list(definition.arms) == ["A", "B"]
    assert definition.section("strata").when == "consent.sex == 'F'"
    assert definition.section("nothing") is None
    assert [check.id for check in definition.checks_for("vitals")] == ["drug_dates", "few_drugs"]
    for missing in (
        lambda: definition.form("x"),
        lambda: definition.visit("M4"),
        lambda: definition.item("vitals.x"),
        lambda: definition.codelist("x"),
        lambda: definition.visits_for("x"),
    ):
        with pytest.raises(KeyError):
            missing()


def test_words_in_a_locale(definition: Definition) -> None:
    """DEF-031: a label speaks the locale, else the study's first language."""
    label = definition.visit("SCR").label
    assert definition.text(label, "fr") == "Sélection"
    assert definition.text(label, "fr-ca") == "Sélection"
    assert definition.text(label, "de") == "Screening"
    assert definition.text(None, "fr") == ""


def test_the_language_s_view_of_an_item(definition: Definition) -> None:
    """DEF-032: units, codes and limits reach the language as it wants them."""
    spec = definition.spec("vitals", "weight")
    assert (spec.unit, spec.units, spec.decimals) == ("kg", (("lb", Decimal("0.45359237"), Decimal(0)),), 1)
    assert list(definition.spec("vitals", "ecog").codes) == ["0", "1"]
    assert definition.spec("vitals", "sbp").maximum == Decimal(300)
    assert definition.spec("vitals", "sbp").missing_codes == ("ND", "UNK", "NA")


def test_what_reveals_the_arm(definition: Definition) -> None:
    """DEF-033: visits of one pathway, forms only there, and their items reveal; doubt reveals too."""
    assert definition.reveals_arm(visit_id="DOSE")
    assert definition.reveals_arm("dose")
    assert definition.reveals_arm("dose", "given")
    assert not definition.reveals_arm("vitals")
    assert not definition.reveals_arm("vitals", "sbp", visit_id="M3")
    assert definition.reveals_arm("vitals", "sbp", visit_id="DOSE")
    assert definition.reveals_arm("nothing")
    assert definition.reveals_arm("vitals", "nothing")
    assert definition.reveals_arm(visit_id="nothing")


def test_a_form_only_at_revealing_visits_reveals_by_inheritance(tmp_path: Path) -> None:
    """DEF-034: neither the visit nor the form needs to say what the pathway says already."""
    changes = {
        **replaced("schedule.yaml", "    reveals_arm: true\n", ""),
        **replaced("forms/dose.yaml", "reveals_arm: true\n", ""),
    }
    definition = load(tmp_path, changes)
    assert definition.reveals_arm(visit_id="DOSE")
    assert definition.reveals_arm("dose", "given")


def test_an_item_or_a_group_can_reveal_alone(tmp_path: Path) -> None:
    """DEF-035: the rest of the form stays visible."""
    definition = load(
        tmp_path, replaced("forms/vitals.yaml", "repeating: true", "repeating: true\n    reveals_arm: true")
    )
    assert definition.reveals_arm("vitals", "drug_to")
    assert not definition.reveals_arm("vitals", "sbp")
    assert not definition.reveals_arm("vitals")


def test_expressions_are_compiled_in_order_and_know_what_they_read(definition: Definition) -> None:
    """DEF-036: derivations by need, checks by row or by record, and who feeds whom."""
    compiled = definition.compiled
    vitals = compiled.forms["vitals"]
    assert list(vitals.derived) == ["index", "bmi"]
    assert vitals.checks["drug_dates"].group == "drugs"
    assert vitals.checks["few_drugs"].group is None
    assert list(vitals.groups_shown_when) == ["drugs"]
    assert list(vitals.items_shown_when) == ["height"]
    assert definition.feeds("vitals", "index") == (Use("derived", "vitals", "bmi"),)
    assert Use("shown_when", "vitals", "drugs") in definition.feeds("vitals", "ecog")
    assert definition.feeds("lesion", "size") == (Use("criterion", "", "I1"),)
    assert definition.feeds("consent", "sex") == (Use("section", "strata", "x"),)
    assert definition.fed_by("vitals", "bmi") == (Ref("item", form="vitals", item="index"),)
    assert definition.fed_by("vitals", "drug_to") == (Ref("item", form="vitals", item="ecog"),)
    assert definition.fed_by("vitals", "sbp") == ()
    assert definition.forms_read_by("vitals") == frozenset()
    assert "x" in compiled.sections["strata"]


def test_expressions_evaluate(definition: Definition) -> None:
    """DEF-037: what was compiled here answers on data, with references that name their form."""
    context = DictContext({"vitals.sbp": 120, "vitals.index": Decimal(60), "param.max_size": Decimal(40)})
    assert definition.compiled.forms["vitals"].derived["index"].evaluate(context) == 60
    context.lists = {"lesion": [{"lesion.size": Decimal(12)}, {"lesion.size": Decimal(41)}]}
    assert definition.compiled.criteria["I1"].evaluate(context) is False


def test_forms_that_must_be_at_hand(tmp_path: Path) -> None:
    """DEF-038: other forms, earlier visits of the form itself, and other entries of a log form are named."""
    text = "sbp / 2 if sbp > 0 else 0"
    definition = load(
        tmp_path, replaced("forms/vitals.yaml", text, "previous.sbp + sbp if end.died_on > done_on else 0")
    )
    assert definition.forms_read_by("vitals") == {"vitals", "end"}
    assert definition.forms_fed_by("end") == {"vitals"}
    assert definition.forms_fed_by("lesion") == frozenset()


def test_json_round_trip_is_exact(definition: Definition) -> None:
    """DEF-039: through JSON text and back, the definition, its text and its hash are the same."""
    stored = definition.to_json()
    again = Definition.from_json(json.loads(json.dumps(stored)), section_registry=REGISTRY)
    assert again == definition
    assert again.to_json() == stored
    assert again.content_hash == definition.content_hash
    assert again.forms == definition.forms
    assert list(again.forms) == list(definition.forms)
    assert again.visits == definition.visits
    assert list(again.compiled.forms["vitals"].derived) == ["index", "bmi"]


def test_a_section_of_a_room_that_is_not_there_is_kept(definition: Definition) -> None:
    """DEF-040: reading a version without the room that owns a section loses nothing of it."""
    without = Definition.from_json(definition.to_json(), section_registry=sections.Registry())
    assert without.section("strata") is None
    assert without.to_json() == definition.to_json()
    assert without.content_hash == definition.content_hash


def test_what_was_not_stored_by_us_is_refused(definition: Definition) -> None:
    """DEF-041: another format or a foreign key is refused, not guessed."""
    with pytest.raises(ValueError, match="format"):
        Definition.from_json({**definition.to_json(), "format": 99}, section_registry=REGISTRY)
    stored = definition.to_json()
    stored["forms"][0]["surprise"] = 1
    with pytest.raises(ValidationError):
        Definition.from_json(stored, section_registry=REGISTRY)


def test_the_hash_is_of_the_content_not_of_the_writing(tmp_path: Path, definition: Definition) -> None:
    """DEF-042: comments, order of keys and quotes do not change the hash; a word of a label does."""
    changes: dict[str, Any] = {
        "strata.yaml": "# a comment\nwhen: consent.sex == 'F'\n",
        **replaced("forms/vitals.yaml", "min: 40\n          max: 300", "max: 300\n          min: 40"),
    }
    assert load(tmp_path / "same", changes).content_hash == definition.content_hash
    changes |= replaced("forms/end.yaml", "fr: Décès", "fr: Mort")
    assert load(tmp_path / "other", changes).content_hash != definition.content_hash


def test_nothing_in_a_definition_can_be_set(definition: Definition) -> None:
    """DEF-043: a definition serves many requests, so none may change it."""
    with pytest.raises(ValidationError):
        definition.form("vitals").kind = "log"  # type: ignore[assignment]
    with pytest.raises(TypeError):
        definition.forms["x"] = definition.form("vitals")


numbers = st.decimals(min_value=-1000, max_value=1000, places=3).map(str)
words = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
labels = st.fixed_dictionaries({"en": words.filter(str.strip), "fr": words.filter(str.strip)})


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["decimal", "integer"]), "label": labels},
            optional={
                "unit": words,
                "decimals": st.integers(0, 10),
                "range": st.fixed_dictionaries({}, optional={"min": numbers, "max": numbers, "soft_min": numbers}),
                "required": st.booleans(),
                "missing": st.lists(st.sampled_from(["ND", "UNK", "NA"]), unique=True),
                "answered_by": st.lists(st.sampled_from(["investigator", "monitor"]), unique=True),
            },
        ),
        min_size=1,
        max_size=5,
    )
)
def test_forms_round_trip(items: list[dict[str, Any]]) -> None:
    """DEF-044: any form is the same after JSON, decimals digit by digit."""
    content = {
        "id": "f",
        "kind": "visit",
        "label": {"en": "F", "fr": "F"},
        "groups": [{"id": "g", "label": {"en": "G"}, "items": [{"id": f"i{n}", **i} for n, i in enumerate(items)]}],
    }
    form = Form.model_validate(content)
    stored = json.loads(json.dumps(form.model_dump(mode="json", by_alias=True, exclude_defaults=True)))
    again = Form.model_validate(stored)
    assert again == form
    assert again.model_dump(mode="json", by_alias=True, exclude_defaults=True) == stored
    for number, written in enumerate(items):
        limits = again.item(f"i{number}").range
        if "min" in written.get("range", {}):
            assert limits is not None
            assert str(limits.min) == written["range"]["min"]


def test_defaults_of_an_item() -> None:
    """DEF-045: what an item does when it says nothing is part of what is stored; these may never change."""
    item = Item.model_validate({"id": "a", "type": "text", "label": {"en": "A"}})
    assert item.missing == ("ND", "UNK", "NA")
    assert (item.required, item.future, item.critical, item.reveals_arm) == (False, False, False, False)
