"""The study's audit trail as a person reads it."""

from __future__ import annotations

import pytest
from django.utils import translation

from audit.models import Deed
from ecrf.actions import data_queries
from ecrf.where import Where
from reporting.presenters import notice_words, trail_row
from tests.cast import Cast

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("kind", "english", "french"),
    [
        ("visit_due", "Visit in 7 days", "Visite dans 7\N{NO-BREAK SPACE}jours"),
        ("safety_case", "Serious adverse event, 24 hours to report", "EIG, 24 heures pour déclarer"),
        ("never_heard_of", "never_heard_of", "never_heard_of"),
    ],
)
def test_a_reminder_is_named_by_its_subject(cast: Cast, kind: str, english: str, french: str) -> None:
    """REP-030: by the study's words or ours, in the language of the page, without code, visit and technical key."""
    with translation.override("en"):
        assert notice_words(kind, cast.definition, "en") == english
    with translation.override("fr"):
        assert notice_words(kind, cast.definition, "fr") == french


def test_what_a_line_is_about_is_in_words(cast: Cast) -> None:
    """REP-031: a signed form by its label, a query by what it is called on the pages, in both languages."""
    participant = cast.randomized()
    where = Where(participant, "lesion", number=1)
    query = data_queries.ask(where=where, text="Please check.", by=cast.mona_monitor)
    signed = Deed.objects.filter(target_label__startswith="eligibility ").latest("pk")
    asked = Deed(verb="query.asked", target_label=str(query), details={})
    with translation.override("en"):
        assert trail_row(signed, cast.definition, {}).target == "Eligibility"
        assert trail_row(Deed(verb="x.y", target_label="Case 13", details={}, at=signed.at), None, {}).target == (
            "Serious event 13"
        )
    asked.at = signed.at
    with translation.override("fr"):
        assert trail_row(asked, cast.definition, {}).target == f"Demande de correction {query.pk}"
