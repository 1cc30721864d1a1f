"""Screening, identity and consent of participants."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

import audit
from audit import clock
from audit.errors import Refused
from audit.models import Deed
from ecrf.actions import records
from ecrf.entry import Submission, Typed
from ecrf.where import Where
from tests.cast import Cast
from tests.trial.actions.arrange import DAY, again, on_day, randomized
from trial.actions import participants
from trial.models import Consent, Participant, ScreeningOutcome, Status, StatusChange, StatusKind, Visit, VisitStatus
from trial.selectors import has_likely_duplicate, participants_for

pytestmark = pytest.mark.django_db


def identified(cast: Cast, participant: Participant | None = None, **said: Any) -> Participant:
    """A participant who consented, with a sex, a month and a year of birth."""
    participant = cast.consented(participant)
    known = {"sex": "F", "birth_month": 5, "birth_year": 1961} | said
    return participants.identify(participant=participant, by=cast.theo_coordinator, **known)


class TestScreen:
    def test_a_screening_gives_the_next_code_of_the_site_and_plans_the_screening_visit(self, cast: Cast) -> None:
        """TRL-001: site number – sequence; the ledger and the status say who and when."""
        first, second = cast.screened(), cast.screened()
        other = cast.screened(by=cast.oscar_coordinator, site=cast.other_site)

        assert [p.code for p in (first, second, other)] == ["01-001", "01-002", "02-001"]
        assert first.status == Status.SCREENING
        assert first.screening_month == clock.today().replace(day=1)
        assert list(first.visits.values_list("event", "status")) == [("SCR", VisitStatus.PLANNED)]
        assert Deed.objects.filter(verb="participant.screened", participant_code="01-001").count() == 1

    def test_before_consent_only_site_month_outcome_and_reason_are_kept(self, cast: Cast) -> None:
        """TRL-002: DOMAIN, Participants; the actions refuse what would be personal."""
        participant = cast.screened()

        with pytest.raises(Refused, match="consent"):
            participants.identify(
                participant=participant, sex="F", birth_month=5, birth_year=1961, by=cast.theo_coordinator
            )

        participant = again(participant)
        assert (participant.initials, participant.sex, participant.birth_month, participant.birth_year) == (
            "", "", None, None,
        )  # fmt: skip
        failed = participants.fail_screening(participant=participant, reason="REFUSED", by=cast.theo_coordinator)
        assert (failed.screening_outcome, failed.failure_reason) == (ScreeningOutcome.FAILED, "REFUSED")
        assert failed.sex == ""

    def test_a_code_is_never_used_again(self, cast: Cast) -> None:
        """TRL-003: a screening that fails keeps its code."""
        first = cast.screened()
        participants.fail_screening(participant=first, reason="OTHER", detail="Chose another", by=cast.theo_coordinator)
        assert cast.screened().code == "01-002"

    def test_only_site_staff_of_that_site_screen(self, cast: Cast) -> None:
        """TRL-004: wrong role, wrong site."""
        for person in (cast.mona_monitor, cast.rose_radiation, cast.dan_data_manager, cast.oscar_coordinator):
            with pytest.raises(Refused) as refused:
                participants.screen(site=cast.site, by=person)
            assert refused.value.code == "permission.participant.screen"
        assert not Participant.objects.exists()

    def test_no_screening_in_the_future_or_at_a_site_that_is_not_open(self, cast: Cast) -> None:
        """TRL-005: wrong day."""
        with pytest.raises(Refused, match="future"):
            participants.screen(site=cast.site, by=cast.theo_coordinator, on=clock.today() + DAY)
        with pytest.raises(Refused, match="does not include"):
            participants.screen(site=cast.site, by=cast.theo_coordinator, on=cast.opened_on - DAY)
        cast.site.closed_on = clock.today()
        audit.save(cast.site, by=None)
        with pytest.raises(Refused, match="does not include"):
            participants.screen(site=cast.site, by=cast.theo_coordinator)

    def test_a_site_without_a_version_in_force_screens_nobody(self, cast: Cast) -> None:
        """TRL-006: the study's text comes first."""
        for activation in cast.site.activations.all():
            audit.delete(activation, by=None)
        with pytest.raises(Refused, match="No version"):
            cast.screened()


class TestFailure:
    def test_a_failure_keeps_its_reason_and_nothing_is_expected_any_more(self, cast: Cast) -> None:
        """TRL-007: the screening log keeps those who fail."""
        participant = cast.screened()
        failed = participants.fail_screening(
            participant=participant, reason="MANY_LESIONS", detail="Four lesions", by=cast.theo_coordinator
        )
        assert failed.status == Status.SCREEN_FAILURE
        assert failed.failed_on == clock.today()
        assert set(failed.visits.values_list("status", flat=True)) == {VisitStatus.NOT_APPLICABLE}
        assert failed in participants_for(cast.mona_monitor)
        with pytest.raises(Refused, match="already closed"):
            participants.fail_screening(participant=failed, reason="MANY_LESIONS", by=cast.theo_coordinator)

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 41, "a\x00b"], ids=["none", "blank", "too long", "NUL"])
    def test_a_failure_needs_a_reason_that_can_be_kept(self, cast: Cast, reason: str) -> None:
        """TRL-008: in words, and nothing is half done."""
        participant = cast.screened()
        with pytest.raises(Refused):
            participants.fail_screening(participant=participant, reason=reason, by=cast.theo_coordinator)
        assert again(participant).status == Status.SCREENING
        assert not Deed.objects.filter(verb="participant.screen_failed").exists()

    def test_a_failure_has_one_of_the_studys_reasons(self, cast: Cast) -> None:
        """TRL-300: a reason that the study does not list is refused, and the screening stays open."""
        participant = cast.screened()
        with pytest.raises(Refused, match="one of the study's reasons"):
            participants.fail_screening(participant=participant, reason="FORGED", by=cast.theo_coordinator)
        assert again(participant).status == Status.SCREENING
        failed = participants.fail_screening(participant=participant, reason="BRAIN", by=cast.theo_coordinator)
        assert failed.failure_reason == "BRAIN"

    def test_a_randomized_participant_cannot_fail_screening(self, cast: Cast) -> None:
        """TRL-009: wrong state."""
        participant = randomized(cast, days_ago=20)
        with pytest.raises(Refused, match="no longer fail"):
            participants.fail_screening(participant=participant, reason="MANY_LESIONS", by=cast.theo_coordinator)
        with pytest.raises(Refused, match="not closed"):
            participants.reopen_screening(participant=participant, reason="Mistake", by=cast.theo_coordinator)

    def test_a_failure_by_mistake_is_taken_back_with_a_reason(self, cast: Cast) -> None:
        """TRL-010: the row of the failure stays, reversed; the visit is expected again."""
        participant = cast.screened()
        participants.fail_screening(participant=participant, reason="REFUSED", by=cast.theo_coordinator)
        with pytest.raises(Refused, match="reason"):
            participants.reopen_screening(participant=participant, reason=" ", by=cast.theo_coordinator)

        opened = participants.reopen_screening(participant=participant, reason="Wrong row", by=cast.theo_coordinator)

        assert (opened.status, opened.failed_on, opened.failure_reason) == (Status.SCREENING, None, "")
        assert opened.screening_outcome == ScreeningOutcome.PENDING
        assert opened.visits.get().status == VisitStatus.PLANNED
        change = StatusChange.objects.get(participant=opened, kind=StatusKind.FAILED)
        assert change.reversed_reason == "Wrong row"


class TestIdentity:
    def test_the_code_the_sex_month_and_year_are_all_that_is_kept(self, cast: Cast) -> None:
        """TRL-011: initials only if the study keeps them; this one does not."""
        participant = identified(cast, initials="ab")
        assert (participant.sex, participant.birth_month, participant.birth_year) == ("F", 5, 1961)
        assert participant.initials == ""
        before = Deed.objects.filter(verb="participant.identified").count()
        participants.identify(
            participant=participant, sex="F", birth_month=5, birth_year=1961, by=cast.theo_coordinator
        )
        assert Deed.objects.filter(verb="participant.identified").count() == before

    def test_a_likely_duplicate_at_any_site_warns_without_revealing_it(self, cast: Cast) -> None:
        """TRL-012: a yes or no, never who or where."""
        here = identified(cast)
        assert has_likely_duplicate(here) is False
        with_visit = cast.screened(by=cast.oscar_coordinator, site=cast.other_site)
        there = Participant.objects.get(pk=with_visit.pk)
        there.consented_on = clock.today()
        audit.save(there, by=None)
        participants.identify(participant=there, sex="F", birth_month=5, birth_year=1961, by=cast.oscar_coordinator)

        assert has_likely_duplicate(here) is True
        assert there not in participants_for(cast.theo_coordinator)
        for other in ({"sex": "M"}, {"birth_month": 6}, {"birth_year": 1962}):
            known = {"sex": "F", "birth_month": 5, "birth_year": 1961} | other
            participants.identify(participant=again(there), by=cast.oscar_coordinator, **known)
            assert has_likely_duplicate(here) is False

    def test_an_incomplete_identity_is_no_duplicate(self, cast: Cast) -> None:
        """TRL-013: half-known people are not alike."""
        one, other = cast.consented(), cast.consented()
        for participant in (one, other):
            participants.identify(participant=participant, sex="F", birth_year=1961, by=cast.theo_coordinator)
        assert not has_likely_duplicate(again(one))


class TestConsent:
    def say(self, cast: Cast, participant: Participant, reason: str = "Wrong copy", **said: str) -> None:
        """Correct the consent form."""
        record = cast.record(participant, "consent", visit="SCR")
        groups = cast.definition.form("consent")
        records.save(
            where=Where(participant, "consent", visit=record.visit),
            revision=record.revision,
            submission=Submission(
                values={(groups.group_of(item).id, "", item): Typed(text=text) for item, text in said.items()}
            ),
            complete=False,
            by=cast.theo_coordinator,
            reason=reason,
        )

    def test_the_consent_form_opens_the_others(self, cast: Cast) -> None:
        """TRL-014: the consent is a row with its version and day, and a status with its date."""
        participant = cast.consented()
        consent = Consent.objects.get(participant=participant)
        assert (consent.document_version, consent.signed_on) == ("1.0", clock.today())
        assert participant.consented_on == clock.today()
        assert participant.status == Status.SCREENING

    def test_correcting_the_day_moves_the_consent(self, cast: Cast) -> None:
        """TRL-015: one consent per version; the reason of the correction stands beside it."""
        participant = cast.consented()
        yesterday = clock.today() - DAY
        self.say(cast, participant, signed_on=yesterday.strftime("%d/%m/%Y"))
        assert again(participant).consented_on == yesterday
        assert Consent.objects.get(participant=participant).signed_on == yesterday
        assert [c.reversed_reason for c in StatusChange.objects.filter(kind="consented").order_by("pk")] == [
            "Wrong copy", "",
        ]  # fmt: skip

    def test_a_consent_that_was_never_given_is_taken_back_and_the_forms_close(self, cast: Cast) -> None:
        """TRL-016: “no” hides the date: a hidden date is no consent."""
        participant = cast.consented()
        self.say(cast, participant, consented="no")
        participant = again(participant)
        assert participant.consented_on is None
        assert not Consent.objects.filter(participant=participant).exists()
        with pytest.raises(Refused) as refused:
            cast.fill(participant, "demographics", visit="SCR")
        assert refused.value.code == "consent_needed"
        self.say(cast, participant, consented="yes")
        assert again(participant).consented_on == clock.today()

    def test_a_consent_form_in_correction_still_holds(self, cast: Cast) -> None:
        """TRL-017: saved as not finished, the consent stands as long as its date does."""
        participant = cast.consented()
        self.say(cast, participant, copy_given="no")
        assert again(participant).consented_on == clock.today()

    def test_a_version_cannot_be_signed_before_it_is_in_force(self, cast: Cast) -> None:
        """TRL-018: such a consent is not valid; nothing is saved."""
        participant = cast.consented()
        with pytest.raises(Refused, match="01/06/2020"):
            participants.record_consent(
                participant=participant,
                document_version="1.0",
                signed_on=dt.date(2020, 5, 31),
                by=cast.theo_coordinator,
            )
        assert Consent.objects.get(participant=participant).signed_on == clock.today()


def test_everything_about_a_participant_happens_or_nothing(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """TRL-019: the second write fails and nothing is left, the code included."""
    from trial.actions import visits

    def broken(**said: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(visits, "plan", broken)
    with pytest.raises(RuntimeError):
        cast.screened()
    assert not Participant.objects.exists()
    assert not Visit.objects.exists()
    assert not Deed.objects.filter(verb__startswith="participant.").exists()
    monkeypatch.undo()
    with on_day(clock.today() - DAY):
        assert cast.screened().code == "01-001"
