"""What people type on the trial's pages, one form per page. Rules that need the state are the actions'."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from audit import clock
from trial.definition import Definition
from trial.language import Fault, ItemType, Spec, parse

from .models import Person, Role, Site, StatusKind
from .permissions import MAY_BE_DELEGATED_TO_RANDOMIZE, NEVER_SEES_ARM, SITE_ROLES
from .statuses import BY_HAND, FAILURE_REASONS, OTHER


class DayField(forms.CharField):
    """A day as people type it (dd/mm/yyyy, ddmmyyyy), understood by the study's own language."""

    def __init__(self, *, future: bool = False, **kwargs: Any) -> None:
        self.future = future
        kwargs.setdefault("max_length", 20)
        kwargs.setdefault("help_text", gettext_lazy("For example 14/03/2026 or 14032026"))
        super().__init__(**kwargs)
        self.validators = []  # the text was judged by the language; what is left is a day

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Ask phones for the number keys."""
        return {**super().widget_attrs(widget), "inputmode": "numeric", "autocomplete": "off"}

    def prepare_value(self, value: Any) -> Any:
        """Show a day the way it is typed."""
        return value.strftime("%d/%m/%Y") if isinstance(value, dt.date) else value

    def to_python(self, value: Any) -> Any:
        """Return the day, None when nothing was typed."""
        text = super().to_python(value)
        if not text:
            return None
        try:
            read = parse(
                Spec(type=ItemType.DATE, future=self.future, missing_codes=()),
                text,
                today=clock.today(),
                locale=get_language() or "en",
            )
        except Fault as fault:
            raise forms.ValidationError(fault.text(_), code=fault.code) from fault
        return read.value if read else None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare the day, not the way of typing it."""
        return super().has_changed(self.prepare_value(initial), data)


def reason_field(label: Any = None, *, required: bool = True, help_text: Any = "") -> forms.CharField:
    """A reason of one or two lines; no names of people."""
    return forms.CharField(
        label=label or gettext_lazy("Reason"),
        max_length=300,
        required=required,
        help_text=help_text,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class SignInForm(forms.Form):
    """E-mail address and password."""

    username = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def clean_username(self) -> str:
        """One writing per address: capital letters are not another account, nor another count of failures."""
        return str(self.cleaned_data["username"]).strip().lower()


class PolicyForm(forms.Form):
    """The rules of using an account, accepted."""

    accepted = forms.BooleanField(
        label=gettext_lazy("I have read these rules and accept them"),
        error_messages={"required": gettext_lazy("Tick the box to go on, or sign out.")},
    )


class ScreenForm(forms.Form):
    """A new screening: where and when."""

    site = forms.ModelChoiceField(label=gettext_lazy("Site"), queryset=Site.objects.none(), empty_label=None)
    on = DayField(label=gettext_lazy("Day of screening"))

    def __init__(self, *args: Any, sites: list[Site], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        site: Any = self.fields["site"]
        site.queryset = Site.objects.filter(pk__in=[s.pk for s in sites])
        if len(sites) == 1:
            self.fields["site"].widget = forms.HiddenInput()
            self.fields["site"].initial = sites[0].pk
        elif len(sites) <= 4:
            self.fields["site"].widget = forms.RadioSelect(choices=site.widget.choices)
        self.fields["on"].initial = clock.today()


class ScreenAgainForm(forms.Form):
    """A new screening of somebody who has a code."""

    on = DayField(label=gettext_lazy("Day of screening"), initial=clock.today)


class ScreenFailureForm(forms.Form):
    """Why somebody is not included: a reason of the study's list, or typed."""

    def __init__(self, *args: Any, definition: Definition, locale: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        codelist = definition.codelists.get(FAILURE_REASONS)
        self.has_list = codelist is not None
        if codelist is not None:
            codes = [e for e in codelist.codes if not e.retired]
            self.fields["reason"] = forms.ChoiceField(
                label=_("Reason"),
                choices=[(e.code, definition.text(e.label, locale)) for e in codes],
                widget=forms.RadioSelect,
            )
        self.fields["detail"] = reason_field(
            _("Details") if self.has_list else _("Reason"),
            required=not self.has_list,
            help_text=_("No name, initials or date of birth: the screening log holds nothing personal."),
        )
        self.fields["on"] = DayField(label=_("Day on which the screening ended"), initial=clock.today())

    def clean(self) -> dict[str, Any]:
        """A typed reason is kept under “other”; “other” of the list needs words."""
        cleaned = super().clean() or {}
        if not self.has_list:
            cleaned["reason"] = OTHER
        elif cleaned.get("reason") == OTHER and "detail" in cleaned and not cleaned["detail"]:
            self.add_error("detail", _("Say which other reason."))
        return cleaned


class ReasonForm(forms.Form):
    """A reason, for what is taken back."""

    reason = reason_field()


class StatusForm(forms.Form):
    """A withdrawal or a loss to follow-up."""

    kind = forms.ChoiceField(label=gettext_lazy("What happened"), widget=forms.RadioSelect)
    on = DayField(label=gettext_lazy("Date"))
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=40, help_text=gettext_lazy("A few words"))
    detail = reason_field(gettext_lazy("Details"), required=False)

    def __init__(self, *args: Any, kinds: tuple[str, ...] = BY_HAND, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind: Any = self.fields["kind"]
        kind.choices = [(str(k), StatusKind(k).label) for k in kinds]


class TransferForm(forms.Form):
    """Where a participant goes on, from when, and why."""

    to_site = forms.ModelChoiceField(label=gettext_lazy("To the site"), queryset=Site.objects.none())
    on = DayField(label=gettext_lazy("From"))
    reason = reason_field()

    def __init__(self, *args: Any, sites: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        to_site: Any = self.fields["to_site"]
        to_site.queryset = sites


class ConsentAgainForm(forms.Form):
    """A later consent version, signed."""

    version = forms.ChoiceField(label=gettext_lazy("Version signed"), widget=forms.RadioSelect)
    signed_on = DayField(label=gettext_lazy("Signed by the participant on"))

    def __init__(self, *args: Any, versions: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        version: Any = self.fields["version"]
        version.choices = [(each, each) for each in versions]
        if len(versions) == 1:
            version.initial = versions[0]


class ConsentDocumentForm(forms.Form):
    """A consent version and from when it is in force, at one site or at all of them."""

    site = forms.ChoiceField(label=gettext_lazy("Site"), required=False)
    version = forms.CharField(
        label=gettext_lazy("Version"), max_length=20, help_text=gettext_lazy("As it is printed on the document.")
    )
    from_on = DayField(label=gettext_lazy("In force from"), future=True)
    asks_again = forms.BooleanField(
        label=gettext_lazy("Participants still in the study are asked to consent again"), required=False, initial=True
    )
    note = reason_field(gettext_lazy("What changed"), required=False)

    def __init__(self, *args: Any, sites: list[Site], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        site: Any = self.fields["site"]
        site.choices = [("", _("Every site")), *((each.number, str(each)) for each in sites)]


class VisitDateForm(forms.Form):
    """The day on which a visit took place; the reason is asked when a recorded day changes."""

    on = DayField(label=gettext_lazy("Day on which the visit took place"))
    reason = reason_field(gettext_lazy("Reason for the change"), required=False)

    def __init__(self, *args: Any, changes: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not changes:
            del self.fields["reason"]


class VisitMissedForm(forms.Form):
    """Why a visit did not take place."""

    reason = reason_field(gettext_lazy("Why it was missed"))


class VisitAddForm(forms.Form):
    """A visit that the plan does not date."""

    event = forms.ChoiceField(label=gettext_lazy("Visit"), widget=forms.RadioSelect)
    on = DayField(label=gettext_lazy("Day on which it took place"))

    def __init__(self, *args: Any, visits: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        event: Any = self.fields["event"]
        event.choices = visits


class PersonForm(forms.Form):
    """A new account."""

    given_name = forms.CharField(label=gettext_lazy("Given name"), max_length=80)
    family_name = forms.CharField(label=gettext_lazy("Family name"), max_length=80)
    email = forms.EmailField(label=gettext_lazy("E-mail address"), max_length=254)
    locale = forms.ChoiceField(
        label=gettext_lazy("Language of pages and e-mails"), choices=[("en", "English"), ("fr", "Français")]
    )
    password = forms.CharField(
        label=gettext_lazy("First password"),
        max_length=200,
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy(
            "Give it to the person in another way than by e-mail. Without one nobody can sign in to the account yet."
        ),
    )

    def clean_password(self) -> str | None:
        """An empty password is none."""
        return self.cleaned_data["password"] or None


class DelegationForm(forms.Form):
    """A role at a site, or at every site, between two dates."""

    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices)
    site = forms.ModelChoiceField(
        label=gettext_lazy("Site"),
        queryset=Site.objects.all(),
        required=False,
        empty_label=gettext_lazy("Every site (sponsor roles)"),
    )
    starts_on = DayField(label=gettext_lazy("From"), future=True)
    ends_on = DayField(label=gettext_lazy("Until (last day)"), future=True, required=False, help_text="")
    may_randomize = forms.BooleanField(
        label=gettext_lazy("May randomize"),
        required=False,
        help_text=gettext_lazy("Coordinators and investigators only."),
    )
    sees_arm = forms.BooleanField(
        label=gettext_lazy("May see the arm of participants"),
        required=False,
        help_text=gettext_lazy("For sponsor roles, by name. Site staff see the arm of their own participants."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["starts_on"].initial = clock.today()

    def clean(self) -> dict[str, Any]:
        """Say beside the field what the action would refuse."""
        cleaned = super().clean() or {}
        role = cleaned.get("role")
        starts_on, ends_on = cleaned.get("starts_on"), cleaned.get("ends_on")
        if starts_on and ends_on and ends_on < starts_on:
            self.add_error("ends_on", _("The last day is before the first."))
        if role in SITE_ROLES and not cleaned.get("site") and "site" not in self.errors:
            self.add_error("site", _("A site role needs its site."))
        if cleaned.get("may_randomize") and role not in MAY_BE_DELEGATED_TO_RANDOMIZE:
            self.add_error("may_randomize", _("Randomizing can be delegated to coordinators and investigators only."))
        if cleaned.get("sees_arm") and role in NEVER_SEES_ARM:
            self.add_error("sees_arm", _("This role never sees the arm of a participant."))
        return cleaned


class DelegationEndForm(forms.Form):
    """The last day of a delegation, and why it ends."""

    on = DayField(label=gettext_lazy("Last day"), future=True)
    reason = reason_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["on"].initial = clock.today()


class FirstPasswordForm(forms.Form):
    """A new password given by an administrator."""

    password = forms.CharField(
        label=gettext_lazy("New password"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = " ".join(password_validation.password_validators_help_texts())


class LocaleForm(forms.Form):
    """The language in which the person reads pages and e-mails."""

    locale = forms.ChoiceField(
        label=gettext_lazy("Language of pages and e-mails"),
        choices=[("en", "English"), ("fr", "Français")],
        widget=forms.RadioSelect,
    )


class PasswordForm(forms.Form):
    """A new password, after the present one."""

    current = forms.CharField(
        label=gettext_lazy("Present password"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    password = forms.CharField(
        label=gettext_lazy("New password"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=gettext_lazy("New password, again"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, person: Person, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person
        self.fields["password"].help_text = " ".join(password_validation.password_validators_help_texts())

    def clean_current(self) -> str:
        """The present password is asked so that an open screen is not enough."""
        current = str(self.cleaned_data["current"])
        if not self.person.check_password(current):
            raise forms.ValidationError(_("This is not your present password."), code="wrong_password")
        return current

    def clean(self) -> dict[str, Any]:
        """Both new passwords are the same."""
        cleaned = super().clean() or {}
        if cleaned.get("password") and cleaned.get("again") and cleaned["password"] != cleaned["again"]:
            self.add_error("again", _("The two new passwords differ."))
        return cleaned
