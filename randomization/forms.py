"""Input of the randomization pages. What is confidential is never written back into a page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

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
