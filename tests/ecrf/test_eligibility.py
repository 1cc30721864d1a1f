"""Eligibility, criterion by criterion; what its signature does, and what becomes of it when the data change."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from audit import clock
from audit.errors import Refused
from audit.models import Deed
from ecrf.actions import records
from ecrf.checks import Book, Facts, Place
from ecrf.eligibility import Assessment, assess, assess_entry
from ecrf.entry import Submission, Typed
from ecrf.models import Finding, FindingState, Record
from ecrf.where import Where
from tests.cast import PASSWORD, Cast
from tests.ecrf.checks.panel_study import data, place
from tests.ecrf.checks.panel_study import definition as panel_study
from trial.actions import notices, statuses
from trial.definition.model import Criterion, CriterionKind, Validity
from trial.models import Notice, Participant, Person, Status, StatusKind

DAY = dt.timedelta(days=1)


def assessment(
    computed: bool | None, judged: bool | None, *, asks: str = "both", kind: str = "inclusion"
) -> Assessment:
    criterion = Criterion(id="X1", kind=CriterionKind(kind), text={"en": "x"})
    return Assessment(criterion, computed, judged, asks in ("both", "computed"), asks in ("both", "judged"))


class TestOneCriterion:
    """Pure: what an assessment says."""

    @pytest.mark.parametrize(
        ("asks", "kind", "computed", "judged", "met"),
        [
            ("computed", "inclusion", True, None, True),
            ("computed", "inclusion", False, None, False),
            ("computed", "inclusion", None, None, None),
            ("judged", "inclusion", None, True, True),
            ("judged", "inclusion", None, False, False),
            ("judged", "exclusion", None, False, True),
            ("judged", "exclusion", None, True, False),
            ("judged", "exclusion", None, None, None),
            ("both", "inclusion", True, True, True),
            ("both", "inclusion", True, None, None),
            ("both", "inclusion", None, True, None),
            ("both", "inclusion", False, None, False),
            ("both", "inclusion", None, False, False),
            ("both", "inclusion", True, False, False),
            ("both", "inclusion", False, True, False),
            ("both", "exclusion", False, False, True),
            ("both", "exclusion", True, False, False),
        ],
    )
    def test_computed_judged_or_both(
        self, asks: str, kind: str, computed: bool | None, judged: bool | None, met: bool | None
    ) -> None:
        """ELG-001: unknown is never yes; what is surely wrong is no, whatever is still open."""
        found = assessment(computed, judged, asks=asks, kind=kind)
        assert found.is_met is met
        assert found.disagrees is (computed is not None and judged is not None and computed != judged)

    def test_an_assessment_too_old_is_named_with_its_day(self) -> None:
        """ELG-002: validity in days before the day that is asked about; absent is not valid."""
        of = panel_study()
        criterion = of.criteria[0].model_copy(update={"validity": Validity(form="panel", days=28)})

        def outdated(on: dt.date, *entries: Any) -> str:
            book = Book(of, Facts(today=on), entries)
            found = assess_entry(Participant(), _with(of, criterion), book, on)
            return found.assessments[0].outdated

        taken = dt.date(2026, 3, 1)
        entry = (place("SCR", on=dt.date(2026, 1, 5)), data(taken_on=taken, value=100))
        assert outdated(taken + 28 * DAY, entry) == ""
        assert outdated(taken + 29 * DAY, entry) == "2026-03-01"
        assert outdated(taken + 29 * DAY) == "absent"
        undated = (place("SCR", on=taken), data(value=100))  # the visit dates it
        assert outdated(taken + 28 * DAY, undated) == ""

    def test_what_is_missing_is_named(self) -> None:
        """ELG-003: form and item, of what is computed and of what is judged."""
        of = panel_study()
        found = assess_entry(Participant(), of, Book(of, Facts(today=dt.date(2026, 3, 1)), []), dt.date(2026, 3, 1))
        by_id = {a.criterion.id: a for a in found.assessments}
        assert any(ref.form == "lesion" for ref in by_id["I1"].lacking)
        assert [str(ref) for ref in by_id["E1"].lacking] == ["consent.refuses"]
        assert not found.is_eligible
        lesion = (Place(form="lesion", number=1), {"main": [{"_id": "", "size": {"value": "12"}}]})
        book = Book(of, Facts(today=dt.date(2026, 3, 1)), [lesion])
        again = assess_entry(Participant(), of, book, dt.date(2026, 3, 1)).assessments[0]
        assert (again.is_met, again.lacking) == (True, ())


def _with(of: Any, criterion: Criterion) -> Any:
    """The definition with that criterion alone; its compiled expressions stay."""

    class Changed:
        criteria = (criterion,)
        compiled = of.compiled

        def __getattr__(self, name: str) -> Any:
            return getattr(of, name)

    return Changed()


def correct(
    cast: Cast, participant: Participant, form: str, by: Person | None = None, reason: str = "Typing error", **said: str
) -> Record:
    """Correct answers of a screening form."""
    record = cast.record(participant, form, visit="SCR")
    place_of = cast.definition.form(form).group_of
    return records.save(
        where=Where(participant, form, visit=record.visit),
        revision=record.revision,
        submission=Submission(values={(place_of(i).id, "", i): Typed(text=text) for i, text in said.items()}),
        complete=True,
        by=by or cast.theo_coordinator,
        reason=reason,
    )


def sign(cast: Cast, participant: Participant) -> Record:
    record = cast.record(participant, "eligibility", visit="SCR")
    return records.sign(record=record, password=PASSWORD, by=cast.ines_investigator)


def now(participant: Participant) -> Participant:
    return Participant.objects.get(pk=participant.pk)


@pytest.mark.django_db
class TestSigning:
    def test_the_signature_of_all_criteria_met_makes_the_participant_eligible(self, cast: Cast) -> None:
        """ELG-010: enrolled on the day of the signature; by an investigator of the site alone."""
        participant = cast.judged()
        result = assess(participant, clock.today())
        assert (result.failing, result.undecided, result.outdated) == ([], [], [])
        assert result.is_eligible
        record = cast.record(participant, "eligibility", visit="SCR")
        for person in (cast.theo_coordinator, cast.rose_radiation, cast.olga_investigator, cast.mona_monitor):
            with pytest.raises(Refused) as refused:
                records.sign(record=record, password=PASSWORD, by=person)
            assert refused.value.code == "permission.eligibility.sign"
        assert now(participant).status == Status.SCREENING

        sign(cast, participant)

        participant = now(participant)
        assert (participant.status, participant.enrolled_on) == (Status.ENROLLED, clock.today())

        # a change of the signed form takes it back, with the reason; signed again, the participant is eligible again
        correct(
            cast, participant, "eligibility", by=cast.ines_investigator, assessed_on=_typed(clock.today()), e07="yes"
        )
        participant = now(participant)
        assert (participant.status, participant.enrolled_on) == (Status.SCREENING, None)
        with pytest.raises(Refused, match="E07") as refused:
            sign(cast, participant)
        assert refused.value.code == "not_eligible"
        correct(cast, participant, "eligibility", by=cast.ines_investigator, e07="no")
        sign(cast, participant)
        assert now(participant).status == Status.ENROLLED

    def test_undecided_is_not_signed_and_what_is_missing_is_named(self, cast: Cast) -> None:
        """ELG-011: a result that is not done leaves the group open: no waiver."""
        participant = cast.judged()
        correct(cast, participant, "vitals_performance", kps="90")
        record = cast.record(participant, "vitals_performance", visit="SCR")
        records.save(
            where=Where(participant, "vitals_performance", visit=record.visit),
            revision=record.revision,
            submission=Submission(values={("performance", "", "ecog"): Typed(missing="ND", reason="Forgotten")}),
            complete=True,
            by=cast.theo_coordinator,
            reason="Not measured",
        )
        found = {a.criterion.id: a for a in assess(participant, clock.today()).undecided}
        assert set(found) == {"I12"}
        assert [str(ref) for ref in found["I12"].lacking] == ["vitals_performance.ecog"]
        with pytest.raises(Refused, match="I12") as refused:
            sign(cast, participant)
        assert refused.value.code == "undecided"

    def test_a_disagreement_is_a_finding_and_blocks_until_data_or_judgment_are_right(self, cast: Cast) -> None:
        """ELG-012: DOMAIN, Eligibility: the data say yes, the investigator no."""
        participant = cast.judged()
        correct(cast, participant, "eligibility", by=cast.ines_investigator, i11="no")
        found = {a.criterion.id: a for a in assess(participant, clock.today()).failing}
        assert found["I11"].disagrees
        finding = Finding.objects.get(check_id="criterion:I11")
        assert (finding.state, finding.severity, finding.item) == (FindingState.OPEN, "hard", "i11")
        with pytest.raises(Refused, match="I11"):
            sign(cast, participant)
        correct(cast, participant, "vitals_performance", heart_rate="71")  # another save leaves it as it is
        finding.refresh_from_db()
        assert finding.state == FindingState.OPEN

        correct(cast, participant, "eligibility", by=cast.ines_investigator, i11="yes")

        finding.refresh_from_db()
        assert finding.state == FindingState.RESOLVED
        sign(cast, participant)
        assert now(participant).status == Status.ENROLLED

    def test_an_assessment_that_is_too_old_is_not_signed(self, cast: Cast) -> None:
        """ELG-013: each assessment has a validity in days before randomization."""
        at = dt.datetime.combine(clock.today() - 40 * DAY, dt.time(12), tzinfo=dt.UTC)
        with clock.simulated(at):
            participant = cast.judged()
        outdated = {a.criterion.id for a in assess(participant, clock.today()).outdated}
        assert outdated >= {"I03", "I10", "I12"}
        with pytest.raises(Refused, match="I03") as refused:
            sign(cast, participant)
        assert refused.value.code == "outdated"
        with clock.simulated(at):
            sign(cast, participant)
        assert now(participant).status == Status.ENROLLED


@pytest.mark.django_db
def test_after_randomization_a_change_alters_nothing_and_is_reported(cast: Cast) -> None:
    """ELG-020: DOMAIN: an input changed after allocation is told to those concerned; a deviation is proposed."""
    participant = cast.eligible()
    statuses.record(participant=participant, kind=StatusKind.RANDOMIZED, on=clock.today(), by=cast.theo_coordinator)
    before = now(participant)

    # what decides nothing is reported to nobody
    correct(cast, participant, "vitals_performance", heart_rate="71")
    assert not Deed.objects.filter(verb="eligibility.input_changed").exists()
    assert not Notice.objects.filter(kind="eligibility_input_changed").exists()

    # a judged answer, an item of a criterion, an item behind a calculated stratum, a log entry
    correct(cast, participant, "eligibility", by=cast.ines_investigator, e07="yes")
    correct(cast, participant, "vitals_performance", ecog="1", kps="80")
    labs = cast.record(participant, "laboratory", visit="SCR")
    anaemia = cast.record(participant, "imdc", visit="SCR").data["factors"][0]["anaemia"]["value"]
    correct(cast, participant, "laboratory", hgb="16.0" if anaemia else "10.0")
    lesion = cast.record(participant, "lesion", number=1)
    organ = lesion.data["identity"][0]["organ"]["value"]
    records.save(
        where=Where(participant, "lesion", number=1),
        revision=lesion.revision,
        submission=Submission(values={("identity", "", "organ"): Typed(text="LIVER" if organ != "LIVER" else "LUNG")}),
        complete=False,
        by=cast.theo_coordinator,
        reason="Wrong organ",
    )

    reported = [
        (deed.details["form"], deed.details["items"])
        for deed in Deed.objects.filter(verb="eligibility.input_changed").order_by("pk")
    ]
    assert [form for form, _items in reported] == ["eligibility", "vitals_performance", "imdc", "lesion"]
    assert reported[0][1] == ["e07"]
    assert reported[1][1] == ["ecog"]
    assert "risk_group" in reported[2][1]
    assert reported[3][1] == ["organ"]
    after = now(participant)
    assert (after.status, after.enrolled_on, after.randomized_on) == (
        before.status, before.enrolled_on, before.randomized_on,
    )  # fmt: skip
    assert labs.pk
    told = Notice.objects.filter(kind="eligibility_input_changed")
    assert {n.person for n in told} == {
        cast.dan_data_manager, cast.bruno_blinded, cast.stella_statistician, cast.ursula_statistician,
    }  # fmt: skip
    assert told.count() == 4 * 4
    proposed = Notice.objects.filter(kind="deviation_proposed")
    assert {n.person for n in proposed} == {cast.ines_investigator, cast.theo_coordinator}
    assert {n.url.partition("?")[0] for n in proposed} == {
        f"/participants/{participant.code}/log/protocol_deviation/new/"
    }
    _accepts_the_deviation(cast, participant, proposed.order_by("pk")[0].url)
    for notice in (*told, *proposed):
        subject, body = notices.text_of(notice, "en")
        assert participant.code in subject
        assert not any(word in body for word in ("SRT", "SWITCH", "ecog", "e07"))

    # what is measured later is no input any more
    count = Deed.objects.filter(verb="eligibility.input_changed").count()
    cast.save(Where(participant, "lesion"), {"lesion_number": "T9", "organ": "BRAIN", "category": "NON_TARGET"})
    assert Deed.objects.filter(verb="eligibility.input_changed").count() == count


def _accepts_the_deviation(cast: Cast, participant: Participant, url: str) -> None:
    """ECRF-442: the link opens a deviation that says what changed; the site completes it and saves, or leaves it."""
    client = cast.client_of(cast.theo_coordinator)
    answer = client.get(url)
    fields = answer.context["page"].fields
    assert fields["deviation_type"] == "ELIGIBILITY"
    assert fields["deviation_on"] == _typed(clock.today())
    assert fields["deviation_description"].startswith("Changed after randomization, in “")
    assert "→ Yes" in fields["deviation_description"]
    assert not Record.objects.filter(participant=participant, form="protocol_deviation").exists()
    said = {**fields, "found_on": _typed(clock.today()), "severity": "MINOR", "corrected": "yes", "whole_form": "1",
            "revision": "0", "save": "in_progress"}  # fmt: skip
    assert client.post(url.partition("?")[0], said).status_code == 302
    entry = Record.objects.get(participant=participant, form="protocol_deviation")
    assert entry.data["deviation"][0]["deviation_type"]["value"] == "ELIGIBILITY"
    for nonsense in ["?about=1", "?about=999999.1", "?about=x.y", f"?about={entry.pk}.1"]:
        assert "deviation_description" not in client.get(url.partition("?")[0] + nonsense).context["page"].fields


def _typed(day: dt.date) -> str:
    return day.strftime("%d/%m/%Y")
