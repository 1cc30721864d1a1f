"""Messages owed: what is due, to whom, once each, in the person's language, and never about what is settled."""

from __future__ import annotations

import datetime as dt
import smtplib
import threading

import pytest
import time_machine
from django.core import mail
from django.db import connection

from audit import clock
from audit.models import Deed
from tests.cast import PASSWORD, Cast
from tests.conftest import Mailbox
from tests.trial.actions.arrange import DAY, on_day, randomized
from trial import notice_kinds
from trial.actions import notices, people, statuses, visits
from trial.actions.participants import identify
from trial.models import Notice, NoticeState, Participant, Person, Role, StatusKind
from trial.selectors import notices_for

ARMS = ("SRT", "SWITCH", "stereotactic", "stéréotaxique", "new line", "nouvelle ligne")
"""What would tell an arm of storm01, and no mail may hold."""


def owed(*kinds: str) -> list[tuple[str, str, str]]:
    """What is owed: kind, visit and person, in order."""
    found = Notice.objects.filter(state=NoticeState.OWED, kind__in=kinds or ("visit_due", "visit_overdue"))
    return sorted((n.kind, n.visit.event if n.visit else "", n.person.given_name) for n in found)


@pytest.mark.django_db
class TestOwe:
    def test_a_visit_in_seven_days_is_owed_to_the_coordinator_and_not_a_day_earlier(self, cast: Cast) -> None:
        """TRL-400: from seven days before until the day before; to the site's coordinators alone."""
        participant = randomized(cast, days_ago=1)
        planned_on = cast.visit(participant, "M3").planned_on
        assert planned_on is not None
        for before, wanted in ((8, []), (7, [("visit_due", "M3", "Théo")])):
            with on_day(planned_on - before * DAY):
                notices.owe_reminders()
                assert [found for found in owed("visit_due") if found[1] == "M3"] == wanted

    def test_an_overdue_visit_is_owed_to_coordinator_and_investigator_the_day_after_its_window(
        self, cast: Cast
    ) -> None:
        """TRL-401: on the last day of the window nobody is late."""
        participant = randomized(cast, days_ago=1)
        last = cast.visit(participant, "D56").window_end
        assert last is not None
        with on_day(last):
            notices.owe_reminders()
        assert [found for found in owed("visit_overdue") if found[1] == "D56"] == []
        with on_day(last + DAY):
            notices.owe_reminders()
        assert [found for found in owed("visit_overdue") if found[1] == "D56"] == [
            ("visit_overdue", "D56", "Inès"), ("visit_overdue", "D56", "Théo"),
        ]  # fmt: skip

    def test_exactly_once_however_often_it_runs(self, cast: Cast) -> None:
        """TRL-402: on the same day, the next days, and after it was sent."""
        randomized(cast, days_ago=75)
        first = notices.owe_reminders()
        assert len(first) == 4  # D56 and the planning visit, overdue, to two people
        assert notices.owe_reminders() == []
        assert notices.send_owed() == 4
        with on_day(clock.today() + DAY):
            assert notices.owe_reminders() == []
        assert Notice.objects.count() == 4

    def test_what_is_settled_or_not_expected_is_never_owed(self, cast: Cast) -> None:
        """TRL-403: done, missed, after progression, withdrawal or death."""
        done, gone, dead = (randomized(cast, days_ago=75) for _participant in range(3))
        theo, today = cast.theo_coordinator, clock.today()
        visits.record_date(visit=cast.visit(done, "D56"), on=today - 20 * DAY, by=theo)
        visits.miss(visit=cast.visit(done, "SRT_PLAN"), reason="Holidays", by=theo)
        statuses.record_by_hand(
            participant=gone, kind=StatusKind.WITHDRAWN_CONTACT, on=today - 74 * DAY, reason="Wish", by=theo
        )
        statuses.record(participant=dead, kind=StatusKind.DIED, on=today - 60 * DAY, by=theo)
        with on_day(today + 12 * DAY):
            notices.owe_reminders()
        # Dead on day 15: the window of the planning visit was open (to day 28), day 56 was to come.
        assert {(n.participant.code, n.visit.event) for n in Notice.objects.all() if n.participant and n.visit} == {
            (done.code, "M3")
        }

    def test_a_visit_whose_date_moves_is_reminded_of_again(self, cast: Cast) -> None:
        """TRL-404: the new date is news; the old one was said once."""
        participant = randomized(cast, days_ago=120)
        today = clock.today()
        statuses.set_date(participant=participant, kind=StatusKind.PROGRESSED, on=today - 3 * DAY, by=None)
        for moved_on in (today - 3 * DAY, today - 1 * DAY):
            statuses.set_date(participant=participant, kind=StatusKind.PROGRESSED, on=moved_on, by=None)
            planned_on = cast.visit(participant, "S6").planned_on
            assert planned_on is not None
            with on_day(planned_on - 5 * DAY):
                notices.owe_reminders()
        dates = {n.context["date"] for n in Notice.objects.filter(visit__event="S6", kind="visit_due")}
        assert len(dates) == 2

    def test_delegations_of_the_day_decide_who_is_told(self, cast: Cast) -> None:
        """TRL-405: not who left, not a closed account, not another site."""
        randomized(cast, days_ago=75)
        people.end_delegation(
            delegation=cast.theo_coordinator.delegations.get(),
            on=clock.today() - DAY,
            by=cast.adam_admin,
            reason="Left",
        )
        notices.owe_reminders()
        assert {person for _kind, _visit, person in owed()} == {"Inès"}

    def test_a_visit_of_one_arm_is_told_to_nobody_who_may_not_see_arms(self, cast: Cast) -> None:
        """TRL-406: the same date in both arms, and a word that both share."""
        both = randomized(cast, days_ago=75), randomized(cast, days_ago=75, pathway="switch")
        notices.owe_reminders()
        revealing = Notice.objects.filter(reveals_arm=True)
        assert {n.visit.event for n in revealing if n.visit} == {"SRT_PLAN", "SWITCH_START"}
        words = {
            notices.text_of(notice, locale)[part].replace(both[1].code, both[0].code)
            for notice in revealing
            for locale in ("en",)
            for part in (0, 1)
        }
        assert len(words) == 2  # one subject and one body for both arms
        for person in (cast.theo_coordinator, cast.ines_investigator):
            assert notices_for(person).filter(reveals_arm=True).exists()


@pytest.mark.django_db
class TestCancel:
    def test_a_reminder_that_was_settled_before_it_went_out_is_cancelled(self, cast: Cast, smtp: Mailbox) -> None:
        """TRL-410: nobody is reminded of what is settled."""
        participant = randomized(cast, days_ago=75)
        notices.owe_reminders()
        visits.record_date(visit=cast.visit(participant, "D56"), on=clock.today() - 20 * DAY, by=cast.theo_coordinator)
        assert {visit for _kind, visit, _person in owed()} == {"SRT_PLAN"}
        statuses.record(participant=participant, kind=StatusKind.DIED, on=clock.today() - 74 * DAY, by=None)
        assert notices.send_owed() == 0
        assert smtp.messages == []
        assert set(Notice.objects.values_list("state", flat=True)) == {NoticeState.CANCELLED}
        assert not notices_for(cast.theo_coordinator).exists()

    def test_missed_by_mistake_is_owed_again(self, cast: Cast, smtp: Mailbox) -> None:
        """TRL-411: a cancelled reminder comes back with the visit; a sent one does not."""
        participant = randomized(cast, days_ago=75)
        notices.owe_reminders()
        visit = visits.miss(visit=cast.visit(participant, "D56"), reason="Holidays", by=cast.theo_coordinator)
        visits.reopen(visit=visit, reason="Wrong visit", by=cast.theo_coordinator)
        assert notices.owe_reminders() != []
        assert ("visit_overdue", "D56", "Théo") in owed()
        assert notices.send_owed() == 4
        assert notices.owe_reminders() == []

    def test_who_lost_the_role_meanwhile_gets_nothing(self, cast: Cast, smtp: Mailbox) -> None:
        """TRL-412: asked again at the moment of sending."""
        randomized(cast, days_ago=75)
        notices.owe_reminders()
        people.deactivate(person=cast.theo_coordinator, by=cast.adam_admin, reason="Left")
        assert notices.send_owed() == 2
        assert {m["To"] for m in smtp.messages} == {cast.ines_investigator.email}

    def test_a_kind_of_a_room_above_says_itself_when_it_is_settled(
        self, cast: Cast, smtp: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """TRL-413: registered words and their end."""
        participant = cast.screened()
        settled = notice_kinds.NoticeKind("{code}", "On {date}", is_settled=lambda notice: True)
        monkeypatch.setitem(notice_kinds._kinds, "done_already", settled)
        monkeypatch.setitem(notice_kinds._kinds, "news", notice_kinds.NoticeKind("{code}: news", "On {date}"))
        for kind in ("done_already", "news"):
            notices.owe(
                kind=kind, people=[cast.theo_coordinator], key=kind, participant=participant,
                context={"code": participant.code, "date": "2026-03-14"}, by=None,
            )  # fmt: skip
        assert notices.send_owed() == 1
        assert [m["Subject"] for m in smtp.messages] == ["01-001: news"]
        assert "On 14 Mar 2026" in smtp.messages[0].get_content()


@pytest.mark.django_db
class TestSend:
    def test_one_mail_each_in_the_persons_language_without_data_or_arm(self, cast: Cast, smtp: Mailbox) -> None:
        """TRL-420: site, code, visit, date and a link; the marker of each arm is searched for."""
        people.set_locale(person=cast.ines_investigator, locale="fr", by=cast.ines_investigator)
        participants = [randomized(cast, days_ago=75), randomized(cast, days_ago=75, pathway="switch")]
        for participant in participants:
            identify(participant=participant, sex="F", birth_month=5, birth_year=1961, by=cast.theo_coordinator)
        notices.owe_reminders()

        assert notices.send_owed() == 8

        assert len(smtp.messages) == 8
        told = {(m["To"], m["Message-ID"]) for m in smtp.messages}
        assert len(told) == 8
        by_language = {
            address: [f"{m['Subject'].strip()}\n{m.get_content()}" for m in smtp.messages if m["To"] == address]
            for address in (cast.theo_coordinator.email, cast.ines_investigator.email)
        }
        english, french = by_language.values()
        assert all(text.startswith("Visit overdue: 01-00") for text in english)
        assert all(text.startswith("Visite en retard") for text in french)
        assert any("Safety visit, day 56" in text for text in english)
        assert any("Visite de tolérance, jour 56" in text for text in french)
        for text in english + french:
            assert "/participants/01-00" in text
            assert not any(word.lower() in text.lower() for word in ARMS)
            assert "1961" not in text
        assert Deed.objects.filter(verb="notice.sent").count() == 8
        assert set(Notice.objects.values_list("state", flat=True)) == {NoticeState.SENT}

    def test_mail_that_is_down_stays_owed_and_is_tried_again_as_often_as_it_takes(
        self, cast: Cast, smtp: Mailbox, settings: object, frozen_clock: time_machine.Traveller
    ) -> None:
        """TRL-421: a weekend without mail loses nothing, and a server that is down is asked once per run."""
        randomized(cast, days_ago=75)
        notices.owe_reminders()
        port = smtp.port
        settings.EMAIL_PORT = 1
        for _run in range(12):
            assert notices.send_owed() == 0
            frozen_clock.shift(dt.timedelta(minutes=61))
        assert len(owed()) == 4
        settings.EMAIL_PORT = port
        assert notices.send_owed() == 4
        assert len(smtp.messages) == 4

    def test_a_refused_address_does_not_hold_up_the_others(
        self, cast: Cast, smtp: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """TRL-422: what a server says against one message, and a broken text, concern that message."""
        randomized(cast, days_ago=75)
        notices.owe_reminders()
        theo, send = cast.theo_coordinator.email, mail.EmailMessage.send

        def picky(message: mail.EmailMessage, *args: object) -> int:
            if theo in message.to:
                raise smtplib.SMTPRecipientsRefused({theo: (550, b"unknown")})
            return send(message)

        monkeypatch.setattr(mail.EmailMessage, "send", picky)
        assert notices.send_owed() == 2
        assert {person for _kind, _visit, person in owed()} == {"Théo"}
        monkeypatch.setattr(notices, "text_of", lambda notice, locale: 1 / 0)
        assert notices.send_owed() == 0  # waits its minute
        assert len(owed()) == 2

    def test_a_notice_is_seen_by_its_person_alone(self, cast: Cast, smtp: Mailbox) -> None:
        """TRL-423: kept once, also when the notice went out in the meantime."""
        randomized(cast, days_ago=75)
        notices.owe_reminders()
        notice = Notice.objects.filter(person=cast.theo_coordinator).first()
        assert notice is not None
        notices.send_owed()
        notices.mark_seen(notice=notice, by=cast.ines_investigator)
        assert Notice.objects.get(pk=notice.pk).seen_at is None
        seen_at = notices.mark_seen(notice=notice, by=cast.theo_coordinator).seen_at
        assert notices.mark_seen(notice=notice, by=cast.theo_coordinator).seen_at == seen_at is not None


def at_once(work: object, times: int = 2) -> list[object]:
    """Call the work in several threads at the same moment, each on its own connection."""
    start, results = threading.Barrier(times), []

    def one() -> None:
        start.wait()
        try:
            results.append(work())
        except Exception as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _thread in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_owe_and_send_each_message_once(smtp: Mailbox) -> None:
    """TRL-430: real connections, real mail."""
    cast = Cast()
    randomized(cast, days_ago=75)

    found = at_once(notices.owe_reminders)
    assert sorted(len(each) for each in found) == [0, 4]

    found = at_once(notices.send_owed, times=3)
    assert sum(each for each in found if isinstance(each, int)) == 4, found
    assert len({(m["To"], m["Message-ID"]) for m in smtp.messages}) == len(smtp.messages) == 4
    assert owed() == []


@pytest.mark.django_db
def test_reminders_reach_everybody_who_holds_the_role_everywhere(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """TRL-431: a role that holds at every site is told of every site."""
    participant: Participant = randomized(cast, days_ago=75)
    found = notices.people_holding((Role.DATA_MANAGER, Role.COORDINATOR), participant.site_id)
    assert found == {cast.dan_data_manager, cast.theo_coordinator}
    late = people.create(email="l@example.org", given_name="L", family_name="L", password=PASSWORD, by=None)
    people.delegate(person=late, role=Role.DATA_MANAGER, site=None, starts_on=clock.today() + DAY, by=None)
    assert late not in notices.people_holding((Role.DATA_MANAGER,), participant.site_id)
    assert Person.objects.get(pk=late.pk) == late
