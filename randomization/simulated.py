"""A simulation on pages and on paper: the form that asks for schemes, and the words and pictures of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trial.definition import Definition

from .forms import MOST_SIZES, Unshown
from .presenters import Words, locale
from .section import RandomizationSection
from .simulation import BiasedCoin, BigStick, Measure, Minimization, PermutedBlocks, Report, Scheme, Simple, Urn, Within
from .simulation.drawing import Point, Row, columns, dots, round_ticks

MOST_WORK = 12_000_000
"""Participants × trials × schemes that a page computes while somebody waits, some ten seconds; a command takes more."""
MOST_BLOCK_SETS = 4

SCHEMES: dict[str, Promise] = {
    "permuted_blocks": gettext_lazy("Permuted blocks"),
    "minimization": gettext_lazy("Minimization"),
    "simple": gettext_lazy("Simple randomization"),
    "biased_coin": gettext_lazy("Biased coin"),
    "big_stick": gettext_lazy("Big stick"),
    "urn": gettext_lazy("Urn"),
}
PLACES: dict[str, Promise] = {
    "whole": gettext_lazy("in the whole trial"),
    "strata": gettext_lazy("in each stratum"),
    "sites": gettext_lazy("in each site"),
    "strata_and_sites": gettext_lazy("in each stratum of each site"),
    "margins": gettext_lazy("over the factors"),
    "margins_and_sites": gettext_lazy("over the factors and the site"),
}
WITHIN = [
    (place.value, PLACES[place.value]) for place in (Within.STRATA, Within.STRATA_AND_SITES, Within.SITES, Within.WHOLE)
]
MEASURES = [
    (Measure.RANGE.value, gettext_lazy("range")),
    (Measure.VARIANCE.value, gettext_lazy("variance")),
    (Measure.TOTALS.value, gettext_lazy("marginal totals")),
]

# ---------------------------------------------------------------- the form


def _secret(label: Any, help_text: Any = "", mode: str = "text") -> forms.CharField:
    """A confidential parameter: typed in clear, encrypted or forgotten, never written back into a page."""
    widget = Unshown(attrs={"autocomplete": "off", "inputmode": mode, "spellcheck": "false"})
    return forms.CharField(label=label, max_length=120, required=False, help_text=help_text, widget=widget)


class ComparisonForm(forms.Form):
    """Which schemes to simulate side by side; a scheme without its parameters is left out."""

    trials = forms.TypedChoiceField(
        label=gettext_lazy("Simulated trials"),
        coerce=int,
        choices=[(1000, "1000"), (2000, "2000"), (5000, "5000"), (10000, "10000")],
        initial=2000,
    )
    participants = forms.IntegerField(label=gettext_lazy("Participants"), min_value=2, max_value=5000)
    within = forms.ChoiceField(
        label=gettext_lazy("Lists of their own"),
        choices=WITHIN,
        initial=Within.STRATA.value,
        help_text=gettext_lazy("Where blocks, coin, stick and urn keep the arms balanced."),
    )
    block_sizes = _secret(
        gettext_lazy("Permuted blocks: sizes"),
        gettext_lazy("Parted by commas; a semicolon begins another set to compare: 4; 4, 6."),
    )
    bias = _secret(
        gettext_lazy("Minimization: chance of the preferred arm"), gettext_lazy("Such as 0.8."), mode="decimal"
    )
    weights = _secret(
        gettext_lazy("Minimization: weights"),
        gettext_lazy("factor=weight, parted by commas; site=weight counts the site. A factor left out weighs 1."),
    )
    measure = forms.ChoiceField(
        label=gettext_lazy("Minimization: measure of imbalance"), choices=MEASURES, initial=Measure.RANGE.value
    )
    coin = _secret(
        gettext_lazy("Biased coin: chance of the arm behind"), gettext_lazy("Such as 0.667."), mode="decimal"
    )
    mti = _secret(gettext_lazy("Big stick: tolerated imbalance"), mode="numeric")
    urn = _secret(gettext_lazy("Urn: balls at the start, balls added"), gettext_lazy("Two numbers, such as 1, 1."))
    simple = forms.BooleanField(label=gettext_lazy("Simple randomization"), required=False, initial=True)

    def clean_block_sizes(self) -> list[tuple[int, ...]]:
        sets = [part for part in self.cleaned_data["block_sizes"].split(";") if part.strip()]
        if len(sets) > MOST_BLOCK_SETS:
            raise ValidationError(_("Compare at most %(most)s sets.") % {"most": MOST_BLOCK_SETS})
        return [_wholes(part) for part in sets]

    def clean_bias(self) -> float | None:
        return _decimal(self.cleaned_data["bias"])

    def clean_coin(self) -> float | None:
        return _decimal(self.cleaned_data["coin"])

    def clean_mti(self) -> int | None:
        found = _wholes(self.cleaned_data["mti"])
        if len(found) > 1:
            raise ValidationError(_("One whole number is wanted."))
        return found[0] if found else None

    def clean_urn(self) -> tuple[int, int] | None:
        found = _wholes(self.cleaned_data["urn"])
        if found and len(found) != 2:
            raise ValidationError(_("Two whole numbers are wanted."))
        return (found[0], found[1]) if found else None

    def clean_weights(self) -> dict[str, float]:
        weights = {}
        for number, part in enumerate(_parts(self.cleaned_data["weights"].replace(" ", "")), start=1):
            name, _equals, text = part.partition("=")
            value = _decimal(text)
            if not name or value is None:
                raise ValidationError(_("Number %(number)s is not written factor=weight.") % {"number": number})
            weights[name] = value
        return weights

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if not self.errors:
            schemes = schemes_from(said)
            if not schemes:
                raise ValidationError(_("Choose at least one scheme: type its parameters."))
            if said["participants"] * said["trials"] * len(schemes) > MOST_WORK:
                raise ValidationError(
                    _("This takes too long for a page. Take fewer trials, or the command randomization_report.")
                )
        return said


def _parts(text: str) -> list[str]:
    return [part for part in text.replace(";", ",").split(",") if part.strip()]


def _wholes(text: str) -> tuple[int, ...]:
    """Whole numbers parted by commas or spaces; a fault names the place of a number, never the number."""
    parts = _parts(text.replace(" ", ","))
    if len(parts) > MOST_SIZES:
        raise ValidationError(_("These are too many sizes."))
    for number, part in enumerate(parts, start=1):
        if not (part.isascii() and part.isdigit() and len(part) < 5):
            raise ValidationError(_("Number %(number)s is not a whole number.") % {"number": number})
    return tuple(int(part) for part in parts)


def _decimal(text: str) -> float | None:
    """A number with a point or a comma; None for nothing."""
    if not text.strip():
        return None
    try:
        found = float(text.strip().replace(",", "."))
    except ValueError:
        raise ValidationError(_("A number such as 0.8 is wanted.")) from None
    if not -1e6 < found < 1e6:
        raise ValidationError(_("A number such as 0.8 is wanted."))
    return found


def schemes_from(said: Mapping[str, Any]) -> list[Scheme]:
    """The schemes of a form or of a file of parameters, in the order in which they are compared."""
    within = Within(said.get("within") or Within.STRATA)
    schemes: list[Scheme] = [PermutedBlocks(tuple(sizes), within) for sizes in said.get("block_sizes") or []]
    if said.get("bias") is not None:
        weights = dict(said.get("weights") or {})
        site = weights.pop("site", 0.0)
        schemes.append(Minimization(said["bias"], weights, site, Measure(said.get("measure") or Measure.RANGE)))
    if said.get("simple"):
        schemes.append(Simple())
    if said.get("coin") is not None:
        schemes.append(BiasedCoin(said["coin"], within))
    if said.get("mti") is not None:
        schemes.append(BigStick(said["mti"], within))
    if said.get("urn") is not None:
        start, added = said["urn"]
        schemes.append(Urn(start, added, within))
    return schemes


# ---------------------------------------------------------------- a report in words


def fixed(value: float, places: int = 1) -> str:
    """A number in the language of the page."""
    return number_format(round(value, places) + 0.0, places, use_l10n=True)


def percent(value: float, places: int = 1) -> str:
    """A share in percent, in the language of the page."""
    return _("%(number)s %%") % {"number": fixed(100 * value, places)}


def scheme_name(result: Mapping[str, Any]) -> str:
    return str(SCHEMES.get(result["scheme"], result["scheme"]))


def place_words(result: Mapping[str, Any]) -> str:
    return "" if result["scheme"] == "simple" else str(PLACES.get(result["place"], result["place"]))


def scheme_label(number: int, result: Mapping[str, Any]) -> str:
    """A scheme as charts and tables name it: its number in the report, its name and where it balances."""
    return " · ".join(filter(None, [f"{number}. {scheme_name(result)}", place_words(result)]))


@dataclass(frozen=True)
class TableWords:
    """A table in words: caption, note, heads, rows; the first cell of a row is its head."""

    caption: str
    heads: list[str]
    rows: list[list[str]]
    note: str = ""

    @property
    def component(self) -> Words:
        """The same for the component `table.html`."""
        return {
            "columns": [{"label": head, "align": "end" if at else ""} for at, head in enumerate(self.heads)],
            "rows": [{"cells": [{"text": text, "nowrap": True} for text in row]} for row in self.rows],
        }


def report_facts(report: Report) -> list[Words]:
    """What was simulated: everything but the parameters."""
    content = report.content
    setting = content["setting"]
    low, middle, high = content["months"]
    return [
        {"label": _("Simulated trials"), "value": number_format(content["trials"], use_l10n=True, force_grouping=True)},
        {"label": _("Participants"), "value": setting["participants"]},
        {"label": _("Sites"), "value": len(setting["sites"])},
        {"label": _("Ratio"), "value": " : ".join(str(share) for share in sorted(setting["arms"].values()))},
        {
            "label": _("Months of inclusion"),
            "value": fixed(middle),
            "note": _("planned %(planned)s; 90 %% of the trials between %(low)s and %(high)s")
            % {"planned": fixed(setting["planned_months"], 0), "low": fixed(low), "high": fixed(high)},
        },
        {
            "label": _("Planned power"),
            "value": percent(setting["power"], 0),
            "note": _("two-sided level %(alpha)s") % {"alpha": percent(setting["alpha"], 1)},
        },
    ]


def proof_facts(report: Report) -> list[Words]:
    """What makes a report repeatable and recognizable: its seed, its digest, the version of the library."""
    return [
        {"label": _("Seed of the simulation"), "value": report.content["seed"]},
        {"label": _("Digest of the report (SHA-256)"), "value": report.digest},
        {"label": "numpy", "value": report.content["numpy"]},
    ]


def prevalence_rows(report: Report, definition: Definition) -> TableWords:
    """The prevalences that were supposed."""
    section: RandomizationSection | None = definition.section("randomization")
    factors = {factor.id: factor for factor in section.strata} if section else {}
    rows = []
    for given in report.content["setting"]["factors"]:
        known = factors.get(given["factor"])
        levels = {level.code: definition.text(level.label, locale()) for level in known.levels} if known else {}
        name = definition.text(known.label, locale()) if known else given["factor"]
        for code, share in given["levels"].items():
            rows.append([name, levels.get(code, code), percent(share, 0)])
    return TableWords(_("Participants, as supposed"), [_("Factor"), _("Level"), _("Prevalence")], rows)


def tables(report: Report) -> list[TableWords]:
    """The schemes side by side: balance, guesses, certainty and power."""
    return [_balance(report), _guesses(report), _certainty(report), _power(report)]


def _labelled(report: Report) -> Iterable[tuple[str, dict[str, Any]]]:
    for number, result in enumerate(report.schemes, start=1):
        yield scheme_label(number, result), result


def _three(spread: Mapping[str, float], places: int = 0) -> list[str]:
    return [fixed(spread["mean"]), fixed(spread["p95"], places), fixed(spread["worst"], places)]


def _balance(report: Report) -> TableWords:
    places = 0 if len(set(report.content["setting"]["arms"].values())) == 1 else 1
    rows = [
        [
            label,
            *_three(result["overall"], places),
            fixed(result["highest"]["p95"], places),
            fixed(result["worst_stratum"]["p95"], places),
            fixed(result["worst_stratum"]["worst"], places),
            fixed(result["worst_site"]["p95"], places),
            fixed(result["worst_site"]["worst"], places),
        ]
        for label, result in _labelled(report)
    ]
    heads = [
        _("Scheme"),
        _("Overall: mean"),
        _("95th percentile"),
        _("worst trial"),
        _("At any time: 95th percentile"),
        _("Worst stratum: 95th percentile"),
        _("worst trial"),
        _("Worst site: 95th percentile"),
        _("worst trial"),
    ]
    return TableWords(
        _("Imbalance between the arms, in participants"),
        heads,
        rows,
        _("Counts divided by the arm’s share: in a ratio of 1 : 1, the difference of the arms."),
    )


def _guesses(report: Report) -> TableWords:
    names = ("site", "everyone", "design")
    rows = [
        [label, *(percent(result["guessing"][name]["mean"]) for name in names)] for label, result in _labelled(report)
    ]
    heads = [_("Scheme"), _("Knows one site"), _("Knows all"), _("Knows all and the parameters")]
    note = _(
        "The first two guess the arm that is furthest behind (convergence strategy); the third guesses the likeliest "
        "arm. Standard errors are at most %(error)s."
    ) % {"error": percent(_largest_error(report, names), 2)}
    return TableWords(_("Probability of a correct guess"), heads, rows, note)


def _certainty(report: Report) -> TableWords:
    names = ("certain_site", "certain_all", "certain_with_blocks")
    rows = [
        [label, *(percent(result["guessing"][name]["mean"]) for name in names)] for label, result in _labelled(report)
    ]
    heads = [
        _("Scheme"),
        _("One site, with the blocks as drawn"),
        _("All, with the sizes of blocks"),
        _("All, with the blocks as drawn"),
    ]
    note = _(
        "An allocation is certain when no other arm is possible for who knows these allocations and the parameters. "
        "With the blocks as drawn is the worst case: where each block ends is known."
    )
    return TableWords(_("Allocations that are certain beforehand"), heads, rows, note)


def _power(report: Report) -> TableWords:
    rows = [
        [
            label,
            fixed(result["power"]["lost"]["mean"], 2),
            fixed(result["power"]["lost"]["p95"], 2),
            percent(result["power"]["power"]["mean"], 2),
            percent(result["power"]["power"]["worst"], 2),
            fixed(result["power"]["lost_stratified"]["mean"], 2),
            fixed(result["power"]["lost_stratified"]["p95"], 2),
            percent(result["power"]["power_stratified"]["mean"], 2),
            percent(result["power"]["power_stratified"]["worst"], 2),
        ]
        for label, result in _labelled(report)
    ]
    heads = [
        _("Scheme"),
        _("Participants lost: mean"),
        _("95th percentile"),
        _("Power: mean"),
        _("worst trial"),
        _("Stratified analysis, lost: mean"),
        _("95th percentile"),
        _("Power: mean"),
        _("worst trial"),
    ]
    note = _(
        "Information about two arms is the sum over the strata of n₁n₂ ÷ (n₁ + n₂); what is missing from that of the "
        "planned ratio is said in participants."
    )
    return TableWords(_("What imbalance costs"), heads, rows, note)


def _largest_error(report: Report, names: Sequence[str]) -> float:
    return max(result["guessing"][name]["error"] for result in report.schemes for name in names)


def group_tables(report: Report, definition: Definition) -> list[tuple[str, list[TableWords]]]:
    """Each scheme by stratum, by level and by site: mean number of participants and imbalance."""
    heads = [_("Participants: mean"), _("Imbalance: mean"), _("95th percentile"), _("worst trial")]
    found = []
    for label, result in _labelled(report):
        parts: list[TableWords] = []
        named: list[tuple[str, str, str, Callable[[str], str]]] = [
            ("strata", _("By stratum"), _("Stratum"), lambda name: stratum_words_of(name, definition)),
            ("levels", _("By factor"), _("Level"), lambda name: stratum_words_of(name, definition)),
            ("sites", _("By site"), _("Site"), str),
        ]
        for key, caption, head, words in named:
            rows = [
                [words(group["name"]), fixed(group["participants"]), *_three(group["imbalance"])]
                for group in result[key]
            ]
            if rows:
                parts.append(TableWords(caption, [head, *heads], rows))
        found.append((label, parts))
    return found


def stratum_words_of(name: str, definition: Definition) -> str:
    """A stratum, or one level of a factor, as the study names it."""
    if name == "all":
        return _("All participants")
    section: RandomizationSection | None = definition.section("randomization")
    factors = {factor.id: factor for factor in section.strata} if section else {}
    words = []
    for part in name.split("|"):
        factor, _equals, code = part.partition("=")
        levels = {level.code: level for level in factors[factor].levels} if factor in factors else {}
        words.append(definition.text(levels[code].label, locale()) if code in levels else part)
    return " · ".join(words)


# ---------------------------------------------------------------- pictures


@dataclass(frozen=True)
class Chart:
    """The schemes over one axis: rows of marks, the legend (shape, words), the ticks (value, words)."""

    name: str
    title: str
    legend: list[tuple[str, str]]
    rows: list[Row]
    ticks: list[tuple[float, str]]
    reference: float | None = None

    @property
    def description(self) -> str:
        """The chart in words, for who does not see it."""
        return "; ".join(f"{row.label}: {', '.join(point.words for point in row.points)}" for row in self.rows)


@dataclass(frozen=True)
class Picture:
    """A chart drawn, with its title and a legend of (mark, words)."""

    title: str
    legend: list[tuple[str, str]]
    svg: SafeString


MARKS = {"circle": "○", "square": "□", "diamond": "◆", "bar": "▎"}


def charts(report: Report) -> list[Chart]:
    """The schemes over one axis each: imbalance, guesses, certainty, participants lost."""
    results = list(_labelled(report))
    arms = report.content["setting"]["arms"].values()
    spread = [
        ("mean", "circle", _("mean")),
        ("p95", "square", _("95th percentile")),
        ("worst", "bar", _("worst trial")),
    ]
    guesses = [
        ("site", "circle", _("knows one site")),
        ("everyone", "square", _("knows all")),
        ("design", "diamond", _("knows all and the parameters")),
    ]
    certain = [
        ("certain_site", "circle", _("knows one site")),
        ("certain_all", "square", _("knows all and the sizes")),
        ("certain_with_blocks", "diamond", _("knows all and the blocks as drawn")),
    ]
    means = [(label, _means(result)) for label, result in results]
    overall = [(label, result["overall"]) for label, result in results]
    lost = [(label, result["power"]["lost_stratified"]) for label, result in results]
    return [
        _chart("imbalance", _("Imbalance at the end of the trial"), overall, spread, fixed),
        _chart(
            "guesses", _("Probability of a correct guess"), means, guesses, percent,
            ticks=[0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], reference=max(arms) / sum(arms),
        ),
        _chart("certain", _("Allocations that are certain beforehand"), means, certain, percent),
        _chart("lost", _("Participants lost in a stratified analysis"), lost, spread, fixed),
    ]  # fmt: skip


def pictures(report: Report) -> list[Picture]:
    """The charts as SVG."""
    found = []
    for chart in charts(report):
        svg = dots(
            chart.rows,
            ticks=chart.ticks,
            name=f"sim-{chart.name}",
            title=chart.title,
            description=chart.description,
            reference=chart.reference,
        )
        legend = [(MARKS[shape], words) for shape, words in chart.legend]
        found.append(Picture(chart.title, legend, mark_safe(svg)))  # noqa: S308 - the drawing escapes every word
    return found


def _means(result: Mapping[str, Any]) -> dict[str, float]:
    return {name: found["mean"] for name, found in result["guessing"].items()}


def _chart(
    name: str,
    title: str,
    results: Sequence[tuple[str, Mapping[str, float]]],
    points: list[tuple[str, str, str]],
    words: Callable[[float], str],
    ticks: Sequence[float] = (),
    reference: float | None = None,
) -> Chart:
    rows = [
        Row(label, tuple(Point(values[key], shape, f"{said}: {words(values[key])}") for key, shape, said in points))
        for label, values in results
    ]
    marks = list(ticks) or round_ticks(max(point.value for row in rows for point in row.points))
    places = 0 if words is percent or marks[-1] >= 5 else 1
    short = percent if words is percent else fixed
    legend = [(shape, said) for _key, shape, said in points]
    return Chart(name, title, legend, rows, [(mark, short(mark, places)) for mark in marks], reference)


def histograms(report: Report) -> list[tuple[str, SafeString]]:
    """The overall imbalance of each scheme, all over the same axes."""
    results = list(_labelled(report))
    highest = max(value for _label, result in results for value, _share in result["histogram"])
    most = max(share for _label, result in results for _value, share in result["histogram"])
    found = []
    for number, (label, result) in enumerate(results, start=1):
        bars = [
            (
                value,
                share,
                _("imbalance %(value)s: %(share)s of the trials") % {"value": fixed(value, 0), "share": percent(share)},
            )
            for value, share in result["histogram"]
        ]
        svg = columns(
            bars,
            highest=highest,
            most=most,
            name=f"sim-histogram-{number}",
            title=label,
            description="; ".join(words for _value, _share, words in bars),
        )
        found.append((label, mark_safe(svg)))  # noqa: S308 - as above
    return found


__all__ = ["ComparisonForm", "group_tables", "histograms", "pictures", "report_facts", "schemes_from", "tables"]
