"""Two people saved the same form: what each changed, item by item, and what the person chooses to keep."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from audit import clock
from trial.definition import Group, Item

from .checks.book import HIDDEN, ROW_ID, Rows
from .entry import ROW_ID_PATTERN, RowKey, says_the_same
from .models import Change, ChangeKind
from .pages import Links, RecordPage, Words, book_for, moment
from .places import RecordPlace
from .posted import PARTS, WHOLE, Fields, fields_of_data, name_of, submission_of, understand

THEIRS, MINE = "theirs", "mine"


@dataclass
class Conflict:
    """What was saved since and what this person typed; `items` are the values and rows that differ, each with a choice.

    `fields` is what the page posts again: this person's typing, with the others' values where only they changed one.
    A row that one removed and the other changed is one choice, named GROUP.ROW. `gone_rows` are those that the others
    removed and this person had not touched.
    """

    place: RecordPlace
    revision_read: int
    fields: Fields
    items: list[Words] = field(default_factory=list)
    saves: list[Words] = field(default_factory=list)
    gone_rows: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The items for which a choice is asked."""
        return [item["name"] for item in self.items]

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """The fields as hidden inputs."""
        found = []
        for name, value in self.fields.items():
            if name.startswith("keep__"):
                continue
            for text in value if isinstance(value, list) else [value]:
                found.append((name, text))
        return [*found, (WHOLE, "1")]


def compare(place: RecordPlace, fields: Fields, revision_read: int) -> Conflict:
    """Compare what stands now with what this person typed over the revision that they had read."""
    record = place.record
    assert record is not None  # nothing is stale without a record
    form, definition = place.form, place.definition
    changes = list(Change.objects.filter(record=record, revision__gt=revision_read).order_by("pk"))
    base = before(record.data, changes)
    page = RecordPage(place, fields, whole=True, entering=True)
    links = Links(book_for(place), place.locale)
    merged, refused = understand(
        place,
        base,
        submission_of(place, fields, whole=True, data=base),
        today=clock.today(),
        is_linked=lambda log_form, number: number in links.titles(log_form),
        ranges=page.ranges,
        files=page.files,
    )
    saved: dict[RowKey, Change] = {
        (c.group, c.row, c.item): c for c in changes if c.kind != ChangeKind.DERIVED and c.item in form.items
    }
    mine = set(merged.changed) | {key for key in refused if key[2]}
    found = Conflict(place, revision_read, dict(fields))
    asked = _merge_rows(found, base, record.data, fields, saved=set(saved), mine=mine)
    theirs_fields = fields_of_data(definition, form, record.data, place.locale)
    for group, items in place.groups():
        rows = [row[ROW_ID] for row in record.data.get(group.id, [])] if group.repeating else [""]
        held, posted = _rows_of(base, group.id), _texts(fields, f"{group.id}__rows")
        added = [row for row in _rows_of(merged.data, group.id) if group.repeating and row not in rows]
        for row in rows + [row for row in added if row not in held or (group.id, row) in asked]:
            if (group.id, row) in asked:
                one = next(c for (at, of, _item), c in saved.items() if (at, of) == (group.id, row))
                told = _told(page, group, row, items)
                found.items.append(
                    {
                        "name": f"{group.id}.{row}",
                        "label": definition.text(group.label, place.locale),
                        "row": asked[group.id, row],
                        "theirs": told(record.data, saved) if row in rows else _("Row removed"),
                        "mine": _("Row removed") if row in rows else told(merged.data, mine, fields, refused),
                        "by": one.by_name,
                        "when": moment(one.at, place.locale),
                        "choice": "",
                    }
                )
                continue
            for item in items:
                key = (group.id, row, item.id)
                if item.is_derived or (key not in saved and key not in mine):
                    continue
                name = name_of(group, row, item.id)
                if key not in mine:
                    _take(found.fields, theirs_fields, name)
                theirs, typed = _at(record.data, key), _at(merged.data, key)
                if key in mine and key not in refused and says_the_same(theirs, typed):
                    continue
                change = saved.get(key)
                found.items.append(
                    {
                        "name": name,
                        "label": definition.text(item.label, place.locale),
                        "row": _number(row, posted, rows) if group.repeating else "",
                        "theirs": page.display(item, theirs),
                        "mine": _typed(fields, name) if key in refused else page.display(item, typed),
                        "by": change.by_name if change else "",
                        "when": moment(change.at, place.locale) if change else "",
                        "choice": MINE if change is None else ("" if key in mine else THEIRS),
                    }
                )
    for by_name, at in dict.fromkeys((c.by_name, moment(c.at, place.locale)) for c in changes):
        found.saves.append({"by": by_name, "when": at})
    return found


def only_calculated_since(place: RecordPlace, revision_read: int) -> bool:
    """Whether every save since then only brought calculated values up to date."""
    kinds = dict(Change.objects.filter(record=place.record, revision__gt=revision_read).values_list("revision", "kind"))
    others = Change.objects.filter(record=place.record, revision__gt=revision_read).exclude(kind=ChangeKind.DERIVED)
    return len(kinds) == place.revision - revision_read and not others.exists()


def resolved(place: RecordPlace, fields: Fields, names: list[str]) -> tuple[Fields, list[str]]:
    """Apply the choices that were made on the page; also return the items and rows for which none was made."""
    now = place.record.data if place.record else {}
    theirs = fields_of_data(place.definition, place.form, now, place.locale)
    found, undecided = dict(fields), []
    for name in names:
        choice = fields.get(f"keep__{name}")
        if choice not in (MINE, THEIRS):
            undecided.append(name)
            continue
        at = next(((g, i, name[len(g.id) + 1 :]) for g, i in place.groups() if _is_row(g, name)), None)
        if at is None:
            if choice == THEIRS:
                _take(found, theirs, name)
            continue
        group, items, row = at
        removed = _texts(found, f"{group.id}__removed")
        if row in _rows_of(now, group.id) and choice == THEIRS:
            found[f"{group.id}__removed"] = [each for each in removed if each != row]
            for item in items:
                _take(found, theirs, name_of(group, row, item.id))
        elif row not in _rows_of(now, group.id) and choice == MINE:
            found[f"{group.id}__rows"] = [*_texts(found, f"{group.id}__rows"), row]
    return found, undecided


def _is_row(group: Group, name: str) -> bool:
    """Whether the choice of that name is about a whole row of the group."""
    mark, _dot, row = name.partition(".")
    return group.repeating and mark == group.id and bool(ROW_ID_PATTERN.fullmatch(row))


def before(data: Rows, changes: list[Change]) -> Rows:
    """The data as they stood before some changes, these given in the order in which they were made."""
    found = {group: [dict(row) for row in rows] for group, rows in data.items()}
    added: set[tuple[str, str]] = set()
    for change in reversed(changes):
        rows = found.setdefault(change.group, [])
        row = next((r for r in rows if r.get(ROW_ID, "") == change.row), None)
        if row is None:
            row = {ROW_ID: change.row}
            rows.append(row)
        if change.old is None:
            row.pop(change.item, None)
            added.add((change.group, change.row))
        else:
            row[change.item] = change.old
    standing = {
        group: [
            row
            for row in rows
            if (group, row.get(ROW_ID, "")) not in added or any(name not in (ROW_ID, HIDDEN) for name in row)
        ]
        for group, rows in found.items()
    }
    return {group: rows for group, rows in standing.items() if rows}


def _merge_rows(
    found: Conflict, base: Rows, now: Rows, fields: Fields, saved: Collection[RowKey], mine: Collection[RowKey]
) -> dict[tuple[str, str], int]:
    """Rows of both: those that stand now, then the ones added here.

    Return, with their numbers on this person's page, the rows that one person removed and the other changed: they are
    asked about.
    """
    theirs_touched, mine_touched = ({(group, row) for group, row, _item in keys} for keys in (saved, mine))
    asked: dict[tuple[str, str], int] = {}
    for group, _items in found.place.groups():
        if not group.repeating or f"{group.id}__rows" not in fields:
            continue
        posted = _texts(fields, f"{group.id}__rows")
        held, standing = _rows_of(base, group.id), _rows_of(now, group.id)
        removed = {*_texts(fields, f"{group.id}__removed"), *(row for row in held if row not in posted)}
        kept = [row for row in posted if row not in removed]
        found.fields[f"{group.id}__rows"] = standing + [row for row in kept if row not in held and row not in standing]
        found.fields[f"{group.id}__removed"] = [row for row in standing if row in removed]
        for row in held:
            is_theirs = row in standing and row in removed and (group.id, row) in theirs_touched
            is_mine = row not in standing and row in kept and (group.id, row) in mine_touched
            if is_theirs or is_mine:
                asked[group.id, row] = _number(row, posted, standing)
            elif row not in standing and row in kept:
                title = found.place.definition.text(group.label, found.place.locale)
                found.gone_rows.append(f"{title}, {posted.index(row) + 1}")
    return asked


def _number(row: str, posted: list[str], standing: list[str]) -> int:
    """The number of a row on the page of this person, else (a row that the other person added) among those saved."""
    return posted.index(row) + 1 if row in posted else standing.index(row) + 1


def _told(page: RecordPage, group: Group, row: str, items: list[Item]) -> Callable[..., str]:
    """What somebody changed in a row, in words: `Dose: 12 mg, Drug: –`."""

    def words(data: Rows, touched: Collection[RowKey], typed: Fields | None = None, refused: Any = ()) -> str:
        said = []
        for item in items:
            key = (group.id, row, item.id)
            if key in touched:
                name = name_of(group, row, item.id)
                value = _typed(typed or {}, name) if key in refused else page.display(item, _at(data, key))
                said.append(f"{page.definition.text(item.label, page.locale)}: {value or '–'}")
        return ", ".join(said)

    return words


def _rows_of(data: Rows, group: str) -> list[str]:
    return [row[ROW_ID] for row in data.get(group, [])]


def _at(data: Rows, key: RowKey) -> Mapping[str, Any] | None:
    return next((row.get(key[2]) for row in data.get(key[0], []) if row.get(ROW_ID, "") == key[1]), None)


def _take(fields: Fields, source: Fields, name: str) -> None:
    for part in PARTS:
        fields.pop(f"{name}{part}", None)
        if f"{name}{part}" in source:
            fields[f"{name}{part}"] = source[f"{name}{part}"]


def _texts(fields: Fields, name: str) -> list[str]:
    value = fields.get(name, [])
    return list(value) if isinstance(value, list) else [value]


def _typed(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    return ", ".join(value) if isinstance(value, list) else value
