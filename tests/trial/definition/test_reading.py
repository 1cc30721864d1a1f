"""Reading YAML: nothing that a file holds raises, and a path is found on its line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trial.definition.small_study import FILES, write
from trial.definition import load_folder, sections
from trial.definition.reading import Source, read

NOTHING = sections.Registry()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_told(content: bytes) -> None:
    """DEF-020: whatever a file holds, the answer is a source or a problem."""
    source, problems = read("a.yaml", content)
    assert source is not None or problems


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="abc:-[]{}&*!|>'\"#%,? \n\t0.~<", max_size=80))
def test_any_yaml_like_text_is_read_or_told(text: str) -> None:
    """DEF-021: as above, with the characters that YAML cares about."""
    source, problems = read("a.yaml", text.encode())
    assert source is not None or problems


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_damaged_study_never_raises(data: st.DataObject) -> None:
    """DEF-022: lines of a good study cut out, doubled or swapped give problems or a definition."""
    name = data.draw(st.sampled_from(sorted(FILES)))
    lines = FILES[name].split("\n")
    first = data.draw(st.integers(0, len(lines) - 1))
    second = data.draw(st.integers(0, len(lines) - 1))
    how = data.draw(st.sampled_from(["cut", "double", "swap", "indent", "value"]))
    if how == "cut":
        del lines[first : first + 1 + second % 4]
    elif how == "double":
        lines.insert(second, lines[first])
    elif how == "swap":
        lines[first], lines[second] = lines[second], lines[first]
    elif how == "indent":
        lines[first] = "  " + lines[first]
    else:
        key, colon, _ = lines[first].partition(":")
        wrong = data.draw(st.sampled_from(["", "[]", "{}", "[1, {a: b}]", "yes", "-1", "é", "'x'", "1e9999", "{n}"]))
        lines[first] = f"{key}{colon} {wrong}"
    with TemporaryDirectory() as folder:
        definition, problems = load_folder(write(Path(folder), {name: "\n".join(lines)}), section_registry=NOTHING)
    assert definition is not None or any(problem.is_error for problem in problems)


def test_lines_and_scalars() -> None:
    """DEF-023: plain scalars are read by YAML 1.2, and every node knows its line."""
    text = "a: on\nb: [1, 2.50, 007, 1e3]\nc:\n  - id: x\n    d: 2020-06-01\ne: 'true'\nf: true\ng: ~\n"
    source, problems = read("a.yaml", text.encode())
    assert problems == []
    assert isinstance(source, Source)
    assert source.data == {
        "a": "on",
        "b": [1, Decimal("2.50"), "007", "1e3"],
        "c": [{"id": "x", "d": "2020-06-01"}],
        "e": "true",
        "f": True,
        "g": None,
    }
    assert str(source.data["b"][1]) == "2.50"
    assert source.line(("c", 0, "d")) == 5
    assert source.line(("c", 0, "d", "nowhere")) == 5
    assert source.place(("c", 0, "d")) == "c › x › d"


def test_paths_after_pruning_lead_back_to_the_file() -> None:
    """DEF-024: when an element of a list is left out, the next ones keep their lines."""
    source, _ = read("a.yaml", b"v:\n  - {id: a}\n  - {id: b}\n  - {id: c}\n")
    assert source is not None
    source.pruned.add(("v", 0))
    assert source.view() == {"v": [{"id": "b"}, {"id": "c"}]}
    assert source.written(("v", 1, "id")) == ("v", 2, "id")
    assert source.line(source.written(("v", 1))) == 4
