"""Input of the randomization pages. What is confidential is never written back into a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trial.forms import DayField

from .algorithms.parameters import Parameter, Type, probability
from .models import CorrectionKind, ErrorReason, WhyOtherwise

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


class ProposalForm(forms.Form):
    """A correction to propose: what it needs depends on its kind; the confirmation is typed, never chosen."""

    stratum = forms.ChoiceField(label=gettext_lazy("Stratum"))
    position = forms.IntegerField(
        label=gettext_lazy("Position of the slot in its stratum"), min_value=1, max_value=2_000_000_000
    )
    count = forms.IntegerField(
        label=gettext_lazy("Slots to append to each stratum"), min_value=1, max_value=2_000_000_000
    )
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=300)
    confirmation = forms.CharField(
        label=gettext_lazy("Confirmation"), max_length=40, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {
        CorrectionKind.WITHDRAW_SLOT: ("stratum", "position"),
        CorrectionKind.APPEND_SLOTS: ("stratum", "count"),
        CorrectionKind.CLOSE_STRATUM: ("stratum",),
        CorrectionKind.REOPEN_STRATUM: ("stratum",),
    }

    def __init__(self, *args: Any, kind: str, strata: Sequence[tuple[str, str]], number: int, **options: Any) -> None:
        """`strata` are the labels with their words, `number` is that of the list."""
        super().__init__(*args, **options)
        needed = self.NEEDS.get(kind, ())
        for name in ("stratum", "position", "count"):
            if name not in needed:
                del self.fields[name]
        if "stratum" in needed:
            every = [("", _("Every open stratum"))] if kind == CorrectionKind.APPEND_SLOTS else []
            field: Any = self.fields["stratum"]
            field.choices = [*every, *strata]
            field.required = not every
        typed: dict[str, str] = {
            CorrectionKind.WITHDRAW_SLOT: _("Type the numbers of stratum and slot, like 3-17."),
            CorrectionKind.APPEND_SLOTS: _("Type again how many slots."),
            CorrectionKind.CLOSE_STRATUM: _("Type the number of the stratum."),
            CorrectionKind.REOPEN_STRATUM: _("Type the number of the stratum."),
        }
        of_list = _("Type the number of the list: %(number)s.") % {"number": number}
        self.fields["confirmation"].help_text = typed.get(kind, of_list)


class DecisionForm(forms.Form):
    """The second person's approval of a correction: reason, what is confirmed typed again, password."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=300)
    confirmation = forms.CharField(
        label=gettext_lazy("Confirmation"), max_length=40, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    password = password_field()

    def __init__(self, *args: Any, wanted: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["confirmation"].help_text = _("Type %(wanted)s.") % {"wanted": wanted}


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


class OutsideSimulationForm(forms.Form):
    """The report of a simulation that was made elsewhere, by its digest."""

    digest = forms.CharField(
        label=gettext_lazy("SHA-256 of the report"),
        max_length=80,
        help_text=gettext_lazy("64 hexadecimal digits. Keep the report itself in the trial master file."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class IdentityForm(forms.Form):
    """How somebody made sure that a participant is in the trial under no other code."""

    how = forms.CharField(
        label=gettext_lazy("How you made sure"),
        max_length=300,
        help_text=gettext_lazy(
            "For example: asked the patient, compared with the sponsor’s list. No name, no birth date."
        ),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class ErrorForm(forms.Form):
    """Why a participant should not have been randomized: the first of two steps."""

    reason = forms.ChoiceField(label=gettext_lazy("Reason"), choices=ErrorReason.choices, widget=forms.RadioSelect)
    detail = forms.CharField(
        label=gettext_lazy("What happened"), max_length=300, widget=forms.Textarea(attrs={"rows": 3})
    )


class ErrorConfirmForm(forms.Form):
    """The second step: what was said, unchanged, and the password typed again."""

    reason = forms.ChoiceField(choices=ErrorReason.choices, widget=forms.HiddenInput)
    detail = forms.CharField(max_length=300, widget=forms.HiddenInput)
    password = password_field()


class TreatmentForm(forms.Form):
    """The treatment received: which, from when, and why it is not the one allocated."""

    NONE = "-"
    received = forms.ChoiceField(label=gettext_lazy("Treatment received"), widget=forms.RadioSelect)
    started_on = DayField(label=gettext_lazy("First day of the treatment received"), required=False)
    why = forms.ChoiceField(label=gettext_lazy("If it is not the allocated treatment, why"), required=False)
    detail = forms.CharField(label=gettext_lazy("Details"), max_length=300, required=False)

    def __init__(self, *args: Any, arms: list[tuple[str, str]], is_told: bool, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["received"].choices = [  # type: ignore[attr-defined]
            *arms,
            (self.NONE, _("None of these treatments")),
        ]
        self.fields["why"].choices = [("", "–"), *WhyOtherwise.choices]  # type: ignore[attr-defined]
        if is_told:
            self.fields["reason"] = forms.CharField(label=_("Reason for the change"), max_length=300)

    def clean_received(self) -> str:
        """An arm, or nothing for none of them."""
        received: str = self.cleaned_data["received"]
        return "" if received == self.NONE else received


MOMENTS = ["%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]


class EmergencyForm(forms.Form):
    """An allocation that was made on paper, as the opened page says it."""

    position = forms.IntegerField(label=gettext_lazy("Number of the page"), min_value=1, max_value=99)
    mark = forms.CharField(
        label=gettext_lazy("Mark on the page"),
        max_length=12,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    happened_at = forms.DateTimeField(
        label=gettext_lazy("Opened on, at"),
        help_text=gettext_lazy("The true time of the allocation, as dd/mm/yyyy hh:mm. It is day 0."),
        input_formats=MOMENTS,
    )
    opened_by = forms.CharField(label=gettext_lazy("Opened by (two names)"), max_length=200)
    reason = forms.CharField(label=gettext_lazy("Why the system could not be used"), max_length=300)
    password = password_field()


class SetAsideForm(forms.Form):
    """A page that was opened and given to nobody."""

    stratum = forms.ChoiceField(label=gettext_lazy("Stratum"))
    position = forms.IntegerField(label=gettext_lazy("Number of the page"), min_value=1, max_value=99)
    happened_at = forms.DateTimeField(
        label=gettext_lazy("Opened on, at"),
        help_text=gettext_lazy("As dd/mm/yyyy hh:mm."),
        input_formats=MOMENTS,
    )
    opened_by = forms.CharField(label=gettext_lazy("Opened by (two names)"), max_length=200)
    reason = forms.CharField(label=gettext_lazy("Why it was given to nobody"), max_length=300)

    def __init__(self, *arguments: Any, strata: list[tuple[str, str]], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields["stratum"].choices = strata  # type: ignore[attr-defined]
