"""Consent versions by site and day, and consents given again: warned and reminded of, never a door that shuts."""

from __future__ import annotations

import pytest

from audit import clock
from audit.errors import Refused
from audit.models import Deed
from ecrf.models import Finding, FindingState
from ecrf.where import Where
from safety.models import SafetyCase
from tests.cast import Cast
from tests.trial.actions.arrange import DAY, again, on_day, randomized
from tests.trial.views.helpers import MOST_QUERIES, counted, words
from trial import consents
from trial.actions import consents as actions
from trial.actions import notices, statuses
from trial.models import Consent, ConsentDocument, Notice, NoticeState, Participant, Status, StatusKind

pytestmark = pytest.mark.django_db
KIND = actions.RECONSENT


def amended(cast: Cast, *, days_ago: int = 5, version: str = "2.0", asks_again: bool = True) -> ConsentDocument:
    return actions.put_into_force(
        sites=[cast.site], version=version, from_on=clock.today() - days_ago * DAY, asks_again=asks_again,
        note="New risk", by=cast.dan_data_manager,
    )[0]  # fmt: skip


def waiting(cast: Cast) -> list[str]:
    return [p.code for p in consents.awaiting_for(cast.theo_coordinator)]


class TestPending:
    def test_a_new_version_is_pending_until_it_is_signed(self, cast: Cast) -> None:
        """TRI-300: warned about on the pages, cleared by the consent with its date and version."""
        participant = randomized(cast, days_ago=40)
        assert consents.pending(participant) is None
        document = amended(cast)
        assert consents.pending(participant) == document
        assert waiting(cast) == [participant.code]
        consent = actions.consent_again(
            participant=participant, version="2.0", signed_on=clock.today(), by=cast.theo_coordinator
        )
        assert (consent.document_version, consent.signed_on) == ("2.0", clock.today())
        assert consents.pending(participant) is None
        assert waiting(cast) == []
        assert again(participant).consented_on == clock.today() - 50 * DAY
        assert Deed.objects.filter(verb="consent.recorded", participant_code=participant.code).count() == 2

    def test_by_site_and_by_date(self, cast: Cast) -> None:
        """TRI-301: nobody is asked at another site, nor before the day."""
        participant = randomized(cast, days_ago=40)
        actions.put_into_force(
            sites=[cast.other_site], version="2.0", from_on=clock.today(), asks_again=True, by=cast.paul_sponsor
        )
        amended(cast, days_ago=-3)
        assert consents.pending(participant) is None and waiting(cast) == []
        with on_day(clock.today() + 3 * DAY):
            assert consents.pending(participant) is not None
            assert len(waiting(cast)) == 1

    def test_a_version_that_asks_nobody_and_a_later_one_signed(self, cast: Cast) -> None:
        """TRI-302: who signed a later version has not to sign an earlier one."""
        participant = randomized(cast, days_ago=40)
        amended(cast, version="1.1", days_ago=10, asks_again=False)
        assert consents.pending(participant) is None
        amended(cast, version="2.0", days_ago=9)
        amended(cast, version="3.0", days_ago=2)
        assert str(consents.pending(participant)).endswith("3.0")
        actions.consent_again(participant=participant, version="2.0", signed_on=clock.today(), by=cast.theo_coordinator)
        assert str(consents.pending(participant)).endswith("3.0") and len(waiting(cast)) == 1
        actions.consent_again(participant=participant, version="3.0", signed_on=clock.today(), by=cast.theo_coordinator)
        assert consents.pending(participant) is None and waiting(cast) == []

    @pytest.mark.parametrize(
        ("kind", "asked"),
        [
            (StatusKind.WITHDRAWN_TREATMENT, True),
            (StatusKind.TREATMENT_ENDED, True),
            (StatusKind.PROGRESSED, True),
            (StatusKind.WITHDRAWN_VISITS, False),
            (StatusKind.WITHDRAWN_CONTACT, False),
            (StatusKind.LOST, False),
            (StatusKind.DIED, False),
            (StatusKind.COMPLETED, False),
        ],
    )
    def test_only_who_is_still_in_the_study_is_asked(self, cast: Cast, kind: str, asked: bool) -> None:
        """TRI-303: per status; and it comes back when the status is taken back."""
        participant = randomized(cast, days_ago=40)
        amended(cast)
        statuses.record(participant=participant, kind=kind, on=clock.today(), by=cast.theo_coordinator)
        assert (consents.pending(participant) is not None, bool(waiting(cast))) == (asked, asked)
        statuses.reverse(participant=participant, kind=kind, reason="Mistake", by=cast.theo_coordinator)
        assert consents.pending(participant) is not None

    def test_not_before_the_first_consent(self, cast: Cast) -> None:
        """TRI-304: a person in screening who has not consented signs the first consent, in its form."""
        participant = cast.screened()
        amended(cast)
        assert consents.pending(participant) is None
        with pytest.raises(Refused, match="first consent"):
            actions.consent_again(
                participant=participant, version="2.0", signed_on=clock.today(), by=cast.theo_coordinator
            )


class TestNothingIsBlocked:
    def test_answers_and_serious_events_go_on(self, cast: Cast) -> None:
        """TRI-305: DOMAIN, Consent: it never blocks a serious event or an answer."""
        participant = randomized(cast, days_ago=40)
        amended(cast)
        event = cast.save_event(participant, serious=True)
        assert SafetyCase.objects.filter(adverse_event=event).exists()
        cast.save(Where(participant, "serious_adverse_event"), {}, complete=False)
        cast.fill(participant, "demographics", visit="SCR")
        assert consents.pending(participant) is not None


class TestReminders:
    def test_owed_once_then_every_two_weeks_until_signed(self, cast: Cast) -> None:
        """TRI-306: the coordinator and the investigators of the site; the e-mail holds nothing clinical."""
        participant = randomized(cast, days_ago=40)
        amended(cast, days_ago=0)
        notices.owe_reminders()
        notices.owe_reminders()
        first = Notice.objects.filter(kind=KIND)
        assert {n.person for n in first} == {cast.theo_coordinator, cast.ines_investigator}
        subject, body = notices.text_of(first[0], "en")
        assert participant.code in subject and "Nothing is blocked" in body
        with on_day(clock.today() + 14 * DAY):
            notices.owe_reminders()
            assert Notice.objects.filter(kind=KIND).count() == 4
        actions.consent_again(participant=participant, version="2.0", signed_on=clock.today(), by=cast.theo_coordinator)
        assert set(Notice.objects.filter(kind=KIND).values_list("state", flat=True)) == {NoticeState.CANCELLED}
        with on_day(clock.today() + 28 * DAY):
            notices.owe_reminders()
        assert not Notice.objects.filter(kind=KIND, state=NoticeState.OWED).exists()

    def test_one_that_became_idle_is_not_sent(self, cast: Cast) -> None:
        """TRI-307: the participant withdrew between owing and sending."""
        participant = randomized(cast, days_ago=40)
        amended(cast)
        notices.owe_reminders()
        statuses.record_by_hand(
            participant=participant, kind=StatusKind.WITHDRAWN_CONTACT, on=clock.today(), reason="Wish",
            by=cast.theo_coordinator,
        )  # fmt: skip
        notices.send_owed()
        assert not Notice.objects.filter(kind=KIND, state=NoticeState.SENT).exists()


class TestRefused:
    def test_wrong_role_wrong_site_second_try_bad_date(self, cast: Cast) -> None:
        """TRI-308: putting into force belongs to data manager and sponsor, recording to the site."""
        participant = randomized(cast, days_ago=40)
        for person in (cast.theo_coordinator, cast.mona_monitor, cast.adam_admin, cast.bruno_blinded):
            with pytest.raises(Refused, match="data manager or the sponsor"):
                actions.put_into_force(
                    sites=[cast.site], version="2.0", from_on=clock.today(), asks_again=True, by=person
                )
        amended(cast)
        with pytest.raises(Refused, match="already entered at site 01"):
            actions.put_into_force(
                sites=[cast.site, cast.other_site], version="2.0", from_on=clock.today(), asks_again=True,
                by=cast.dan_data_manager,
            )  # fmt: skip
        assert ConsentDocument.objects.count() == 1
        today = clock.today()
        for by, version, on, match in [
            (cast.oscar_coordinator, "2.0", today, "site staff"),
            (cast.dan_data_manager, "2.0", today, "site staff"),
            (cast.theo_coordinator, "9.9", today, "not in force"),
            (cast.theo_coordinator, "2.0", today - 6 * DAY, "cannot be signed before"),
            (cast.theo_coordinator, "2.0", today + DAY, "future"),
            (cast.theo_coordinator, "1.0", today, "already recorded"),
        ]:
            with pytest.raises(Refused, match=match):
                actions.consent_again(participant=participant, version=version, signed_on=on, by=by)
        assert Consent.objects.filter(participant=participant).count() == 1


class TestFinding:
    def test_a_consent_under_a_version_not_in_force_is_a_finding(self, cast: Cast) -> None:
        """TRI-309: also when the version is entered after the form, and resolved when its day is corrected."""
        participant = cast.consented()
        assert not Finding.objects.filter(check_id="consent_version:document_version").exists()
        document = amended(cast, days_ago=1)
        finding = Finding.objects.get(check_id="consent_version:document_version")
        assert (finding.state, finding.record.participant_id) == (FindingState.OPEN, participant.pk)
        assert finding.queries.get().state == "open"
        actions.move(
            document=document, from_on=clock.today() + DAY, reason="Approval came later", by=cast.dan_data_manager
        )
        finding.refresh_from_db()
        assert finding.state == FindingState.RESOLVED
        assert finding.queries.get().state == "closed"

    def test_a_consent_form_filled_later_says_so_at_once(self, cast: Cast) -> None:
        """TRI-310: soft: it can be confirmed with its reason."""
        amended(cast, days_ago=1)
        participant = cast.consented()
        finding = Finding.objects.get(check_id="consent_version:document_version")
        assert (finding.state, finding.record.participant_id) == (FindingState.JUSTIFIED, participant.pk)


class TestPages:
    def test_the_sponsor_enters_it_and_the_site_records_the_consent(self, cast: Cast) -> None:
        """TRI-311: home, casebook and participant page warn; the page of consents clears it."""
        participant = randomized(cast, days_ago=40)
        sponsor, theo = cast.client_of(cast.paul_sponsor), cast.client_of(cast.theo_coordinator)
        day = (clock.today() - DAY).strftime("%d/%m/%Y")
        answer = sponsor.post(
            "/study/consents/", {"site": "01", "version": "2.0", "from_on": day, "asks_again": "on", "note": "Risk"}
        )
        assert answer.status_code == 302
        assert "2.0" in words(sponsor.get("/study/consents/?site=01"))
        for address in ["/", f"/participants/{participant.code}/", f"/participants/{participant.code}/status/"]:
            page = words(theo.get(address))
            assert "new version" in page if address == "/" else "version 2.0" in page, address
        url = f"/participants/{participant.code}/consents/"
        assert "is pending" in words(theo.get(url))
        wrong = theo.post(url, {"version": "2.0", "signed_on": "01/01/2031"})
        assert wrong.status_code == 422 and "01/01/2031" in words(wrong)
        assert theo.post(url, {"version": "2.0", "signed_on": clock.today().strftime("%d%m%Y")}).status_code == 302
        assert "is pending" not in words(theo.get(url))
        assert "Consent to a new version" not in words(theo.get("/"))

    def test_doors(self, cast: Cast) -> None:
        """TRI-312: another site finds nobody; a reader records nothing; only sponsor roles put into force."""
        participant = randomized(cast, days_ago=40)
        amended(cast)
        url = f"/participants/{participant.code}/consents/"
        assert cast.client_of(cast.oscar_coordinator).get(url).status_code == 404
        mona = cast.client_of(cast.mona_monitor)
        assert mona.get(url).status_code == 200
        said = {"version": "2.0", "signed_on": clock.today().strftime("%d/%m/%Y")}
        assert mona.post(url, said).status_code == 403
        assert cast.client_of(cast.theo_coordinator).post("/study/consents/", {"version": "3"}).status_code == 403
        assert Consent.objects.filter(participant=participant).count() == 1

    def test_statements_stay_few(self, cast: Cast) -> None:
        """TRI-313: at most 15, whatever the number of participants."""
        participant = randomized(cast, days_ago=40)
        amended(cast)
        client = cast.client_of(cast.theo_coordinator)
        for address in ["/", f"/participants/{participant.code}/", f"/participants/{participant.code}/consents/",
                        f"/participants/{participant.code}/status/", "/study/consents/"]:  # fmt: skip
            _answer, count = counted(client, address)
            assert count <= MOST_QUERIES, address


def test_status_of_a_participant_is_untouched(cast: Cast) -> None:
    """TRI-314: a pending consent is no status."""
    participant = randomized(cast, days_ago=40)
    amended(cast)
    assert Participant.objects.get(pk=participant.pk).status == Status.RANDOMIZED
