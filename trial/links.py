"""Addresses of pages that rooms above own, by the names they promise."""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse

from .models import Participant, Visit


def casebook_url(participant: Participant, anchor: str = "") -> str:
    """Return the participant's casebook, or their status page where no room offers a casebook."""
    try:
        url = reverse("casebook", args=[participant.code])
    except NoReverseMatch:
        return reverse("participant_status", args=[participant.code])
    return f"{url}#{anchor}" if anchor else url


def visit_anchor(visit: Visit) -> str:
    """Return the name of a visit's place in the casebook."""
    return f"visit-{visit.pk}"


def optional_url(name: str, *args: object) -> str:
    """Return the address of a name, empty where no room offers it."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""
