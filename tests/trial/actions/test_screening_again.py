"""Rescreening: a new screening of the same participant, who keeps the code (DOMAIN, "Participants")."""

from __future__ import annotations

from random import Random

import pytest

from audit import clock
from audit.errors import Refused
from audit.models import Deed
from ecrf.actions import closures, records
from ecrf.closing import Scope
from ecrf.eligibility import assess
from ecrf.models import Record
from ecrf.where import Where
from randomization.strata import stratum_of
from simulation import patients
from tests.cast import PASSWORD, Cast
from tests.trial.views.helpers import counted, words
from trial.actions import participants, statuses, visits
from trial.models import (
    Consent,
    Participant,
    ScreeningOutcome,
    Status,
    StatusChange,
    StatusKind,
    Visit,
    VisitStatus,
)

from .arrange import DAY, again, on_day

pytestmark = pytest.mark.django_db


def failed(cast: Cast, participant: Participant | None = None, reason: str = "BRAIN") -> Participant:
    """A participant whose screening was closed without inclusion."""
    return participants.fail_screening(
        participant=participant or cast.screened(), reason=reason, by=cast.theo_coordinator
    )


def screened_again(cast: Cast, participant: Participant) -> Participant:
    return participants.screen_again(participant=participant, by=cast.theo_coordinator)


def screening_visit(participant: Participant, occurrence: int) -> Visit:
    return Visit.objects.get(participant=participant, event="SCR", occurrence=occurrence)


def test_the_code_stays_and_the_screening_is_new(cast: Cast) -> None:
    """TRL-060: same code, dates of the new screening, a visit of its own; the first failure stays as it was."""
    with on_day(clock.today() - 40 * DAY):
        first = failed(cast, cast.screened())
    count = Participant.objects.count()

    participant = screened_again(cast, first)

    assert (participant.code, Participant.objects.count()) == (first.code, count)
    assert (participant.status, participant.failed_on) == (Status.SCREENING, None)
    assert (participant.screened_on, participant.screening) == (clock.today(), 2)
    assert (participant.screening_outcome, participant.failure_reason) == (ScreeningOutcome.PENDING, "")
    assert screening_visit(participant, 1).status == VisitStatus.NOT_APPLICABLE
    assert screening_visit(participant, 2).status == VisitStatus.PLANNED
    kept = StatusChange.objects.get(participant=participant, kind=StatusKind.FAILED)
    assert (kept.screening, kept.reason, kept.reversed_at) == (1, "BRAIN", None)
    assert Deed.objects.get(verb="participant.screened_again").participant_code == first.code


def test_it_fails_and_is_reopened_like_the_first(cast: Cast) -> None:
    """TRL-061: a second failure and its correction concern the second screening alone; a third may follow."""
    participant = screened_again(cast, failed(cast))
    participant = failed(cast, participant, reason="HISTOLOGY")
    participant = participants.reopen_screening(participant=participant, reason="Wrong row", by=cast.theo_coordinator)
    assert (participant.status, participant.screening) == (Status.SCREENING, 2)
    third = screened_again(cast, failed(cast, participant, reason="REFUSED"))
    told = StatusChange.objects.filter(participant=third, kind=StatusKind.FAILED).order_by("pk")
    assert [(c.screening, c.reason, c.reversed_at is None) for c in told] == [
        (1, "BRAIN", True),
        (2, "HISTOLOGY", False),
        (2, "REFUSED", True),
    ]
    assert [v.status for v in Visit.objects.filter(participant=third, event="SCR").order_by("occurrence")] == [
        VisitStatus.NOT_APPLICABLE,
        VisitStatus.NOT_APPLICABLE,
        VisitStatus.PLANNED,
    ]


def test_wrong_role_wrong_site_wrong_state_second_try(cast: Cast) -> None:
    """TRL-062: only site staff of the site, only after a failure, once; never who withdrew, died, or is closed."""
    participant = cast.consented()
    with pytest.raises(Refused, match="not closed"):
        screened_again(cast, participant)
    participant = failed(cast, participant)
    for stranger in (cast.oscar_coordinator, cast.mona_monitor, cast.dan_data_manager, cast.adam_admin):
        with pytest.raises(Refused, match="Only site staff"):
            participants.screen_again(participant=participant, by=stranger)
    with pytest.raises(Refused, match="in the future"):
        participants.screen_again(participant=participant, on=clock.today() + DAY, by=cast.theo_coordinator)
    with pytest.raises(Refused, match="last screening was closed"):
        participants.screen_again(participant=participant, on=clock.today() - DAY, by=cast.theo_coordinator)

    scope = Scope.of_participant(participant)
    closures.freeze(scope=scope, reason="Interim", by=cast.dan_data_manager)
    with pytest.raises(Refused, match="frozen"):
        screened_again(cast, participant)
    closures.unfreeze(scope=scope, reason="Done", by=cast.dan_data_manager)

    dead = statuses.record(participant=participant, kind=StatusKind.DIED, on=clock.today(), by=None)
    with pytest.raises(Refused, match="no longer takes part"):
        screened_again(cast, dead)
    statuses.reverse(participant=participant, kind=StatusKind.DIED, reason="Somebody else", by=None)

    screened_again(cast, participant)
    with pytest.raises(Refused, match="not closed"):
        screened_again(cast, participant)


def test_what_the_earlier_screening_found_decides_nothing(cast: Cast) -> None:
    """TRL-063: eligibility, its signature and the stratum read the new screening alone; consent and log stay."""
    participant = cast.eligible()
    assert participant.enrolled_on is not None
    assert assess(participant, clock.today()).is_eligible
    consented_on = participant.consented_on
    participant = screened_again(cast, failed(cast, participant))

    found = assess(participant, clock.today())
    assert (found.is_eligible, found.is_signed, found.record) == (False, False, None)
    assert not stratum_of(participant, cast.definition).is_known
    assert (participant.enrolled_on, participant.consented_on) == (None, consented_on)

    old = cast.record(participant, "laboratory", visit="SCR")
    assert old.visit is not None and old.visit.occurrence == 1


def test_the_eligibility_of_an_earlier_screening_is_not_signed_any_more(cast: Cast) -> None:
    """TRL-069: nobody becomes eligible by what an earlier screening found."""
    participant = screened_again(cast, failed(cast, cast.judged()))
    record = cast.record(participant, "eligibility", visit="SCR")
    with pytest.raises(Refused, match="earlier screening"):
        records.sign(record=record, password=PASSWORD, by=cast.ines_investigator)
    assert again(participant).enrolled_on is None


def fill(cast: Cast, participant: Participant, form: str, visit: Visit, **said: object) -> Record:
    """Fill a form of a screening visit with what the simulated patient has."""
    answers = patients.baseline(
        cast.patient(participant), form, on=clock.today(), consented_on=clock.today(), rng=Random(form)
    )
    return cast.save(Where(again(participant), form, visit=visit), {**answers, **said})


def risk_group(record: Record) -> dict[str, str] | None:
    return record.data["result"][0].get("risk_group") if record.data.get("result") else None


def test_derivations_read_no_earlier_screening(cast: Cast) -> None:
    """TRL-064: the prognosis of the new screening waits for its own laboratory; the first one keeps its own."""
    participant = cast.baseline_done()
    assert risk_group(cast.record(participant, "imdc", visit="SCR")) is not None
    participant = screened_again(cast, failed(cast, participant))
    first, second = screening_visit(participant, 1), screening_visit(participant, 2)
    second = visits.record_date(visit=second, on=clock.today(), by=cast.theo_coordinator)

    new = fill(cast, participant, "imdc", second)
    assert risk_group(new) is None
    for form in ("rcc_history", "prior_systemic_lines", "systemic_ongoing", "vitals_performance", "laboratory"):
        fill(cast, participant, form, second)

    held = {r.visit_id: r for r in Record.objects.filter(participant=participant, form="imdc")}
    assert risk_group(held[second.pk]) == risk_group(held[first.pk]) is not None


def test_a_consent_given_again_does_not_move_the_first(cast: Cast) -> None:
    """TRL-065: procedures between the two consents stay after consent; a correction of the second concerns it alone."""
    with on_day(clock.today() - 30 * DAY):
        participant = failed(cast, cast.consented())
    given = participant.consented_on
    assert given is not None
    participant = screened_again(cast, participant)
    second = visits.record_date(visit=screening_visit(participant, 2), on=clock.today(), by=cast.theo_coordinator)
    cast.save(Where(participant, "consent", visit=second), {"signed_on": clock.today()})
    assert again(participant).consented_on == given
    assert [c.signed_on for c in Consent.objects.filter(participant=participant)] == [given]


def test_the_visit_of_the_earlier_screening_can_still_be_corrected(cast: Cast) -> None:
    """TRL-066: its day lies after its own screening, not after the new one; it never waits again."""
    with on_day(clock.today() - 40 * DAY):
        participant = cast.consented()
    with on_day(clock.today() - 30 * DAY):
        participant = failed(cast, participant)
    participant = screened_again(cast, participant)
    first, day = screening_visit(participant, 1), clock.today() - 39 * DAY
    assert visits.record_date(visit=first, on=day, reason="Misread", by=cast.theo_coordinator).actual_on == day
    with pytest.raises(Refused, match="before the screening"):
        visits.record_date(visit=first, on=day - 9 * DAY, reason="Misread", by=cast.theo_coordinator)
    with pytest.raises(Refused, match="before the screening"):
        visits.record_date(visit=screening_visit(participant, 2), on=day, by=cast.theo_coordinator)


def test_on_the_pages(cast: Cast) -> None:
    """TRL-067: from the casebook to the new screening; the log and the status keep both, with the reason in words."""
    participant = failed(cast, cast.consented())
    client = cast.client_of(cast.theo_coordinator)
    address = f"/screening/{participant.code}/again/"
    for page in (f"/participants/{participant.code}/", "/screening/", f"/participants/{participant.code}/status/"):
        assert address in words(client.get(page))
    assert "Active brain metastases" in words(client.get(address))
    assert address not in words(cast.client_of(cast.mona_monitor).get("/screening/"))
    assert cast.client_of(cast.oscar_coordinator).post(address, {"on": "01/01/2020"}).status_code == 404
    assert client.post(address, {"on": "99/99/2020"}).status_code == 422

    answer = client.post(address, {"on": f"{clock.today():%d/%m/%Y}"}, follow=True)

    casebook = words(answer)
    assert f"{participant.code} is in screening again." in casebook
    assert "Screening 2" in casebook
    assert "Screened (screening 2)" in casebook
    log = words(client.get("/screening/"))
    assert "Screening 1: Active brain metastases" in log
    status = words(client.get(f"/participants/{participant.code}/status/"))
    assert "Active brain metastases" in status
    assert "BRAIN" not in status + casebook + log
    assert client.post(address, {"on": f"{clock.today():%d/%m/%Y}"}).status_code == 422


def test_the_log_costs_the_same_for_many_screened_again(cast: Cast) -> None:
    """TRL-068: one statement for all that came before, none where nobody was screened again."""
    client = cast.client_of(cast.theo_coordinator)
    screened_again(cast, failed(cast))
    once = counted(client, "/screening/")[1]
    for _n in range(4):
        screened_again(cast, failed(cast))
    assert counted(client, "/screening/")[1] == once
