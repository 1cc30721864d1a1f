"""What runs by itself: reminders fall due and go out, once, by real mail and real workers."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from audit import clock
from audit.models import Deed
from config.schedule import schedule
from tests.cast import Cast
from trial import leases, tasks
from trial.actions import notices, visits
from trial.models import Lease, Notice, NoticeState


def overdue(cast):
    """A participant whose screening window closed 55 days ago."""
    with clock.simulated(timezone.now() - dt.timedelta(days=100)):
        return cast.screened()


def test_the_beat_runs_both():
    """TRIAL-250: reminders fall due and messages go out by the schedule."""
    found = {entry["task"] for entry in schedule().values()}
    assert {"trial.owe_reminders", "trial.send_notices"} <= found


@pytest.mark.django_db
def test_a_reminder_is_owed_once_and_sent_once_by_real_mail(cast, smtp):
    """TRIAL-251: one message each, without clinical data; running again sends nothing."""
    participant = overdue(cast)
    owed = tasks.owe_reminders()
    assert owed == Notice.objects.filter(participant=participant).count() > 0
    assert tasks.owe_reminders() == 0
    assert tasks.send_notices() == owed
    assert tasks.send_notices() == 0
    assert len(smtp.messages) == owed
    assert {message["To"] for message in smtp.messages} == {
        cast.theo_coordinator.email,
        cast.ines_investigator.email,
    }
    message = smtp.messages[0]
    assert participant.code in message["Subject"]
    assert f"/participants/{participant.code}/" in message.get_content()
    assert Deed.objects.filter(verb="notice.sent").count() == owed
    assert not Notice.objects.exclude(state=NoticeState.SENT).exists()


@pytest.mark.django_db
def test_a_settled_visit_is_not_reminded(cast, smtp):
    """TRIAL-252: what was owed and is settled before it went out is cancelled."""
    participant = overdue(cast)
    tasks.owe_reminders()
    visits.miss(visit=cast.visit(participant, "SCR"), reason="Did not come", by=cast.theo_coordinator)
    assert tasks.send_notices() == 0
    assert smtp.messages == []


@pytest.mark.django_db
def test_nobody_is_told_today_of_a_visit_in_seven_days_that_is_today(cast):
    """TRIAL-253: a reminder before the visit is not owed on its day or after."""
    cast.screened()
    tasks.owe_reminders()
    assert not Notice.objects.filter(kind="visit_due").exists()


@pytest.mark.django_db
def test_mail_that_is_down_leaves_the_message_owed(cast, settings):
    """TRIAL-254: nothing is lost, and the next run sends it."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    overdue(cast)
    owed = tasks.owe_reminders()
    assert tasks.send_notices() == 0
    assert Notice.objects.filter(state=NoticeState.OWED).count() == owed
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    Lease.objects.update(leased_until=None)  # … after some patience
    assert tasks.send_notices() == owed


@pytest.mark.django_db
def test_what_a_lost_worker_held_goes_to_another_after_its_lease(cast, smtp):
    """TRIAL-255: while the lease runs nobody else sends; after it, one other does, with the same Message-ID."""
    overdue(cast)
    tasks.owe_reminders()
    held = Notice.objects.order_by("pk")[0]
    assert leases.claim(notices.WORK, held.pk)
    Lease.objects.filter(target_id=held.pk).update(worker="another-machine:1")  # … which dies now
    tasks.send_notices()
    held.refresh_from_db()
    assert held.state == NoticeState.OWED
    Lease.objects.filter(target_id=held.pk).update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    assert tasks.send_notices() == 1
    held.refresh_from_db()
    assert held.state == NoticeState.SENT
    assert smtp.messages[-1]["Message-ID"].startswith(f"<notice-{held.pk}@")
    assert leases.attempts_of(notices.WORK, held.pk) == 2


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_owes_and_sends(smtp, settings, monkeypatch, request):
    """TRIAL-256: through Redis and Celery, on committed rows."""
    monkeypatch.setenv("EMAIL_URL", f"smtp://{smtp.host}:{smtp.port}")
    cast = Cast()
    participant = overdue(cast)
    request.getfixturevalue("worker")
    from config.services.processes import wait_until

    tasks.owe_reminders.delay()
    assert wait_until(lambda: Notice.objects.filter(participant=participant).exists(), seconds=20, every=0.1)
    tasks.send_notices.delay()
    assert wait_until(lambda: len(smtp.messages) == Notice.objects.count(), seconds=20, every=0.1)
    assert wait_until(lambda: not Notice.objects.exclude(state=NoticeState.SENT).exists(), seconds=10, every=0.1)
