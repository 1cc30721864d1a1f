"""Messages owed: a row first, then one e-mail each, in the person's language."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import translation

import audit
from audit import clock
from trial.definition import Definition, Reminder

from .. import leases, notice_kinds
from ..definitions import definition_of
from ..models import Delegation, Notice, NoticeState, Participant, Person, Visit, VisitStatus
from ..presenters import date_words, visit_label

logger = logging.getLogger(__name__)
WORK = "notice"


def owe(
    *,
    kind: str,
    people: Iterable[Person],
    key: str,
    participant: Participant | None,
    visit: Visit | None = None,
    context: dict[str, Any] | None = None,
    url: str = "",
    due_at: dt.datetime | None = None,
    reveals_arm: bool = False,
    by: Person | None,
) -> list[Notice]:
    """Owe one notice to each person; a key that was owed before is not owed again."""
    wanted = {f"{key}:{person.pk}": person for person in people}
    held = set(Notice.objects.filter(key__in=wanted).values_list("key", flat=True))
    new = [
        Notice(
            kind=kind,
            person=person,
            participant=participant,
            visit=visit,
            key=full_key,
            context=context or {},
            url=url,
            due_at=due_at or clock.now(),
            reveals_arm=reveals_arm,
        )
        for full_key, person in wanted.items()
        if full_key not in held
    ]
    return audit.save_many(new, by=by) if new else []


@transaction.atomic
def owe_reminders() -> list[Notice]:
    """Owe what the study's reminders say is due today: visits that come, visits that are overdue.

    Safe to run as often as one likes: each reminder, visit, person and repetition has one key.
    """
    today = clock.today()
    people = _people_by_site_and_role(today)
    owed: list[Notice] = []
    horizon = today + dt.timedelta(days=120)
    visits = (
        Visit.objects.filter(status=VisitStatus.PLANNED, planned_on__isnull=False, planned_on__lte=horizon)
        .select_related("participant__site")
        .order_by("pk")
    )
    for visit in visits.iterator(chunk_size=500):
        definition = definition_of(visit.participant.version_id)
        for reminder in definition.reminders:
            number = _repetition_due(reminder, visit, today)
            if number is None:
                continue
            recipients = {
                person for role in reminder.to for person in people.get((visit.participant.site_id, str(role)), ())
            }
            owed += owe(
                kind=reminder.id,
                people=recipients,
                key=f"{reminder.id}:{visit.pk}:{number}",
                participant=visit.participant,
                visit=visit,
                context=_words_of(visit, definition),
                url=f"/participants/{visit.participant.code}/",
                reveals_arm=visit.reveals_arm,
                by=None,
            )
    return owed


def send_owed(limit: int = 200) -> int:
    """Send what is owed and due, each once; returns how many went out.

    A worker leases a notice before it sends it. If it dies between sending and saying so, the notice goes out again
    with the same Message-ID, which mail systems drop as a duplicate.
    """
    sent = 0
    owed = Notice.objects.filter(state=NoticeState.OWED, due_at__lte=clock.now()).order_by("due_at")
    for notice_id in owed.values_list("pk", flat=True)[:limit]:
        if leases.claim(WORK, notice_id):
            sent += _send_one(notice_id)
    return sent


def _send_one(notice_id: int) -> int:
    notice = Notice.objects.select_related("person").get(pk=notice_id)
    if notice.state != NoticeState.OWED:
        leases.release(WORK, notice_id)
        return 0
    subject, body = text_of(notice, notice.person.locale)
    message = EmailMessage(
        subject,
        body,
        settings.DEFAULT_FROM_EMAIL,
        [notice.person.email],
        headers={"Message-ID": f"<notice-{notice.pk}@{urlsplit(settings.SITE_URL).hostname}>"},
    )
    try:
        message.send()
    except OSError as error:  # includes SMTPException
        logger.warning("Notice %s could not be sent: %s", notice.pk, type(error).__name__)
        leases.release(WORK, notice_id, error=type(error).__name__)
        return 0
    with transaction.atomic():
        notice.state = NoticeState.SENT
        notice.sent_at = clock.now()
        audit.save(notice, by=None)
        audit.deed("notice.sent", notice, by=None, kind=notice.kind)
    leases.release(WORK, notice_id)
    return 1


@transaction.atomic
def cancel_settled(*, participant: Participant, by: Person | None) -> None:
    """Cancel notices about visits that are no longer planned: nobody is reminded of what is settled."""
    stale = Notice.objects.filter(participant=participant, visit__isnull=False, state=NoticeState.OWED).exclude(
        visit__status=VisitStatus.PLANNED
    )
    for notice in stale:
        notice.state = NoticeState.CANCELLED
        audit.save(notice, by=by)


@transaction.atomic
def mark_seen(*, notice: Notice, by: Person) -> Notice:
    """Keep when the person first saw the notice in the application."""
    if notice.person_id == by.pk and notice.seen_at is None:
        notice.seen_at = clock.now()
        audit.save(notice, by=by)
    return notice


def text_of(notice: Notice, locale: str) -> tuple[str, str]:
    """Return subject and body of a notice in a language; neither ever holds clinical data."""
    with translation.override(locale):
        kind = notice_kinds.get(notice.kind)
        if kind is not None:
            subject, body = str(kind.subject), str(kind.body)
        else:
            assert notice.participant is not None
            definition = definition_of(notice.participant.version_id)
            reminder = next((r for r in definition.reminders if r.id == notice.kind), None)
            if reminder is None:
                return notice.kind, ""
            subject, body = definition.text(reminder.subject, locale), definition.text(reminder.body, locale)
        words = {
            "site": notice.context.get("site", ""),
            "code": notice.context.get("code", ""),
            "visit": (notice.context.get("visit") or {}).get(locale, ""),
            "date": _date_word(notice.context.get("date"), locale),
            "url": settings.SITE_URL.rstrip("/") + notice.url,
        }
        return _fill(subject, words), _fill(body, words)


def _fill(text: str, words: dict[str, str]) -> str:
    for name, word in words.items():
        text = text.replace("{" + name + "}", word)
    return text


def _date_word(iso: str | None, locale: str) -> str:
    return date_words(dt.date.fromisoformat(iso), locale) if iso else ""


def _words_of(visit: Visit, definition: Definition) -> dict[str, Any]:
    return {
        "site": visit.participant.site.number,
        "code": visit.participant.code,
        "visit": {locale: visit_label(visit, definition, locale) for locale in definition.study.locales},
        "date": visit.planned_on.isoformat() if visit.planned_on else None,
    }


def _repetition_due(reminder: Reminder, visit: Visit, today: dt.date) -> int | None:
    """Return which repetition of the reminder is due today for the visit, None when it is not (or no longer) due."""
    moments = {"visit_planned": visit.planned_on, "visit_window_end": visit.window_end or visit.planned_on}
    moment = moments.get(reminder.on)
    if moment is None:
        return None
    offset = reminder.offset.days + 7 * reminder.offset.weeks
    due_on = moment + dt.timedelta(days=offset)
    if today < due_on or (offset < 0 and today > moment):
        return None
    return (today - due_on).days // reminder.repeat_days if reminder.repeat_days else 0


def _people_by_site_and_role(today: dt.date) -> dict[tuple[int, str], list[Person]]:
    people: dict[tuple[int, str], list[Person]] = {}
    for delegation in Delegation.objects.filter(site__isnull=False, person__is_active=True).select_related("person"):
        if delegation.is_in_force(today) and delegation.site_id is not None:
            people.setdefault((delegation.site_id, delegation.role), []).append(delegation.person)
    return people
