"""Reminders: inbox, seen, outbox."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from trial.actions import notices
from trial.models import Notice, Visit
from trial.views.notices import mails_in, outbox

from .helpers import words

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(cast, settings, tmp_path):
    """One reminder that went out to the coordinator, as files."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    participant = cast.screened()
    (notice,) = notices.owe(
        kind="visit_due",
        people=[cast.theo_coordinator],
        key="sample",
        participant=participant,
        visit=Visit.objects.get(participant=participant, event="SCR"),
        context={"site": "01", "code": participant.code, "visit": {"en": "Screening", "fr": "Sélection"}},
        url=f"/participants/{participant.code}/status/",
        by=None,
    )
    assert notices.send_owed() == 1
    notice.refresh_from_db()
    return notice


def test_the_inbox_shows_what_was_sent_in_the_language(cast, sent):
    """TRIAL-200: new ones first tab; counted in the navigation; nobody else's."""
    client = cast.client_of(cast.theo_coordinator)
    page = words(client.get("/notices/"))
    assert "Visit in 7 days: 01-001, Screening" in page
    assert "No reminder waits" in words(cast.client_of(cast.ines_investigator).get("/notices/"))
    client.post("/language/", {"language": "fr"})
    assert "Visite dans" in words(client.get("/notices/?show=all"))


def test_a_reminder_is_marked_as_seen_once(cast, sent):
    """TRIAL-201: seen keeps the moment; opening leads to the participant; the second time changes nothing."""
    client = cast.client_of(cast.theo_coordinator)
    answer = client.post("/notices/seen/", {"notice": sent.pk, "open": "1"})
    assert answer["Location"] == sent.url
    sent.refresh_from_db()
    first = sent.seen_at
    assert first is not None
    assert client.post("/notices/seen/", {"notice": sent.pk, "next": "/notices/"})["Location"] == "/notices/"
    sent.refresh_from_db()
    assert sent.seen_at == first
    assert "No reminder waits" in words(client.get("/notices/"))
    assert sent.context["code"] in words(client.get("/notices/?show=all"))


def test_nobody_marks_the_reminder_of_another(cast, sent):
    """TRIAL-202: not found, and not seen; nonsense neither."""
    for person, posted in (
        (cast.ines_investigator, sent.pk),
        (cast.oscar_coordinator, sent.pk),
        (cast.theo_coordinator, "9" * 30),
        (cast.theo_coordinator, "x"),
    ):
        assert cast.client_of(person).post("/notices/seen/", {"notice": posted}).status_code == 404
    assert Notice.objects.get(pk=sent.pk).seen_at is None


def test_the_outbox_reads_the_files_and_exists_in_debug_only(cast, sent, settings):
    """TRIAL-203: subject, recipient and body as written; elsewhere not found."""
    from django.http import Http404

    (mail,) = mails_in(__import__("pathlib").Path(settings.EMAIL_FILE_PATH))
    assert mail["to"] == cast.theo_coordinator.email
    assert "01-001" in mail["subject"]
    assert "/participants/01-001/" in mail["body"]
    request = RequestFactory().get("/outbox/")
    request.user = cast.theo_coordinator
    with pytest.raises(Http404):
        outbox(request)
    assert cast.client_of(cast.theo_coordinator).get("/outbox/").status_code == 404
    settings.DEBUG = True
    assert "01-001" in words(outbox(request))


def test_an_email_never_tells_the_arm(cast):
    """TRIAL-204: a visit that only one arm has is named by a word that both share."""
    participant = cast.randomized()
    visit = Visit.objects.filter(participant=participant, reveals_arm=True).select_related("participant__site").first()
    assert visit is not None
    said = notices._words_of(visit, cast.definition)["visit"]
    label = cast.definition.visit(visit.event).label
    assert said["en"] != label["en"]
    assert said["fr"] != label["fr"]
