"""What each item feeds and is fed by, over a whole study."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trial.definition.small_study import replaced, write
from trial.definition import load_folder
from trial.definition.uses import Reader, downstream, sources
from trial.definitions import definition_of, latest_version
from trial.uses_words import UsesWords


@pytest.mark.django_db
def test_a_lesion_size_leads_to_the_response() -> None:
    """ECRF-460: in storm01, from one diameter to the response, the checks, the criteria."""
    definition = definition_of(latest_version().pk)
    readers = definition.readers["tumour_assessment", "diameter"]
    assert Reader("derived", "tumour_assessment", "sum_diameters") in readers
    assert Reader("check", "tumour_assessment", "absent_is_zero") in readers
    compared = Reader("compares_with", "tumour_assessment", "diameter")
    assert compared in definition.readers["baseline_lesions", "diameter"]
    reached = {node for level in downstream(definition, ("tumour_assessment", "diameter")) for node in level}
    assert {
        ("tumour_assessment", item)
        for item in ("sum_diameters", "nadir", "change_from_baseline", "change_from_nadir", "target_computed")
    } <= reached
    size = {(reader.kind, reader.target) for reader in definition.readers["oligoprogression", "size_second"]}
    assert ("check", "progressing_size") in size
    onward = [node for level in downstream(definition, ("oligoprogression", "size_second")) for node in level]
    assert any(reader.kind == "criterion" for node in onward for reader in definition.readers.get(node, ()))


@pytest.mark.django_db
def test_everything_that_names_an_item_is_among_its_readers() -> None:
    """ECRF-461: criteria, strata, clocks, milestones, identity, dates, links and lanes of the timeline."""
    definition = definition_of(latest_version().pk)

    def kinds(form: str, item: str) -> set[tuple[str, str]]:
        return {(reader.kind, reader.form) for reader in definition.readers[form, item]}

    assert ("section", "randomization") in kinds("systemic_ongoing", "contains_ici")
    assert {("section", "safety"), ("section", "timeline")} <= kinds("adverse_event", "grade")
    assert ("section", "safety") in kinds("serious_adverse_event", "aware_at")
    assert ("milestone", "") in kinds("progression", "progressed_on")
    assert ("identity", "") in kinds("demographics", "sex")
    assert ("consent", "") in kinds("consent", "signed_on")
    assert ("date", "laboratory") in kinds("laboratory", "sampled_on")
    assert ("title", "lesion") in kinds("lesion", "lesion_number")
    assert ("opens_with", "tumour_assessment") in kinds("lesion", "category")
    assert ("link", "srt_course") in {(r.kind, r.form) for r in definition.readers["lesion", ""]}
    judged = next(c for c in definition.criteria if c.judged)
    form, _dot, item = (judged.judged or "").partition(".")
    assert Reader("judged", "", judged.id) in definition.readers[form, item]


def test_sources_are_told_of_what_begins_and_compares(tmp_path: Path) -> None:
    """ECRF-462: a small study: the entry of the log, and the circle of a derived item, are followed once."""
    definition, problems = load_folder(
        write(tmp_path, replaced("forms/vitals.yaml", "sbp / 2 if sbp > 0 else 0", "sbp / 2"))
    )
    assert definition is not None, problems
    vitals = definition.form("vitals")
    assert [ref.item for ref in sources(definition, vitals, vitals.item("bmi"))] == ["index"]
    assert downstream(definition, ("vitals", "sbp")) == [[("vitals", "index")], [("vitals", "bmi")]]
    assert downstream(definition, ("vitals", "bmi")) == []


@pytest.mark.django_db
def test_each_reader_has_words_and_an_address() -> None:
    """ECRF-463: in both languages, with no id of the study's text left where words exist."""
    definition = definition_of(latest_version().pk)
    for locale in ("en", "fr"):
        words = UsesWords(definition, locale, "version=1")
        for form in definition.forms.values():
            for item in form.items.values():
                for said in (*words.feeds(form, item), *words.fed_by(form, item)):
                    assert said["text"] and "%(" not in said["text"]
                    assert said["url"] == "" or "version=1" in said["url"]
    diameter = definition.form("tumour_assessment").item("diameter")
    texts = {each["text"] for each in UsesWords(definition, "en").feeds(definition.form("tumour_assessment"), diameter)}
    assert "calculation of “Sum of diameters”" in texts
