"""What people type on the pages of forms beside the forms themselves."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trial.forms import DayField, reason_field


class LimitsForm(forms.Form):
    """The limits of one range, as the laboratory prints them."""

    unit = forms.ChoiceField(label=gettext_lazy("Unit of the report"))
    low = forms.CharField(label=gettext_lazy("Lower limit"), max_length=20, required=False)
    high = forms.CharField(label=gettext_lazy("Upper limit"), max_length=20, required=False)

    def __init__(self, *args: Any, units: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        unit: Any = self.fields["unit"]
        unit.choices = [(each, each or _("no unit")) for each in units]
        for side in ("low", "high"):
            self.fields[side].widget.attrs |= {"inputmode": "decimal", "autocomplete": "off"}
        self.fields["high"].help_text = _(
            "Leave a side empty that has no limit. Decimal comma and point are both read."
        )


class CorrectRangeForm(LimitsForm):
    """The right limits, and why the former ones were wrong."""

    reason = reason_field(gettext_lazy("Why is it corrected?"))


class RangeForm(LimitsForm):
    """A range from a day on."""

    analyte = forms.ChoiceField(label=gettext_lazy("Analyte"))
    sex = forms.ChoiceField(
        label=gettext_lazy("For"),
        required=False,
        choices=[("", gettext_lazy("Both sexes")), ("F", gettext_lazy("Women")), ("M", gettext_lazy("Men"))],
    )
    from_on = DayField(label=gettext_lazy("In force from"), future=True)
    field_order = ("analyte", "sex", "unit", "low", "high", "from_on")

    def __init__(self, *args: Any, analytes: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        analyte: Any = self.fields["analyte"]
        analyte.choices = analytes
        self.fields["unit"].help_text = _("Another unit than the study's is converted; what was printed is kept too.")
