"""Input of the randomization pages. What is confidential is never written back into a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .algorithms.parameters import Parameter, Type, probability

MOST_SIZES = 12
"""More block sizes than this are a typing error: lists use two or three."""


class Unshown(forms.TextInput):
    """A text that is typed in clear and never rendered back, not even after an error."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


def password_field() -> forms.CharField:
    """The password typed again, for a signature."""
    return forms.CharField(
        label=gettext_lazy("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class PasswordForm(forms.Form):
    """One irreversible step: the password typed again."""

    password = password_field()


class ReasonForm(forms.Form):
    """A reason, in a few words."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=300)


class UnshownChoice(forms.RadioSelect):
    """A choice that is never rendered back, not even after an error."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


WEIGHT = "weight_"
"""Before the id of a factor: the field of its weight."""
CHOICES = {
    "range": gettext_lazy("Range: the largest count less the smallest"),
    "variance": gettext_lazy("Variance: the sum of squares"),
}
LABELS = {
    "block_sizes": gettext_lazy("Block sizes"),
    "probability": gettext_lazy("Probability of the arm that balances best"),
    "tolerance": gettext_lazy("Largest difference between the arms"),
    "alpha": gettext_lazy("Balls of each arm at the start (α)"),
    "beta": gettext_lazy("Balls added for every other arm after each draw (β)"),
    "imbalance": gettext_lazy("Measure of imbalance"),
}
HINTS = {
    "block_sizes": gettext_lazy(
        "Two or three, parted by commas. They are encrypted at once and never shown again, to nobody."
    ),
    "probability": gettext_lazy("A fraction such as 2/3, or decimals such as 0.8. Less than 1: chance always decides."),
    "tolerance": gettext_lazy("Once one arm is ahead by so many, the other one is given."),
    "alpha": gettext_lazy("0 to 1000. With 0 the second participant always gets another arm than the first."),
    "beta": gettext_lazy("1 to 1000. The more, the stronger the pull back to balance."),
}
WEIGHT_HINT = gettext_lazy("A whole number, 1 to 1000.")


class ListForm(forms.Form):
    """A new allocation list: exactly the confidential parameters of the study's scheme; the system draws the seed."""

    def __init__(self, *args: Any, parameters: Sequence[Parameter], factors: Mapping[str, str], **kwargs: Any) -> None:
        """`factors` are the words of each factor that wants a weight, by id."""
        super().__init__(*args, **kwargs)
        self.parameters = parameters
        self.factors = factors
        for parameter in parameters:
            if parameter.type is Type.WEIGHTS:
                for factor, words in factors.items():
                    label = _("Weight of “%(factor)s”") % {"factor": words}
                    self.fields[WEIGHT + factor] = _unshown(label, WEIGHT_HINT, "numeric")
            elif parameter.type is Type.CHOICE:
                self.fields[parameter.name] = forms.ChoiceField(
                    label=LABELS[parameter.name],
                    choices=[(choice, CHOICES[choice]) for choice in parameter.choices],
                    widget=UnshownChoice,
                )
            else:
                mode = "text" if parameter.type is Type.PROBABILITY else "numeric"  # a fraction needs its stroke
                self.fields[parameter.name] = _unshown(LABELS[parameter.name], HINTS[parameter.name], mode)

    def clean(self) -> dict[str, Any]:
        """Numbers as numbers; what is typed wrongly is a fault of its field, which never quotes it."""
        said = dict(self.cleaned_data)
        for parameter in self.parameters:
            names = [parameter.name]
            if parameter.type is Type.WEIGHTS:
                names = [WEIGHT + factor for factor in self.factors]
            for name in names:
                if name not in said:
                    continue
                if parameter.type is Type.COUNTS:
                    said[name] = self._sizes(name, said[name])
                elif parameter.type in (Type.COUNT, Type.WEIGHTS):
                    said[name] = self._count(name, said[name])
        return said

    def _sizes(self, name: str, text: str) -> tuple[int, ...]:
        parts = [part for part in text.replace(";", ",").replace(" ", ",").split(",") if part]
        if len(parts) > MOST_SIZES:
            self.add_error(name, _("These are too many sizes."))
            return ()
        for number, part in enumerate(parts, start=1):
            if not _is_whole(part):
                self.add_error(name, _("Number %(number)s is not a whole number.") % {"number": number})
        return tuple(int(part) for part in parts if _is_whole(part))

    def _count(self, name: str, text: str) -> int | None:
        if not _is_whole(text.strip()):
            self.add_error(name, _("It is not a whole number."))
            return None
        return int(text.strip())

    @property
    def block_sizes(self) -> tuple[int, ...]:
        """The block sizes of a valid form; none where the scheme has none."""
        return tuple(self.cleaned_data.get("block_sizes", ()))

    @property
    def extra(self) -> dict[str, Any]:
        """The other confidential parameters of a valid form, as they are sealed."""
        found: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.type is Type.WEIGHTS:
                found[parameter.name] = {factor: self.cleaned_data[WEIGHT + factor] for factor in self.factors}
            elif parameter.type is Type.PROBABILITY:
                chance = probability(self.cleaned_data[parameter.name])
                found[parameter.name] = str(chance) if chance is not None else ""
            elif parameter.type is not Type.COUNTS:
                found[parameter.name] = self.cleaned_data[parameter.name]
        return found

    def field_of(self, place: str) -> str | None:
        """The field to which a fault's place belongs; None for the form as a whole."""
        head, _found, factor = place.partition(" › ")
        name = WEIGHT + factor if head == "weights" else head.replace(" ", "_")
        return name if name in self.fields else None


class ImportForm(forms.Form):
    """A new allocation list from a file."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        allow_empty_file=True,  # an empty one is named with the other faults of a file
        help_text=gettext_lazy(
            "UTF-8, comma or semicolon, with the header stratum, position, arm and, where the slots have own numbers, "
            "number. It is encrypted as it is read; the file itself is not kept."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )


def _unshown(label: Any, hint: Any, mode: str) -> forms.CharField:
    attrs = {"autocomplete": "off", "inputmode": mode, "spellcheck": "false"}
    return forms.CharField(label=label, max_length=80, help_text=hint, widget=Unshown(attrs=attrs))


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 5
