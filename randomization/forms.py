"""Input of the randomization pages. What is confidential is never written back into a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trial.forms import DayField

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


class ListForm(forms.Form):
    """A new allocation list: only the block sizes are typed; the seed is drawn by the system."""

    block_sizes = forms.CharField(
        label=gettext_lazy("Block sizes"),
        max_length=80,
        help_text=gettext_lazy(
            "Two or three, parted by commas. They are encrypted at once and never shown again, to nobody."
        ),
        widget=Unshown(attrs={"autocomplete": "off", "inputmode": "numeric", "spellcheck": "false"}),
    )

    def clean_block_sizes(self) -> tuple[int, ...]:
        """The sizes as numbers; a fault names the place of a size, never the size."""
        parts = [
            part for part in self.cleaned_data["block_sizes"].replace(";", ",").replace(" ", ",").split(",") if part
        ]
        if len(parts) > MOST_SIZES:
            raise ValidationError(_("These are too many sizes."))
        faults = [
            _("Number %(number)s is not a whole number.") % {"number": number}
            for number, part in enumerate(parts, start=1)
            if not (part.isascii() and part.isdigit() and len(part) < 5)
        ]
        if faults:
            raise ValidationError(faults)
        return tuple(int(part) for part in parts)


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
