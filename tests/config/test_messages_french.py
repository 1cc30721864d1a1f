"""The French catalogue is whole, well written, and what French-speaking people see."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from django.test import Client
from django.urls import get_resolver
from django.utils import translation
from django.utils.translation import trans_real

from config import extraction, messages
from ecrf.actions import data_queries
from ecrf.where import Where
from tests.cast import Cast
from tests.journeys.test_doors import addresses, filled
from trial.actions import people
from trial.language import MESSAGES
from trial.models import Delegation, Person

CATALOGUE = messages.LOCALE / "fr" / "LC_MESSAGES" / "django.po"


@pytest.fixture(scope="module")
def found() -> list[extraction.Message]:
    return extraction.collect()


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="fr", abort_invalid=True)


@pytest.fixture
def french() -> Iterator[None]:
    """The catalogue as it is now, compiled and loaded in this process."""
    messages.compile_all()
    trans_real._translations = {}
    trans_real._default = None
    with translation.override("fr"):
        yield


def words(string: Any) -> tuple[str, ...]:
    """The translation of an entry: one text, or one for each plural."""
    return tuple(string) if isinstance(string, tuple | list) else (string,)


# ---------------------------------------------------------------- the catalogue


def test_every_text_of_the_tree_is_in_french(found: list[extraction.Message], catalogue: Catalog) -> None:
    """I18N-001: whatever is marked has a finished translation; `python -m config.extraction` lists what has none."""
    missing = []
    for message in found:
        entry = catalogue.get(message.msgid, message.context or None)
        number = 2 if message.plural else 1
        if entry is None or entry.fuzzy or len(words(entry.string)) != number or not all(words(entry.string)):
            missing.append(f"{', '.join(sorted(message.files))}: {message.msgid}")
    assert missing == []


def test_the_catalogue_holds_nothing_else(found: list[extraction.Message], catalogue: Catalog) -> None:
    """I18N-002: a text that nothing says any more is taken out, not kept as obsolete."""
    wanted = {message.key for message in found}
    held = {(entry.context or "", words(entry.id)[0]) for entry in catalogue if entry.id}
    assert held - wanted == set()
    assert list(catalogue.obsolete) == []


def test_placeholders_are_those_of_the_english_text(catalogue: Catalog) -> None:
    """I18N-003: a name lost or misspelt in a translation would fail, or lie, on the page."""
    wrong = [
        (text, french)
        for entry in catalogue
        if entry.id
        for text, french in zip(words(entry.id), words(entry.string), strict=True)
        if extraction.placeholders(text) != extraction.placeholders(french)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("fault", "pattern"),
    [
        ("a straight apostrophe", r"\w'\w"),
        ("a straight double quote, which ends an attribute", r'"'),
        ("English quotes", r"[“”]"),
        ("three dots", r"\.\.\."),
        ("a blank that can break before a colon", r"[ \u202f]:(\s|$)"),
        ("no narrow blank before ; ! ?", r"(?<=[^\u202f\s])[;!?](\s|$)|[ \u00a0][;!?]"),
        ("no blank before a colon", r"[\w)»}]:(\s|$)"),
        ("a blank that can break inside guillemets", r"«[^\u00a0\u202f]|[^\u00a0\u202f]»"),
        (
            "a word that French trials do not use",
            r"(?i)coordonnateur|coordinateur|\bsite (?!.*reload)(?=investigateur)",
        ),
        ("two blanks", r"  "),
    ],
)
def test_french_is_typeset(catalogue: Catalog, fault: str, pattern: str) -> None:
    """I18N-004: typographic apostrophes and guillemets, and blanks that keep punctuation with its word."""
    wrong = [text for entry in catalogue if entry.id for text in words(entry.string) if re.search(pattern, text)]
    assert wrong == [], fault


def test_messages_of_the_study_language_are_among_them(french: None, found: list[extraction.Message]) -> None:
    """I18N-005: faults of typed values, marked without Django, speak French too."""
    marked = {message.msgid for message in found}
    assert set(MESSAGES.values()) <= marked
    assert translation.gettext("“{typed}” is not a number.").format(typed="abc") == "«\xa0abc\xa0» n’est pas un nombre."
    assert translation.ngettext("%(n)s day", "%(n)s days", 1) % {"n": 1} == "1 jour"
    assert translation.ngettext("%(n)s day", "%(n)s days", 0) % {"n": 0} == "0 jour"  # French counts zero as one
    assert translation.ngettext("%(n)s day", "%(n)s days", 2) % {"n": 2} == "2 jours"


# ---------------------------------------------------------------- extraction


def small_tree(root: Path, python: str, template: str = "") -> Path:
    for name in ("trial", "templates"):
        (root / name).mkdir()
    (root / "trial" / "words.py").write_text(python)
    (root / "templates" / "page.html").write_text(template)
    return root


def test_extraction_knows_every_way_to_mark_a_text(tmp_path: Path) -> None:
    """I18N-006: aliases, plurals, contexts, and texts of tags, filters' arguments and blocks."""
    python = (
        "from django.utils.translation import gettext as _, ngettext, pgettext as in_context\n"
        "from django.utils.translation import gettext_lazy as later\n"
        'A = _("Plain " "and joined")\nB = later("Later")\nC = in_context("site", "Open")\n'
        'D = ngettext("%(n)s day", "%(n)s days", 2)\nE = _(A)\n'
    )
    template = (
        '{% load i18n %}\n  {% translate "Tag" as tag %}{% translate "Open" context "account" %}\n'
        '{{ nothing|default:_("Argument") }}'
        "{% blocktranslate trimmed count n=n with b=a %}\n  {{ n }} of {{ b }}\n{% plural %}\n  {{ n }} all of {{ b }}"
        "\n{% endblocktranslate %}{# not {% translate 'this' %} #}"
    )
    found = extraction.collect(small_tree(tmp_path, python, template))
    assert {(message.context, message.msgid, message.plural) for message in found} == {
        ("", "Plain and joined", ""),
        ("", "Later", ""),
        ("site", "Open", ""),
        ("", "%(n)s day", "%(n)s days"),
        ("", "Tag", ""),
        ("account", "Open", ""),
        ("", "Argument", ""),
        ("", "%(n)s of %(b)s", "%(n)s all of %(b)s"),
    }
    assert {message.msgid for message in found if message.files == {"templates/page.html"}} >= {"Tag", "Argument"}


def test_a_text_that_no_catalogue_can_find_is_refused(tmp_path: Path) -> None:
    """I18N-007: an f-string is filled before it is looked up."""
    python = 'from django.utils.translation import gettext as _\nname = ""\nA = _(f"Hello {name}")\n'
    with pytest.raises(ValueError, match=r"words\.py:3: an f-string cannot be translated"):
        extraction.collect(small_tree(tmp_path, python))


def test_an_update_keeps_translations_and_drops_what_is_gone(tmp_path: Path) -> None:
    """I18N-008: nothing is guessed: a new text is empty, an unused one leaves."""
    path = tmp_path / "django.po"
    path.write_text('msgid "Kept"\nmsgstr "Gardé"\n\nmsgid "Gone"\nmsgstr "Parti"\n')
    texts = [
        extraction.Message("Kept", files={"a.py"}),
        extraction.Message("New", files={"b.py"}),
        extraction.Message("Kept", context="other", files={"b.py"}),
    ]
    missing, dropped = extraction.update(path, texts, locale="fr")
    assert [message.key for message in missing] == [("", "New"), ("other", "Kept")]
    assert dropped == ["Gone"]
    before = path.read_bytes()
    extraction.update(path, texts, locale="fr")
    assert path.read_bytes() == before
    with path.open("rb") as file:
        assert read_po(file, locale="fr")["Kept"].string == "Gardé"


# ---------------------------------------------------------------- the pages


class Visible(HTMLParser):
    """What a page says: its texts and the attributes that people or screen readers meet, as whole pieces."""

    SPOKEN = {"aria-label", "title", "placeholder", "alt", "data-label", "data-confirm"}
    SILENT = {"script", "style", "code", "pre"}
    VOID = {"br", "hr", "img", "input", "link", "meta", "wbr", "source", "col", "area", "base", "embed", "track"}

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.open: list[tuple[str, bool]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        silent = bool(self.open and self.open[-1][1]) or tag in self.SILENT or held.get("lang") == "en"
        if tag not in self.VOID:
            self.open.append((tag, silent))
        if not silent:
            self.pieces += [
                " ".join(value.split())
                for name, value in attrs
                if value and (name in self.SPOKEN or name.startswith("data-text"))
            ]

    def handle_endtag(self, tag: str) -> None:
        while self.open and tag in [each for each, _silent in self.open]:
            if self.open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if text and not (self.open and self.open[-1][1]):
            self.pieces.append(text)


NAMES = {"Stratum", "English"}  # the system, not a stratum; a language in its own words
Patterns = list[tuple[str, re.Pattern[str]]]


def english(catalogue: Catalog) -> tuple[set[str], Patterns]:
    """Texts that differ in French: those to be found as they are, and those with something filled in.

    The latter come with their longest part, which is quickly looked for.
    """
    plain, patterns = set(), []
    for entry in catalogue:
        for text, french in zip(words(entry.id), words(entry.string), strict=True) if entry.id else ():
            said = " ".join(text.split())
            if said == " ".join(french.split()) or not said:
                continue
            literal = extraction.PLACEHOLDER.split(said.replace("%%", "%"))
            if len(literal) == 1:
                plain.add(said)
            elif re.search("[A-Za-z]{3}", "".join(literal)):
                patterns.append((max(literal, key=len), re.compile(".+?".join(map(re.escape, literal)))))
    return plain, patterns


def left_in_english(page: str, plain: set[str], patterns: Patterns) -> list[str]:
    pieces = list(dict.fromkeys(Visible(page).pieces))
    pieces = [piece for piece in pieces if piece not in NAMES]
    whole = "\n".join(pieces)
    possible = [pattern for part, pattern in patterns if part in whole]
    return [piece for piece in pieces if piece in plain or any(each.fullmatch(piece) for each in possible)]


def test_the_search_for_english_finds_it(catalogue: Catalog) -> None:
    """I18N-009: what the next test relies on."""
    plain, patterns = english(catalogue)
    page = (
        "<p>Nothing was <b>Sign out</b></p><a title='Next page'>Suivant</a><script>Sign in</script>"
        "<p>Eligibility signed 3 mai</p><p>Audit trail</p><p lang=en>Sign in</p><img alt='Loading'><p>Message</p>"
    )
    assert left_in_english(page, plain, patterns) == ["Sign out", "Next page", "Eligibility signed 3 mai", "Loading"]


@pytest.mark.django_db
def test_the_sign_in_page_follows_the_browser(french: None, client: Client, catalogue: Catalog) -> None:
    """I18N-010: nobody has chosen a language yet; the browser's is taken."""
    page = client.get("/login/", headers={"accept-language": "fr-FR,fr;q=0.9,en;q=0.5"})
    assert '<html lang="fr"' in page.content.decode()
    assert "Se connecter" in page.content.decode()
    assert left_in_english(page.content.decode(), *english(catalogue)) == []
    refused = client.post("/login/", {"username": "a@b.fr", "password": "x"}, headers={"accept-language": "fr"})
    assert "Le mot de passe" in html.unescape(refused.content.decode()) or "le mot de passe" in refused.content.decode()


@pytest.mark.django_db
def test_every_page_speaks_french(french: None, cast: Cast, catalogue: Catalog) -> None:
    """I18N-011: each address, asked by those who may read it, says nothing that stands in English in the catalogue."""
    participant, screened = cast.randomized(), cast.screened()
    baseline = cast.baseline_done()
    query = data_queries.ask(
        where=Where(participant, "laboratory", visit=cast.visit(participant, "SCR")),
        text="Merci de vérifier.",
        by=cast.mona_monitor,
    )
    event = cast.save_event(participant, serious=True)
    delegation = Delegation.objects.get(person=cast.theo_coordinator)
    readers = [
        cast.theo_coordinator, cast.ines_investigator, cast.mona_monitor, cast.dan_data_manager, cast.adam_admin,
        cast.ursula_statistician, cast.sam_safety, cast.paul_sponsor,
    ]  # fmt: skip
    clients = {}
    for person in readers:
        person = people.set_locale(person=Person.objects.get(pk=person.pk), locale="fr", by=person)
        clients[person.email] = cast.client_of(person)
    values = {
        "visit_id": str(cast.visit(participant, "SCR").pk), "form": "laboratory", "form_id": "adverse_event",
        "number": "1", "query_id": str(query.pk), "record_id": str(event.pk), "dictionary": "ctcae", "item": "alb",
        "person_id": str(cast.theo_coordinator.pk), "delegation_id": str(delegation.pk), "row": "",
        "id": str(query.pk), "pk": str(cast.list_in_use().pk), "case_id": "1", "export_id": "1", "notice_id": "1",
    }  # fmt: skip
    plain, patterns = english(catalogue)
    left: dict[str, str] = {}
    seen = 0
    for name, route in dict(addresses(get_resolver().url_patterns)).items():
        codes = (participant, screened, baseline) if route.count("<") == 1 and "code>" in route else (participant,)
        log = {"form": "adverse_event"} if "/log/" in route else {}  # of the participant alone, as what has an id
        for code in codes:
            path = filled(route, values | log | {"code": code.code})
            if path is None or "(?P" in route or route.startswith(("api/", "gallery")) or name == "sign_out":
                continue
            for email, client in clients.items():
                answer = client.get(path)
                if answer.status_code == 405:
                    break
                if "html" not in answer.get("Content-Type", "") or answer.status_code in (302, 404):
                    continue
                seen += 1
                for piece in left_in_english(answer.content.decode(), plain, patterns):
                    left.setdefault(piece, f"{email} {path}")
                if answer.status_code == 200 and name != "home":
                    break  # one reader is enough, but each has their own home
    assert seen > 50
    assert left == {}
