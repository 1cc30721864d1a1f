"""Words in templates: `{% load trial_words %}{{ visit.planned_on|day }}`."""

from __future__ import annotations

import datetime as dt

from django import template
from django.utils import timezone
from django.utils.translation import get_language

from ..presenters import date_words

register = template.Library()


@register.filter
def day(value: dt.date | dt.datetime | None) -> str:
    """Write a day with its month in letters, in the language of the page; empty for None."""
    if isinstance(value, dt.datetime):
        value = timezone.localtime(value).date() if timezone.is_aware(value) else value.date()
    return date_words(value, get_language() or "en")


@register.filter
def moment(value: dt.datetime | None) -> str:
    """Write a moment: the day with its month in letters and the time in the trial's time zone; empty for None."""
    if value is None:
        return ""
    local = timezone.localtime(value)
    return f"{date_words(local.date(), get_language() or 'en')}, {local:%H:%M}"
