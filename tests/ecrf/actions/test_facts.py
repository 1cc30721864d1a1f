"""Forms follow facts that stand in no form: the date of a visit, sex and birth, randomization, consent."""

from __future__ import annotations

import pytest

from audit import clock
from audit.errors import Refused
from ecrf.actions import records
from ecrf.entry import Submission, Typed
from ecrf.models import Change, ChangeKind, Finding, FindingState, Record
from ecrf.where import Where
from tests.cast import PASSWORD, Cast
from tests.trial.actions.arrange import DAY, again, randomized
from trial.actions import participants, visits
from trial.models import Participant

pytestmark = pytest.mark.django_db


def derived_value(record: Record, item: str) -> str | None:
    return next((row[item]["value"] for rows in record.data.values() for row in rows if item in row), None)


class TestDemographics:
    def test_a_corrected_sex_is_followed_where_it_is_read(self, cast: Cast) -> None:
        """ECRF-435: through the form or in the participant alone; the change row names the cause."""
        participant = cast.baseline_done()
        item = next(
            i.id for i in cast.definition.form("laboratory").items.values()
            if i.is_derived and "participant.sex" in str(i.derived)
        )  # fmt: skip
        before = cast.record(participant, "laboratory", visit="SCR")
        held = derived_value(before, item)
        participant = again(participant)
        participants.identify(
            participant=participant, by=cast.theo_coordinator, sex="F" if participant.sex == "M" else "M",
            birth_month=participant.birth_month, birth_year=participant.birth_year,
        )  # fmt: skip
        after = cast.record(participant, "laboratory", visit="SCR")
        assert derived_value(after, item) not in (None, held)
        change = Change.objects.filter(record=after, item=item).latest("pk")
        assert (change.kind, change.by_name) == (ChangeKind.DERIVED, "Théo Coordinator")
        assert "demographics" in change.reason

    def test_the_saved_form_is_returned_as_it_stands(self, cast: Cast) -> None:
        """ECRF-436: who saves demographics saves again without meeting a stranger."""
        participant = cast.baseline_done()
        record = cast.fill(participant, "demographics", visit="SCR")
        assert record.revision == Record.objects.get(pk=record.pk).revision


class TestVisitDate:
    def test_a_moved_visit_opens_and_resolves_findings_of_its_forms(self, cast: Cast) -> None:
        """ECRF-437: “within 7 days of the visit” is asked again when only the visit moves."""
        participant = randomized(cast, days_ago=100)
        visit = cast.visit(participant, "D56")
        day = clock.today() - 45 * DAY
        visit = visits.record_date(visit=visit, on=day, by=cast.theo_coordinator)
        cast.save(Where(participant, "vitals_performance", visit=visit), {"examined_on": day, "kps": "90"})
        check = next(c.id for c in cast.definition.form("vitals_performance").checks if "visit.date" in c.rule)
        assert not Finding.objects.filter(check_id=check).exists()
        visits.record_date(visit=visit, on=day - 20 * DAY, by=cast.theo_coordinator, reason="Wrong month")
        assert Finding.objects.get(check_id=check).state == FindingState.OPEN
        visits.record_date(visit=visit, on=day, by=cast.theo_coordinator, reason="It was right")
        assert Finding.objects.get(check_id=check).state == FindingState.RESOLVED

    def test_a_signed_record_shows_as_changed_and_a_frozen_one_does_not_change(self, cast: Cast) -> None:
        """ECRF-438: DOMAIN: applied to a signed record, attributed to the change that caused it."""
        participant = cast.baseline_done()
        record = cast.record(participant, "laboratory", visit="SCR")
        records.sign(record=record, password=PASSWORD, by=cast.ines_investigator)
        participant = again(participant)
        participants.identify(
            participant=participant, by=cast.theo_coordinator, sex=participant.sex,
            birth_month=participant.birth_month, birth_year=(participant.birth_year or 0) - 10,
        )  # fmt: skip
        record = cast.record(participant, "laboratory", visit="SCR")
        assert record.is_changed_since_signing
        assert Change.objects.filter(record=record).latest("pk").by_name == "Théo Coordinator"


class TestRandomization:
    def test_the_day_of_randomization_is_read_at_once(self, cast: Cast) -> None:
        """ECRF-439: “not after randomization” can be judged from then on, in forms filled before it."""
        participant = cast.eligible()
        lesions = cast.record(participant, "baseline_lesions", visit="SCR")
        revision = lesions.revision
        randomized_now = cast.randomized(participant)
        assert randomized_now.randomized_on == clock.today()
        assert cast.record(participant, "baseline_lesions", visit="SCR").revision == revision
        assert not Finding.objects.filter(record=lesions, state=FindingState.OPEN).exists()


class TestConsent:
    def test_a_later_consent_makes_findings_of_what_was_dated_before_it(self, cast: Cast) -> None:
        """ECRF-440: procedures before consent; standard of care may be earlier."""
        participant = cast.baseline_done()
        assert not Finding.objects.filter(check_id__startswith="consent:").exists()
        day = clock.today() - 3 * DAY
        record = cast.record(participant, "quality_of_life", visit="SCR")
        history = cast.record(participant, "medical_history", visit="SCR")
        for each in (record, history):
            form = cast.definition.form(each.form)
            item = form.date_item or ""
            records.save(
                where=Where(participant, each.form, visit=each.visit), revision=each.revision,
                submission=Submission(
                    values={(form.group_of(item).id, "", item): Typed(day.strftime("%d/%m/%Y"))},
                    justifications={(f"consent:{item}", ""): "Asked by phone before"} if each is record else {},
                ),
                complete=True, reason="Wrong day", by=cast.theo_coordinator,
            )  # fmt: skip
        found = Finding.objects.filter(check_id__startswith="consent:")
        assert [f.record.form for f in found] == ["quality_of_life"]
        consent = cast.record(participant, "consent", visit="SCR")
        earlier = (day - DAY).strftime("%d/%m/%Y")
        form, dates = cast.definition.form("consent"), ("informed_on", "signed_on", "physician_signed_on")
        records.save(
            where=Where(participant, "consent", visit=consent.visit), revision=consent.revision,
            submission=Submission(values={(form.group_of(i).id, "", i): Typed(earlier) for i in dates}),
            complete=False, reason="Wrong day", by=cast.theo_coordinator,
        )  # fmt: skip
        assert Participant.objects.get(pk=participant.pk).consented_on == day - DAY
        assert Finding.objects.get(check_id__startswith="consent:").state == FindingState.RESOLVED

    @pytest.mark.parametrize("form", ["demographics", "laboratory", "adverse_event", "lesion", "eligibility"])
    def test_no_form_opens_before_consent(self, cast: Cast, form: str) -> None:
        """ECRF-441: visit forms and logs alike."""
        participant = cast.screened()
        visit = visits.record_date(visit=cast.visit(participant, "SCR"), on=clock.today(), by=cast.theo_coordinator)
        is_log = cast.definition.form(form).is_log
        with pytest.raises(Refused, match="consent first"):
            records.save(
                where=Where(participant, form, visit=None if is_log else visit), revision=0,
                submission=Submission(), complete=False, by=cast.theo_coordinator,
            )  # fmt: skip
        assert not Record.objects.filter(participant=participant).exists()
