"""A study of one form that has an item of every type, a form that reads it, and a cast that plays in it."""

from __future__ import annotations

import copy
import datetime as dt
from pathlib import Path
from typing import Any

from audit import clock
from ecrf.actions import records
from ecrf.entry import Submission, Typed
from ecrf.models import Record
from ecrf.where import Where
from tests.cast import Cast
from tests.trial.definition import small_study
from trial.actions import studies, visits
from trial.definitions import definition_of
from trial.models import Participant, Person

PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"\x00" * 17 + b"\x00\x00\x00\x00IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + b"\x00" * 40 + b"\xff\xd9"
ZIP = b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + b"\x00" * 60

ITEMS = """\
id: items
kind: visit
label: {en: Items, fr: Items}
domain: VS
date_item: done_on
groups:
  - id: main
    label: {en: Main, fr: Main}
    items:
      - {id: done_on, type: date, label: {en: Done on, fr: Fait le}}
      - {id: words, type: text, label: {en: Words, fr: Mots}}
      - {id: story, type: longtext, max_length: 400, label: {en: Story, fr: Histoire}}
      - {id: count_of, type: integer, label: {en: Count, fr: Nombre}, range: {min: 0, max: 99}}
      - id: hgb
        type: decimal
        unit: g/dL
        units: [{unit: g/L, factor: "0.1"}, {unit: mmol/L, factor: "1.611"}]
        decimals: 2
        analyte: HGB
        label: {en: Haemoglobin, fr: Hémoglobine}
      - {id: since, type: partial_date, label: {en: Since, fr: Depuis}}
      - {id: at_time, type: time, label: {en: At, fr: À}}
      - {id: moment, type: datetime, label: {en: Moment, fr: Moment}}
      - {id: one, type: choice, codelist: ecog, label: {en: One, fr: Un}}
      - {id: several, type: choices, codelist: places, label: {en: Several, fr: Plusieurs}}
      - {id: agreed, type: yesno, label: {en: Agreed, fr: Accord}}
      - {id: scale, type: vas, label: {en: Scale, fr: Échelle}}
      - {id: report, type: file, label: {en: Report, fr: Compte rendu}}
      - {id: picture, type: file, accept: [png, jpeg], label: {en: Picture, fr: Image}}
      - {id: double, type: integer, label: {en: Double, fr: Double}, derived: "count_of * 2"}
      - {id: told, type: text, label: {en: Told at consent, fr: Dit au consentement}, derived: "consent.remark"}
      - {id: sex_shown, type: choice, codelist: sex, label: {en: Sex, fr: Sexe}, derived: "consent.sex"}
      - {id: only_yes, type: text, label: {en: Only if agreed, fr: Si accord}, shown_when: "agreed"}
      - id: why_not
        type: yesno
        missing_reason: true
        label: {en: Biopsy done, fr: Biopsie faite}
  - id: lines
    label: {en: Lines, fr: Lignes}
    repeating: true
    min_rows: 0
    max_rows: 200
    items:
      - {id: drug, type: text, label: {en: Drug, fr: Médicament}}
      - {id: dose, type: decimal, unit: mg, decimals: 1, label: {en: Dose, fr: Dose}}
      - {id: from_on, type: partial_date, label: {en: From, fr: Du}}
      - {id: to_on, type: partial_date, label: {en: To, fr: Au}}
      - {id: given, type: yesno, label: {en: Given, fr: Donné}}
      - {id: twice, type: decimal, unit: mg, decimals: 1, label: {en: Twice, fr: Double}, derived: "dose * 2"}
checks:
  - id: line_dates
    rule: "to_on >= from_on"
    severity: soft
    items: [to_on]
    message: {en: Ends before it starts, fr: Finit avant de commencer}
"""
CONSENT = small_study.CONSENT + "      - {id: remark, type: text, label: {en: Remark, fr: Remarque}}\n"
PLACES = """\
  - id: places
    codes:
      - {code: LUNG, label: {en: Lung, fr: Poumon}}
      - {code: BONE, label: {en: Bone, fr: Os}}
      - {code: SKIN, label: {en: Skin, fr: Peau}}
"""


def files() -> dict[str, str | None]:
    """What differs from the small study."""
    return {
        "study.yaml": small_study.STUDY.replace("code: MINI", "code: STORM01"),
        "schedule.yaml": small_study.SCHEDULE.replace("forms: [consent, vitals]", "forms: [consent, vitals, items]"),
        "forms/consent.yaml": CONSENT,
        "forms/items.yaml": ITEMS,
        "forms/event.yaml": small_study.EVENT.replace(
            "      - {id: term, type: term, dictionary: ctcae, label: {en: Term, fr: Terme}}\n"
            "      - {id: grade, type: grade, grade_of: term, label: {en: Grade, fr: Grade}}\n",
            "",
        ),
        "codelists.yaml": small_study.CODELISTS + PLACES,
    }


class Play:
    """The cast in the study of every type, with a participant who has consented and whose visit is dated."""

    def __init__(self, folder: Path, changes: dict[str, str] | None = None) -> None:
        path = small_study.write(folder / "items", {**files(), **(changes or {})})
        version, problems = studies.publish(path=path, by=None, reason="Every type of item")
        assert version is not None, [str(problem) for problem in problems]
        self.cast = Cast()
        self.definition = self.cast.definition
        self.by = self.cast.theo_coordinator
        screened = self.cast.screened()
        visit = self.cast.visit(screened, "SCR")
        if visit.actual_on is None:
            visits.record_date(visit=visit, on=clock.today(), by=self.by)
        today = clock.today().strftime("%d/%m/%Y")
        self._save(
            Where(screened, "consent", visit=self.cast.visit(screened, "SCR")), 0,
            {"signed_on": today, "sex": "M", "birth_year": "1960", "remark": "Reads well"}, complete=True,
        )  # fmt: skip
        self.participant = Participant.objects.select_related("site").get(pk=screened.pk)
        self.where = Where(self.participant, "items", visit=self.cast.visit(self.participant, "SCR"))
        self.url = f"/participants/{self.participant.code}/visits/{self.where.visit.pk}/forms/items/"
        self.client = self.cast.client_of(self.by)

    def again(self) -> Play:
        """The same for another test, who may change it: of what was read, nothing is shared."""
        definition, client = self.definition, self.client
        play = copy.deepcopy(self, {id(definition): definition, id(client): client})
        play.definition = play.cast.definition = definition_of(self.cast.version.pk)
        play.client = play.cast.client_of(play.by)
        return play

    @property
    def record(self) -> Record:
        """The record as it stands."""
        return self.cast.record(self.participant, "items", visit="SCR")

    @property
    def revision(self) -> int:
        held = Record.objects.filter(participant=self.participant, form="items").first()
        return held.revision if held is not None else 0

    def save(self, revision: int | None = None, *, complete: bool = False, by: Person | None = None, reason: str = "",
             **said: Any) -> Record:  # fmt: skip
        """Save values of the main group through the action."""
        at = self.revision if revision is None else revision
        return self._save(self.where, at, said, complete=complete, by=by, reason=reason)

    def _save(self, where: Where, revision: int, said: dict[str, Any], group: str = "main", complete: bool = False,
              by: Person | None = None, reason: str = "") -> Record:  # fmt: skip
        typed = {
            (group, "", item): value if isinstance(value, Typed) else Typed(text=value) for item, value in said.items()
        }
        return records.save(
            where=where, revision=revision, submission=Submission(values=typed), complete=complete, by=by or self.by,
            reason=reason,
        )  # fmt: skip

    def post(self, said: dict[str, Any] | None = None, *, save: str = "in_progress", **more: Any) -> Any:
        """Post what the page holds, with what is said in place, as a browser without script would."""
        page = self.client.get(self.url).context["page"]
        fields = {name: value for name, value in page.fields.items() if value not in ("", [])}
        sent = {**fields, "revision": page.revision, "whole_form": "1", "save": save, **(said or {}), **more}
        return self.client.post(self.url, {name: value for name, value in sent.items() if value is not None})

    def stored(self, item: str) -> dict[str, Any] | None:
        """The stored value of an item of the main group."""
        rows = self.record.data.get("main") or [{}]
        found: dict[str, Any] | None = rows[0].get(item)
        return found

    def trail(self, item: str, person: Person | None = None) -> str:
        """The page of the audit trail of a value."""
        answer = self.cast.client_of(person or self.by).get(f"{self.url}trail/?item={item}")
        assert answer.status_code == 200
        return str(answer.content.decode())

    def api(self) -> dict[str, dict[str, Any]]:
        """The values as the API says them, by item (row id before it in grids)."""
        answer = self.client.get(f"/api/v1{self.url}").json()
        return {f"{value['row']}.{value['item']}".lstrip("."): value for value in answer["values"]}


def today() -> dt.date:
    return clock.today()
