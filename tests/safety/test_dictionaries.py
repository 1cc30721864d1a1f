"""The toxicity dictionary: what is shipped equals what the NCI published; search; import; faults by name."""

# mypy: disable-error-code="union-attr, operator, arg-type, misc"

import csv
import os
import shutil
import statistics
import time
import warnings
from pathlib import Path

import openpyxl
import pytest
from django.core.management import CommandError, call_command

from safety.dictionaries import ctcae
from safety.dictionaries.ctcae import DictionaryError, load, normalize
from safety.dictionaries.workbook import WorkbookError, read_ncicb_workbook

REPOSITORY = Path(__file__).resolve().parents[2]
WORKBOOK = REPOSITORY.parent / "shared" / "data" / "ctcae" / "ctcae-v6.0.xlsx"


@pytest.fixture(scope="module")
def published():
    """The published workbook, read once."""
    if not WORKBOOK.exists():
        message = (
            f"NOT CHECKED against the NCI workbook: {WORKBOOK.name} is not beside the repository (shared/data/ctcae)."
        )
        warnings.warn(message, stacklevel=1)
        pytest.skip(message)
    return read_ncicb_workbook(WORKBOOK)


@pytest.fixture
def v5():
    return load("5.0")


def labels(terms, locale="en"):
    return [term.label_in(locale) for term in terms]


# The shipped working set


def test_every_shipped_term_equals_the_publication(published, v5):
    """SAF-040: code, class, term and exactly the grades that exist, for every term that is shipped."""
    official = {term.code: term for term in published["5.0"]}

    for term in v5:
        source = official[term.code]
        assert (term.label, term.soc, term.grades) == (source.term, source.soc, tuple(sorted(source.grades)))


def test_the_working_set_covers_every_class(published, v5):
    """SAF-041: 180 to 250 terms, every class of v5.0, each with its "Other, specify"."""
    assert 180 <= len(v5) <= 250
    others = [term for term in v5 if term.needs_text]
    assert len(others) == len({term.soc for term in others}) == 26
    assert {term.soc for term in others} == {term.soc for term in published["5.0"]}


def test_what_the_trial_needs_is_there(v5):
    """SAF-042: effects of SRT, TKI and checkpoint inhibitors that FACTS 4.1 names, as far as v5.0 has them."""
    for code in (
        "10035742",  # pneumonitis
        "10061103",  # dermatitis radiation
        "10037767",  # radiation recall reaction
        "10017076",  # fracture
        "10041569",  # spinal fracture, a term of v5.0 only
        "10028524",  # myelitis
        "10065417",  # brachial plexopathy
        "10015461",  # esophagitis
        "10017822",  # gastric ulcer
        "10013836",  # duodenal ulcer
        "10009887",  # colitis
        "10045158",  # tumor pain
        "10037383",  # pulmonary fibrosis
        "10031264",  # osteonecrosis
        "10016256",  # fatigue
        "10011368",  # creatinine increased
        "10054524",  # palmar-plantar erythrodysesthesia
        "10021114",  # hypothyroidism
        "10020772",  # hypertension
        "10037032",  # proteinuria
    ):
        assert code in v5


@pytest.mark.parametrize(
    ("code", "grades"),
    [
        ("10016288", (3, 4, 5)),  # febrile neutropenia
        ("10001760", (1, 2)),  # alopecia
        ("10011914", (5,)),  # death NOS
        ("10014950", (1, 3)),  # eosinophilia
        ("10016256", (1, 2, 3)),  # fatigue
        ("10035742", (1, 2, 3, 4, 5)),  # pneumonitis
    ],
)
def test_only_the_grades_that_exist(v5, code, grades):
    """SAF-043: a grade that CTCAE does not have is not there to be chosen."""
    assert v5.get(code).grades == grades


def test_every_shipped_term_has_a_french_label_of_its_own(v5):
    """SAF-044: French for every term and class; no two terms share a label in either language."""
    for locale in ("en", "fr"):
        assert len({normalize(term.label_in(locale)) for term in v5}) == len(v5)
    assert all(term.label_fr and term.soc_fr for term in v5)
    assert v5.get("10035742").soc_in("fr") == "Affections respiratoires, thoraciques et médiastinales"
    assert all(term.label_fr.endswith("Autre, à préciser") == term.needs_text for term in v5)


def test_the_grade_texts_are_not_shipped(v5):
    """SAF-045: terms and grades only; the text of definitions and grades is imported, never copied."""
    with (ctcae.SHIPPED / "ctcae-v5.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == list(ctcae.COLUMNS)
    assert not any(term.definition or term.descriptions for term in v5)


# Search


@pytest.mark.parametrize(
    ("text", "locale", "first"),
    [
        ("pneumonitis", "en", "Pneumonitis"),
        ("fract", "en", "Fracture"),
        ("rash mac", "en", "Rash maculo-papular"),
        ("maculo rash", "en", "Rash maculo-papular"),
        ("Palmar–plantar", "en", "Palmar-plantar erythrodysesthesia syndrome"),
        ("oesophagite", "fr", "Œsophagite"),
        ("Œsophagite", "fr", "Œsophagite"),
        ("OESOPH", "fr", "Œsophagite"),
        ("neutropenie febrile", "fr", "Neutropénie fébrile"),
        ("douleur d’un membre", "fr", "Douleur d'un membre"),
        ("asat", "fr", "Aspartate aminotransférase (ASAT) augmentée"),
        ("10035742", "fr", "Pneumopathie inflammatoire"),
    ],
)
def test_search_finds_first(v5, text, locale, first):
    """SAF-046: accents, ligatures, case and punctuation do not matter; words may come in any order; a code is found."""
    assert labels(v5.search(text, locale), locale)[0] == first


def test_search_ranks(v5):
    """SAF-047: the label itself, then labels that begin so, then words within, shorter first, "Other" last."""
    assert labels(v5.search("pain"))[0] == "Pain"
    hyper = labels(v5.search("hyper", limit=50))
    assert hyper.index("Hypertension") < hyper.index("Skin hyperpigmentation")
    infections = v5.search("infection", limit=50)
    assert infections[-1].label == "Infections and infestations - Other, specify"
    assert labels(v5.search("nephrotic syn")) == ["Nephrotic syndrome"]
    assert "Hyperthyroidism" in labels(v5.search("thyroid"))  # within a word, from three letters on
    assert "Hyperthyroidism" not in labels(v5.search("th", limit=250))


def test_french_search_falls_back_on_english(v5):
    """SAF-048: the English term is found in French too, behind the French ones, each term once."""
    assert labels(v5.search("hot flash", "fr"), "fr") == ["Bouffées de chaleur"]
    assert v5.search("bouffées", "en") == []
    found = v5.search("fatigue", "fr", limit=50)
    assert len(found) == len({term.code for term in found})


@pytest.mark.parametrize("text", ["", "   ", "—", "zzzz", "99999999", "%_'\"\\", "é" * 5000])
def test_search_of_nothing_finds_nothing(v5, text):
    """SAF-049: whatever is typed, an answer and no error."""
    assert v5.search(text, "fr") == []


def test_search_is_bounded(v5):
    """SAF-050: never more than was asked for."""
    assert len(v5.search("a", limit=7)) == 7
    assert v5.search("a", limit=0) == []


SLOWEST = ("a", "e", "pn", "douleur thoracique", "other specify", "q" * 200)


def seconds(dictionary, text):
    """The processor's time for one search, the median of several."""
    times = []
    for _ in range(15):
        before = time.thread_time()
        dictionary.search(text, "fr")
        times.append(time.thread_time() - before)
    return statistics.median(times)


def test_search_is_quick(v5):
    """SAF-051: at most 2 ms each, both languages, the worst cases included."""
    for text in SLOWEST:
        assert seconds(v5, text) <= 0.002, text


# Loading


def test_load_keeps_what_it_read_until_the_file_changes(tmp_path):
    """SAF-052: read once; a new file is seen."""
    shutil.copy(ctcae.SHIPPED / "ctcae-v5.csv", tmp_path)
    target = tmp_path / "ctcae-v5.csv"

    first = load("5.0", tmp_path)
    assert load("5.0", tmp_path) is first
    lines = target.read_text(encoding="utf-8").splitlines(keepends=True)
    target.write_text("".join(lines[:11]), encoding="utf-8")
    stamp = time.time_ns() + 10**9
    os.utime(target, ns=(stamp, stamp))

    assert len(load("5.0", tmp_path)) == 10


def test_a_version_that_was_not_imported_says_how():
    """SAF-053: v6.0 is imported, and the message says by what."""
    with pytest.raises(DictionaryError, match="import_ctcae"):
        load("6.0")


@pytest.mark.parametrize("version", ["", "v5", "../5", "5.0/..", "0", "five", "5.0\n"])
def test_a_version_is_a_number(version):
    """SAF-054: a version never becomes a path."""
    with pytest.raises(DictionaryError, match="no version"):
        load(version)


HEAD = "code,soc,term,label_fr,grades\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "code, soc, term, label_fr, grades is missing"),
        ("code,term\n", "soc, label_fr, grades is missing"),
        (HEAD, "no term"),
        (HEAD + "123,S,T,L,12\n", "line 2: '123' is not a MedDRA code"),
        (HEAD + "10000001,S,T,L,12\n10000001,S,U,L,12\n", "line 3: code 10000001 stands there twice"),
        (HEAD + "10000001,S,,L,12\n", "line 2: the term"),
        (HEAD + "10000001,S,T,L,\n", "line 2: '' are not grades"),
        (HEAD + "10000001,S,T,L,126\n", "'126' are not grades"),
        (HEAD + "10000001,S,T,L,21\n", "'21' are not grades"),
        (HEAD + "10000001,S,T\n", "a column is missing"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path, text, message):
    """SAF-055: no half dictionary."""
    target = tmp_path / "ctcae-v5.csv"
    target.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(DictionaryError, match=message):
        load("5.0", tmp_path)


# The workbook


def test_the_published_counts(published):
    """SAF-056: 837 terms of v5.0, 850 of v6.0, 26 classes and 26 "Other, specify" each (FACTS 4.1)."""
    assert {version: len(terms) for version, terms in published.items()} == {"5.0": 837, "6.0": 850}
    for terms in published.values():
        assert len({term.soc for term in terms}) == 26
        assert sum(term.term.endswith("Other, specify") for term in terms) == 26
        assert all(term.grades for term in terms)
        assert len({term.code for term in terms}) == len(terms)


def test_what_changed_between_the_versions(published):
    """SAF-057: traps that FACTS 4.1 names: no grade 1 of hypertension in v6.0, lymphopenia with grade 1 only."""
    five, six = ({term.term: term for term in published[version]} for version in ("5.0", "6.0"))

    assert sorted(five["Hypertension"].grades) == [1, 2, 3, 4, 5]
    assert sorted(six["Hypertension"].grades) == [2, 3, 4, 5]
    assert six["Lymphopenia"].grades == {1: "Present"}
    assert five["Death NOS"].grades == {5: "Death"}
    assert five["Anemia"].definition.startswith("A disorder characterized by")


def sheet(path, rows, title="Sheet"):
    """A workbook of one sheet."""
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


TABLE = [f"CTCAE v6.0 MedDRA 28.0 {name}" for name in ("LLT Code", "SOC", "Term")] + [
    f"Grade {grade} \xa0" for grade in range(1, 6)
]


def test_a_small_table_is_read(tmp_path):
    """SAF-058: a dash is a grade that does not exist; numbers and text are codes alike."""
    rows = [
        TABLE,
        [10000001, "Class ", "One", "-", "mild", None, "–", "Death"],
        [None] * 8,
        ["10000002", "Class", "Two", "a\nb"],
    ]

    found = read_ncicb_workbook(sheet(tmp_path / "b.xlsx", rows))

    assert list(found) == ["6.0"]
    assert [(term.code, term.soc, term.grades) for term in found["6.0"]] == [
        ("10000001", "Class", {2: "mild", 5: "Death"}),
        ("10000002", "Class", {1: "a b"}),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["nothing"]], "holds no sheet of CTCAE"),
        ([TABLE[1:], ["Class", "One", "x"]], "a column for code, class or term"),
        ([TABLE, ["", "Class", "One", "x"]], "line 2: code ''"),
        ([TABLE, [10000001, "Class", "One", "x"], [10000001, "Class", "Two", "x"]], "line 3: code 10000001"),
    ],
)
def test_a_wrong_workbook_is_refused_by_name(tmp_path, rows, message):
    """SAF-059: what is wrong, and in which line."""
    with pytest.raises(WorkbookError, match=message):
        read_ncicb_workbook(sheet(tmp_path / "b.xlsx", rows))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a workbook", b"code,soc,term"])
def test_what_is_no_workbook_is_refused(tmp_path, content):
    """SAF-060: a CSV file, a cut download, an empty file."""
    path = tmp_path / "b.xlsx"
    path.write_bytes(content)

    with pytest.raises(WorkbookError, match="not an Excel workbook"):
        read_ncicb_workbook(path)
    with pytest.raises(WorkbookError, match="not an Excel workbook"):
        read_ncicb_workbook(tmp_path / "missing.xlsx")


# The command


def test_import_writes_both_versions(published, tmp_path, capsys):
    """SAF-061: full dictionaries with grade texts, French labels where term and code agree, quick to search."""
    call_command("import_ctcae", str(WORKBOOK), "--out", str(tmp_path / "dictionaries"))

    five, six = (load(version, tmp_path / "dictionaries") for version in ("5.0", "6.0"))
    assert (len(five), len(six)) == (837, 850)
    assert "CTCAE 6.0: 850 terms" in capsys.readouterr().out
    assert [(t.code, t.label, t.grades) for t in six] == [
        (t.code, t.term, tuple(sorted(t.grades))) for t in published["6.0"]
    ]
    assert six.get("10035742").label_in("fr") == "Pneumopathie inflammatoire"
    assert six.get("10020772").grades == (2, 3, 4, 5)
    assert six.get("10020772").descriptions.keys() == {2, 3, 4, 5}
    assert five.get("10002272").definition
    for text in SLOWEST:
        assert seconds(five, text) <= 0.002, text


def test_import_of_one_version(tmp_path):
    """SAF-062: --release takes one and refuses what is not there, before anything is written."""
    path = sheet(tmp_path / "b.xlsx", [TABLE, [10000001, "Class", "One", "mild"]])

    with pytest.raises(CommandError, match=r"no version 5.0, only 6.0"):
        call_command("import_ctcae", str(path), "--out", str(tmp_path / "out"), "--release", "5.0")
    assert not (tmp_path / "out").exists()

    call_command("import_ctcae", str(path), "--out", str(tmp_path / "out"), "--release", "6.0")
    assert [term.label for term in load("6.0", tmp_path / "out")] == ["One"]


def test_import_overwrites_only_when_told(tmp_path):
    """SAF-063: a file that is there stays, unless --force; the shipped set is never touched; nothing half-written."""
    path = sheet(tmp_path / "b.xlsx", [TABLE, [10000001, "Class", "One", "mild"]])
    out = tmp_path / "out"
    out.mkdir()
    (out / "ctcae-v6.csv").write_text("mine", encoding="utf-8")

    with pytest.raises(CommandError, match="--force"):
        call_command("import_ctcae", str(path), "--out", str(out))
    assert (out / "ctcae-v6.csv").read_text(encoding="utf-8") == "mine"
    with pytest.raises(CommandError, match="working set"):
        call_command("import_ctcae", str(path), "--out", str(ctcae.SHIPPED), "--force")

    call_command("import_ctcae", str(path), "--out", str(out), "--force")
    assert len(load("6.0", out)) == 1
    assert [file.name for file in out.iterdir()] == ["ctcae-v6.csv"]


def test_import_of_a_wrong_workbook_writes_nothing(tmp_path):
    """SAF-064: the fault by name, and no folder."""
    path = sheet(tmp_path / "b.xlsx", [["nothing"]])

    with pytest.raises(CommandError, match="holds no sheet"):
        call_command("import_ctcae", str(path), "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
