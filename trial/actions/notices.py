"""Messages owed: a row first, then one e-mail each, in the person's language."""

from __future__ import annotations

import datetime as dt
import logging
import smtplib
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import translation
from django.utils.translation import gettext

import audit
from audit import clock
from audit.prepared import prepared
from trial.definition import Definition, Reminder

from .. import leases, notice_kinds
from ..definitions import definition_of
from ..models import Delegation, Notice, NoticeState, Participant, Person, Study, Version, Visit, VisitStatus
from ..permissions import Permission, access_of
from ..presenters import date_words, visit_label
from ..schedule import moved

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
    is_first: bool = False,
    by: Person | None,
) -> list[Notice]:
    """Owe one notice to each person; a key that was owed before is not owed again, unless it was cancelled unsent.

    `is_first`: the caller knows that the key was never owed; if it was, the database refuses.
    """
    wanted = {f"{key}:{person.pk}": person for person in people}
    held = {} if is_first else {notice.key: notice for notice in _under(tuple(wanted))}
    again = [notice for notice in held.values() if notice.state == NoticeState.CANCELLED]
    for notice in again:
        notice.state = NoticeState.OWED
        notice.context, notice.url, notice.due_at = context or {}, url, due_at or clock.now()
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
    return audit.save_many([*again, *new], by=by)


@transaction.atomic
def owe_reminders() -> list[Notice]:
    """Owe what the study's reminders say is due today: visits that come, visits that are overdue.

    Safe to run as often as one likes, also twice at once: each reminder, visit, date, person and repetition has one
    key. A visit whose date moves is reminded of again; one that is settled, or not expected, never is.
    """
    Study.objects.select_for_update(no_key=True).first()  # one run at a time
    today = clock.today()
    people = _people_by_site_and_role(today, _of_active_people(Delegation.objects.all()))
    found: dict[str, tuple[Reminder, Visit, set[Person]]] = {}
    visits = (
        Visit.objects.filter(status=VisitStatus.PLANNED, planned_on__isnull=False, planned_on__lte=_horizon(today))
        .select_related("participant__site")
        .order_by("pk")
    )
    for visit in visits.iterator(chunk_size=500):
        for reminder in definition_of(visit.participant.version_id).reminders:
            due = _repetition_due(reminder, visit, today)
            if due is not None:
                recipients = _recipients(reminder, visit, people)
                found[f"{reminder.id}:{visit.pk}:{due}"] = (reminder, visit, recipients)
    keys = [f"{key}:{person.pk}" for key, (_reminder, _visit, recipients) in found.items() for person in recipients]
    stand = set(Notice.objects.filter(key__in=keys).exclude(state=NoticeState.CANCELLED).values_list("key", flat=True))
    owed: list[Notice] = []
    for key, (reminder, visit, recipients) in found.items():
        wanted = [person for person in recipients if f"{key}:{person.pk}" not in stand]
        if not wanted:
            continue
        owed += owe(
            kind=reminder.id,
            people=wanted,
            key=key,
            participant=visit.participant,
            visit=visit,
            context=_words_of(visit, definition_of(visit.participant.version_id)),
            url=f"/participants/{visit.participant.code}/",
            reveals_arm=visit.reveals_arm,
            by=None,
        )
    from .consents import owe_reminders as owe_consents

    return owed + owe_consents()


def send_owed(limit: int = 200) -> int:
    """Send what is owed and due, each once; returns how many went out.

    A worker leases a notice before it sends it. If it dies between sending and saying so, the notice goes out again
    with the same Message-ID, which mail systems drop as a duplicate. What cannot be sent stays owed and is tried again
    after 1, 2, 4 … 60 minutes, as often as it takes; when the mail server itself does not answer, the rest waits for
    the next run.
    """
    sent = tried = 0
    owed = Notice.objects.filter(state=NoticeState.OWED, due_at__lte=clock.now()).order_by("due_at", "pk")
    for notice_id in list(owed.values_list("pk", flat=True)):
        if tried >= limit:
            break
        if not leases.claim(WORK, notice_id, most_attempts=None):
            continue
        tried += 1
        try:
            sent += _send_one(notice_id)
        except Exception as error:  # one broken notice never holds up the others
            logger.warning("Notice %s could not be sent: %s", notice_id, type(error).__name__)
            leases.release(WORK, notice_id, error=type(error).__name__, retry_in=_patience(notice_id))
            if isinstance(error, OSError) and not isinstance(error, _ONE_MESSAGE):
                break
    return sent


_ONE_MESSAGE = (
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
)
"""What a mail server says against one message; every other failure is the server's own."""


def _patience(notice_id: int) -> dt.timedelta:
    """How long to wait before the next try: 1, 2, 4 … 60 minutes."""
    return dt.timedelta(minutes=min(60, 2 ** min(10, max(0, leases.attempts_of(WORK, notice_id) - 1))))


def _send_one(notice_id: int) -> int:
    notice = Notice.objects.select_related("person", "participant__site", "visit").get(pk=notice_id)
    if notice.state != NoticeState.OWED:
        leases.release(WORK, notice_id)
        return 0
    if not _is_wanted(notice):
        notice.state = NoticeState.CANCELLED
        audit.save(notice, by=None)
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
    message.send()
    with transaction.atomic():
        # Read again: it may have been seen or settled meanwhile, and it did go out.
        notice = Notice.objects.select_for_update(no_key=True).get(pk=notice_id)
        notice.state = NoticeState.SENT
        notice.sent_at = clock.now()
        audit.save(notice, by=None)
        audit.deed("notice.sent", notice, by=None, reveals_arm=notice.reveals_arm, kind=notice.kind)
    leases.release(WORK, notice_id)
    return 1


def _is_wanted(notice: Notice) -> bool:
    """Whether the notice still has a reason and its person still has a role where the participant is."""
    if not notice.person.is_active:
        return False
    if notice.participant is not None:
        access = access_of(notice.person)
        site_id = notice.participant.site_id
        if not access.has(Permission.STUDY_VIEW, site_id):
            return False
        if notice.reveals_arm and not access.has(Permission.ARM_VIEW, site_id):
            return False
    kind = notice_kinds.get(notice.kind)
    if kind is not None:
        return not kind.is_settled(notice)
    return _reminder_of(notice) is not None and notice.visit is not None and notice.visit.status == VisitStatus.PLANNED


@transaction.atomic
def cancel_settled(*, participant: Participant, by: Person | None) -> None:
    """Cancel notices about visits that are no longer planned: nobody is reminded of what is settled."""
    for notice in _settled(participant.pk):
        notice.state = NoticeState.CANCELLED
        audit.save(notice, by=by)


@prepared
def _settled(participant_id: int) -> QuerySet[Notice]:
    about_visits = Notice.objects.filter(participant_id=participant_id, visit__isnull=False, state=NoticeState.OWED)
    return about_visits.exclude(visit__status=VisitStatus.PLANNED)


@transaction.atomic
def mark_seen(*, notice: Notice, by: Person) -> Notice:
    """Keep when the person first saw the notice in the application."""
    notice = Notice.objects.select_for_update(no_key=True).get(pk=notice.pk)
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
            reminder = _reminder_of(notice)
            if reminder is None or notice.participant is None:
                return notice.kind, ""
            definition = definition_of(notice.participant.version_id)
            subject, body = definition.text(reminder.subject, locale), definition.text(reminder.body, locale)
        words = {
            "site": notice.context.get("site", ""),
            "code": notice.context.get("code", ""),
            "visit": (notice.context.get("visit") or {}).get(locale, ""),
            "date": _date_word(notice.context.get("date"), locale),
            "url": settings.SITE_URL.rstrip("/") + notice.url,
        }
        return _fill(subject, words), _fill(body, words)


def _reminder_of(notice: Notice) -> Reminder | None:
    """Return the study's reminder that the notice carries out; None when the study has it no more."""
    if notice.participant is None:
        return None
    definition = definition_of(notice.participant.version_id)
    return next((r for r in definition.reminders if r.id == notice.kind), None)


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
        "visit": {locale: _visit_word(visit, definition, locale) for locale in definition.study.locales},
        "date": visit.planned_on.isoformat() if visit.planned_on else None,
    }


def _visit_word(visit: Visit, definition: Definition, locale: str) -> str:
    """Name a visit for an e-mail, which never tells the arm: a visit of one arm only has a word that both share."""
    if not visit.reveals_arm:
        return visit_label(visit, definition, locale)
    with translation.override(locale):
        return gettext("treatment visit")


def _horizon(today: dt.date) -> dt.date:
    """The last planned date that a reminder may speak of today: reminders may come well before the visit."""
    ahead = [
        (reminder.offset.months * -31) + (reminder.offset.weeks * -7) - reminder.offset.days
        for version_id in Version.objects.values_list("pk", flat=True)
        for reminder in definition_of(version_id).reminders
    ]
    return today + dt.timedelta(days=max([0, *ahead]))


def _repetition_due(reminder: Reminder, visit: Visit, today: dt.date) -> str | None:
    """Name what of the reminder is due today for the visit: the date it speaks of and which repetition.

    None when it is not yet due, or when it comes before a visit whose day has come.
    """
    moments = {"visit_planned": visit.planned_on, "visit_window_end": visit.window_end or visit.planned_on}
    moment = moments.get(reminder.on)
    if moment is None:
        return None
    due_on = moved(moment, reminder.offset)
    if today < due_on or (due_on < moment <= today):
        return None
    repetition = (today - due_on).days // reminder.repeat_days if reminder.repeat_days else 0
    return f"{moment:%Y%m%d}:{repetition}"


def _recipients(reminder: Reminder, visit: Visit, people: dict[tuple[int | None, str], list[Person]]) -> set[Person]:
    """Return whom the reminder tells of the visit; a visit of one arm only is for those who may see arms."""
    site_id = visit.participant.site_id
    found = {person for role in reminder.to for site in (site_id, None) for person in people.get((site, str(role)), ())}
    if visit.reveals_arm:
        return {person for person in found if access_of(person).has(Permission.ARM_VIEW, site_id)}
    return found


def people_holding(roles: Collection[str], site_id: int | None) -> set[Person]:
    """Return who holds one of the roles today, at the site or at every site; without a site, at every site alone."""
    people = _people_by_site_and_role(clock.today(), _holding(site_id, tuple(map(str, roles))))
    return {person for role in roles for site in (site_id, None) for person in people.get((site, str(role)), ())}


def _of_active_people(delegations: QuerySet[Delegation]) -> QuerySet[Delegation]:
    return delegations.filter(person__is_active=True).select_related("person")


@prepared
def _holding(site_id: int | None, roles: tuple[str, ...]) -> QuerySet[Delegation]:
    return _of_active_people(Delegation.objects.filter(Q(site=site_id) | Q(site=None), role__in=roles))


@prepared
def _under(keys: tuple[str, ...]) -> QuerySet[Notice]:
    return Notice.objects.filter(key__in=keys)


def _people_by_site_and_role(
    today: dt.date, delegations: Iterable[Delegation]
) -> dict[tuple[int | None, str], list[Person]]:
    """Return who holds a role at a site today, by some delegations; under None, those who hold it at every site."""
    people: dict[tuple[int | None, str], list[Person]] = {}
    held: dict[int, Person] = {}
    for delegation in delegations:
        if delegation.is_in_force(today):
            person = held.setdefault(delegation.person_id, delegation.person)
            people.setdefault((delegation.site_id, delegation.role), []).append(person)
    return people
