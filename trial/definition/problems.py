"""Problems: what is wrong with a study folder, each with its code, place, fault and remedy.

The catalogue is the one list of codes. A code is never used again for something else; a new fault gets a new one.
Fault and remedy are templates for `str.format`; `problem(code, …, **words)` fills them.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class ProblemSeverity(StrEnum):
    """An error keeps a study from being published; a warning is told and does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file or a definition.

    `file` is relative to the folder; `place` is a path of ids such as `sbp › max`, empty for the file as a whole;
    `line` is 1-based, None when the fault has no line.
    """

    code: str
    file: str
    place: str
    line: int | None
    fault: str
    remedy: str
    severity: ProblemSeverity = ProblemSeverity.ERROR

    def __str__(self) -> str:
        where = f"{self.file} › {self.place}" if self.place else self.file
        return f"{self.code} {where}: {self.fault} {self.remedy}"

    @property
    def is_error(self) -> bool:
        return self.severity is ProblemSeverity.ERROR


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the catalogue: what the code means, and the words of fault and remedy."""

    fault: str
    remedy: str
    severity: ProblemSeverity = ProblemSeverity.ERROR


_WARNING = ProblemSeverity.WARNING

CATALOGUE: dict[str, Entry] = {
    # -- the folder and its files
    "DEF001": Entry("{what}", "{remedy}"),
    "DEF002": Entry("The file {file_name} is missing.", "Add it; {contents}."),
    "DEF003": Entry("No section is called {name}.", "{suggestion}Remove the file, or rename it."),
    "DEF004": Entry("The file is not valid YAML: {why}.", "{remedy}"),
    "DEF005": Entry("The file is not UTF-8: byte {byte} cannot be read.", "Save it as UTF-8 without other characters."),
    "DEF006": Entry(
        "The file has {size} bytes; at most {limit} are read.", "Split the content, or remove what does not belong."
    ),
    "DEF007": Entry("{what}", "Write the content out where it is used, or nest it less."),
    "DEF008": Entry("The key {key} is written twice; the first is on line {first}.", "Keep one of the two."),
    "DEF009": Entry("A tab is used to indent.", "Indent with spaces."),
    # -- shape
    "DEF010": Entry("The key {key} is unknown here.", "{suggestion}Remove it, or correct the spelling."),
    "DEF011": Entry("The key {key} is missing.", "Add {key}: to {thing}."),
    "DEF012": Entry("{value} is not a number.", "Write {suggestion}, or remove the line."),
    "DEF013": Entry("{value} is not a whole number.", "Write {suggestion}, or remove the line."),
    "DEF014": Entry("{value} is neither true nor false.", "Write {suggestion} without quotes."),
    "DEF015": Entry("{value} is not text.", "Write it in quotes."),
    "DEF016": Entry("{value} is not one of the words allowed here.", "{suggestion}Write one of: {choices}."),
    "DEF017": Entry("{value} is not a {kind}.", "Write one like this: {like}."),
    "DEF018": Entry("{value} is not a label.", "Write the words of each language: {{en: …, fr: …}}."),
    "DEF019": Entry("{value} is not a date.", "Write year-month-day, such as 2020-06-01."),
    "DEF020": Entry("{value} is not a list.", "Write a list: [a, b], or one line with - for each."),
    "DEF021": Entry("{value} is not a set of keys.", "Write key: value, one on each line."),
    "DEF022": Entry("{value} is {why}.", "{remedy}"),
    "DEF023": Entry(
        "YAML reads the bare word {value} as true or false, not as text.", 'Write it in quotes: "{value}".'
    ),
    "DEF024": Entry(
        "The bare word {value} stands for true or false in other readers of YAML.",
        'Write it in quotes: "{value}".',
        _WARNING,
    ),
    "DEF025": Entry("The value cannot be used: {why}.", "Correct it as the message says."),
    # -- ids and labels
    "DEF030": Entry("The {kind} {id} is defined twice; the first is on line {first}.", "Give one of them another id."),
    "DEF031": Entry("The form is called {id}, but its file is {file_name}.", "Rename the file to forms/{id}.yaml."),
    "DEF032": Entry("The label has no words in {locale}.", "Add {locale}: to it; study.locales asks for it."),
    "DEF033": Entry(
        "The label speaks {locale}, which study.locales does not list.", "Remove it, or add {locale} to study.locales."
    ),
    "DEF034": Entry("The id {id} is a word of the expression language.", "Choose another id."),
    # -- references
    "DEF040": Entry("There is no form {id}.", "{suggestion}Add forms/{id}.yaml, or correct the id."),
    "DEF041": Entry("The form {form} has no item {id}.", "{suggestion}Add the item, or correct the id."),
    "DEF042": Entry("There is no codelist {id}.", "{suggestion}Add it to codelists.yaml, or correct the id."),
    "DEF043": Entry("There is no pathway {id}.", "{suggestion}Add it to study.yaml, or correct the id."),
    "DEF044": Entry("There is no {kind} {id}.", "{suggestion}Write one of: {choices}."),
    "DEF045": Entry("No arm leads to the pathway {id}.", "Give it to an arm, or remove the pathway.", _WARNING),
    "DEF046": Entry("The item {id} is of type {type}.", "Choose an item of type {wanted}."),
    "DEF047": Entry("The item {id} is in a repeating group or a log form, so it has many values.", "{remedy}"),
    # -- study
    "DEF050": Entry("The value {value} is outside {low} to {high}.", "Write a value inside, or change min or max."),
    "DEF051": Entry("{low_name} {low} is above {high_name} {high}.", "Swap them, or correct one."),
    # -- schedule
    "DEF060": Entry("The log form {id} is scheduled in a visit.", "Remove it here; log_forms lists it already."),
    "DEF061": Entry("The form {id} is a visit form, not a log form.", "Remove it here, or make it kind: log."),
    "DEF062": Entry("The log form {id} is not in log_forms.", "Add it to log_forms in schedule.yaml."),
    "DEF063": Entry("No visit holds the form {id}.", "Add it to the forms of a visit, or remove the file.", _WARNING),
    "DEF064": Entry("The visit is repeated but its id has no {{n}}.", 'Write the id with {{n}}, such as "M{{n}}".'),
    "DEF065": Entry("The id has {{n}} but the visit is not repeated.", "Add repeat:, or write the id without {{n}}."),
    "DEF066": Entry("{what}", "{remedy}"),
    "DEF067": Entry("The form {id} is listed twice.", "Remove one of the two."),
    "DEF068": Entry("The visit has no date to count from.", "{remedy}"),
    # -- forms and items
    "DEF070": Entry("{key} has no meaning for an item of type {type}.", "Remove the line{unless}."),
    "DEF071": Entry("An item of type {type} needs {key}.", "Add {key}: to the item."),
    "DEF072": Entry("The soft range goes beyond the hard one: {soft_name} {soft}, {hard_name} {hard}.", "{remedy}"),
    "DEF073": Entry("A factor of 0 turns every value into the same one.", "Write the factor that converts to {unit}."),
    "DEF074": Entry("The unit {unit} is given twice.", "Keep it once; the standard unit needs no conversion."),
    "DEF075": Entry("The link points to {id}, which is not a log form.", "{suggestion}Link to a log form."),
    "DEF076": Entry("grade_of names {id}, which is not a term item of this form.", "{suggestion}Name a term item."),
    "DEF077": Entry("{value} is not a CDASH domain.", "Write two capital letters, such as VS or LB."),
    "DEF078": Entry("The group asks for at least {low} rows and allows {high}.", "Correct min_rows or max_rows."),
    "DEF079": Entry("{key} has no meaning for a {kind} form.", "Remove the line."),
    "DEF080": Entry("{key} has no meaning in a group that does not repeat.", "Remove it, or add repeating: true."),
    "DEF081": Entry("A derived item cannot be {key}.", "Remove {key}: from the item."),
    "DEF082": Entry("rows_from names {id}, but no item of the group links to it.", "Add an item with link: {id}."),
    # -- eligibility, reminders
    "DEF090": Entry("The criterion is neither computed nor judged.", "Add expression: or judged: to it."),
    "DEF091": Entry(
        "The form {id} has no date_item, so its validity cannot be counted.", "Add date_item: to forms/{id}.yaml."
    ),
    "DEF092": Entry(
        "The message uses {{{name}}}, which an e-mail may not carry.",
        "Use only {{site}}, {{code}}, {{visit}}, {{date}} and {{url}}.",
    ),
    "DEF093": Entry("The reminder repeats and nothing ends it.", "Add stop: to it, or remove repeat_days."),
    # -- expressions
    "DEF100": Entry("The expression cannot be read: {why}.", "{remedy}"),
    "DEF101": Entry("The expression names something unknown: {why}.", "{remedy}"),
    "DEF102": Entry("Types do not fit in the expression: {why}.", "{remedy}"),
    "DEF103": Entry("The expression compares with a code that does not exist: {why}.", "{remedy}"),
    "DEF104": Entry("Units do not fit in the expression: {why}.", "{remedy}"),
    "DEF105": Entry("The expression uses a list where one value is needed: {why}.", "{remedy}"),
    "DEF106": Entry("The expression goes round in a circle: {circle}.", "Break the circle at one of these items."),
    "DEF107": Entry("The expression gives {given}, but {wanted} is needed here.", "{remedy}"),
    "DEF108": Entry("The expression is too long or too deep: {why}.", "Split it over derived items."),
    # -- blinding
    "DEF110": Entry(
        "The expression reads {item}, which reveals the arm, but {reader} does not.",
        "Mark {reader} reveals_arm: true, or read something else.",
    ),
    "DEF111": Entry(
        "The form is only in visits that reveal the arm.",
        "Add reveals_arm: true to the form, to say so where it is read.",
        _WARNING,
    ),
    "DEF112": Entry(
        "Only {pathways} have this visit, and they reveal the arm.", "Add reveals_arm: true to the visit.", _WARNING
    ),
    "DEF113": Entry(
        "The item {item} links to {id}, which reveals the arm, but the item does not.",
        "Mark the item reveals_arm: true, or link to something else.",
    ),
    # -- sections of upper rooms
    "DEF120": Entry("{fault}", "{remedy}"),
    # -- the timeline
    "DEF140": Entry("The lane {id} shows {what}.", "Give it one of sources:, statuses: and visits: true."),
    "DEF141": Entry("{key} has no meaning for a source of kind {kind}.", "Remove the line, or write kind: {other}."),
    "DEF142": Entry("A source of kind span needs to:.", "Name the item that ends it, or write kind: point."),
    "DEF143": Entry(
        "The items {items} of pauses do not stand in one repeating group.", "Name two items of the same rows."
    ),
    # -- logs and rows about their entries
    "DEF144": Entry(
        "Only {pathways} have this log form, and they reveal the arm.", "Add reveals_arm: true to the form.", _WARNING
    ),
    "DEF145": Entry("{key} is for rows about the entries of a log.", "Add {needed}, or remove the line."),
    "DEF146": Entry("{key} names {reference}, which {why}.", "Name another item, or remove it."),
    "DEF147": Entry(
        "unique is for a text, whole number, date, choice or link outside the repeating groups of a log form.",
        "Remove the line.",
    ),
}


def problem(
    code: str,
    *,
    file: str,
    place: str = "",
    line: int | None = None,
    severity: ProblemSeverity | None = None,
    **words: object,
) -> Problem:
    """The problem of that code, with the words of the catalogue filled in. Raises KeyError for an unknown code."""
    entry = CATALOGUE[code]
    return Problem(
        code=code,
        file=file,
        place=place,
        line=line,
        fault=_sentence(entry.fault.format(**words)),
        remedy=_sentence(entry.remedy.format(**words)),
        severity=severity or entry.severity,
    )


def _sentence(text: str) -> str:
    text = text.strip()
    while text.endswith(".."):
        text = text[:-1]
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like a misspelled one, or None when none is near."""
    known = list(known)
    by_lower = {item.lower(): item for item in known}
    found = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.7)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean X? `, with the blank, or nothing."""
    found = nearest(word, known)
    return f"Did you mean {found}? " if found else ""


def shown(value: object) -> str:
    """A value as a problem quotes it: short, on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a set of keys"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value).replace("\n", " ")
    if len(text) > 60:
        text = text[:57] + "…"
    return f'"{text}"' if isinstance(value, str) else text


TRUTH_MEANT = {
    **dict.fromkeys(("yes", "on", "y", "1", "true"), True),
    **dict.fromkeys(("no", "off", "n", "0", "false"), False),
}
"""What a person meant who did not write true or false."""

_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def number_meant(text: str) -> str | None:
    """The number that a person meant by words or by another notation: "two hundred" → 200, "12,5 mmHg" → 12.5."""
    words = text.lower().replace("-", " ").replace(" and ", " ").split()
    total, current = 0, None
    for word in words:
        if word in _UNITS:
            current = (current or 0) + _UNITS.index(word)
        elif word in _TENS:
            current = (current or 0) + 10 * _TENS.index(word) + 20
        elif word == "hundred" and current is not None:
            current *= 100
        elif word == "thousand" and current is not None:
            total, current = total + current * 1000, 0
        else:
            current = None
            break
    if current is not None:
        return str(total + current)
    digits = ""
    for character in text.strip().replace(" ", "").replace(",", "."):
        if character.isascii() and (character.isdigit() or (character in ".-" and character not in digits)):
            digits += character
        else:
            break
    digits = digits.rstrip(".")
    return digits if any(character.isdigit() for character in digits) else None
