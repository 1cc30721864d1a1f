"""Queries: every move of the table, automatic ones in one thread, roles that are told, several at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

import audit
from audit import clock
from audit.errors import Refused
from audit.models import Deed
from ecrf import policies
from ecrf.actions import data_queries, records
from ecrf.addressees import ADDRESSEES
from ecrf.entry import Submission, Typed
from ecrf.models import Query, QueryKind, QueryMessage, QueryState, Record
from ecrf.selectors import queries_waiting_for
from ecrf.trails import thread
from ecrf.where import Where
from tests.cast import Cast
from trial.actions import notices
from trial.models import Notice, NoticeState, Role

pytestmark = pytest.mark.django_db
FORM = "vitals_performance"
DEEDS = {
    "answer": QueryState.ANSWERED,
    "close": QueryState.CLOSED,
    "reopen": QueryState.REOPENED,
    "cancel": QueryState.CANCELLED,
}


@pytest.fixture
def where(cast: Cast) -> Where:
    participant = cast.consented()
    return Where(participant, FORM, visit=cast.visit(participant, "SCR"))


@pytest.fixture
def record(cast: Cast, where: Where) -> Record:
    return cast.save(where, {"kps": 90, "ecog": "0", "weight": "80", "sbp": "130", "dbp": "80"})


def ask(cast: Cast, record: Record, item: str = "weight", **more: Any) -> Query:
    said = {"text": "Sure?", "by": cast.mona_monitor} | more
    place = Where(record.participant, record.form, visit=record.visit, number=record.number)
    return data_queries.ask(where=place, item=item, **said)


def do(cast: Cast, deed: str, query: Query) -> Query:
    act = getattr(data_queries, deed)
    return act(query=query, text="Words.", by=cast.theo_coordinator if deed == "answer" else cast.mona_monitor)


def in_state(cast: Cast, record: Record, state: str) -> Query:
    """A query brought to a state by deeds alone."""
    query = ask(cast, record)
    way = {"answered": ["answer"], "closed": ["close"], "reopened": ["answer", "reopen"], "cancelled": ["cancel"]}
    for deed in way.get(state, []):
        query = do(cast, deed, query)
    assert query.state == state
    return query


class TestTheTable:
    @pytest.mark.parametrize("deed", list(DEEDS))
    @pytest.mark.parametrize("state", QueryState.values)
    def test_every_deed_in_every_state_does_what_the_table_says(
        self, cast: Cast, record: Record, state: str, deed: str
    ) -> None:
        """ECRF-260: the transition table is complete; a deed that it does not know changes nothing and says why."""
        query = in_state(cast, record, state)
        lines = query.messages.count()
        if DEEDS[deed] in policies.QUERY[state]:
            assert do(cast, deed, query).state == DEEDS[deed]
            assert query.messages.count() == lines + 1
            return
        with pytest.raises(Refused, match="cannot become"):
            do(cast, deed, query)
        assert (Query.objects.get(pk=query.pk).state, query.messages.count()) == (state, lines)

    def test_the_table_knows_every_state(self) -> None:
        """ECRF-261: no state without a line, none that leads to nowhere known."""
        assert set(policies.QUERY) == set(QueryState.values)
        assert {to for moves in policies.QUERY.values() for to in moves} <= set(QueryState.values)

    def test_what_is_offered_is_what_is_done(self, cast: Cast, record: Record) -> None:
        """ECRF-262: `may` and the deeds agree, for the site and for the monitor, in every state."""
        for state in QueryState.values:
            query = in_state(cast, record, state)
            for person in (cast.theo_coordinator, cast.mona_monitor, cast.paul_sponsor, cast.oscar_coordinator):
                offered = data_queries.may(query, person)
                for deed in DEEDS:
                    if deed in offered:
                        continue
                    with pytest.raises(Refused):
                        getattr(data_queries, deed)(query=query, text="Words.", by=person)


class TestAutomatic:
    def correct(self, cast: Cast, where: Where, sbp: str) -> None:
        held = Record.objects.get(visit=where.visit, form=FORM)
        records.save(
            where=where,
            revision=held.revision,
            submission=Submission(values={(cast.definition.form(FORM).group_of("sbp").id, "", "sbp"): Typed(text=sbp)}),
            complete=True,
            by=cast.theo_coordinator,
            reason="Typing error",
        )

    def test_a_finding_that_returns_opens_its_query_again_in_the_same_thread(self, cast: Cast, where: Where) -> None:
        """ECRF-263: opens by itself, closes by itself saying so, and reopens; one thread tells it all."""
        record = cast.save(where, {"kps": 90, "ecog": "0", "sbp": "185"}, justify="")
        self.correct(cast, where, "135")
        self.correct(cast, where, "186")

        query = Query.objects.get(record=record)
        assert (query.kind, query.state, query.settled_at) == (QueryKind.AUTOMATIC, QueryState.REOPENED, None)
        lines = list(query.messages.all())
        assert [line.state for line in lines] == ["open", "closed", "reopened"]
        assert all(line.by_id is None for line in lines)
        assert "now satisfy" in lines[1].text

        self.correct(cast, where, "134")
        query.refresh_from_db()
        assert query.state == QueryState.CLOSED
        assert list(Deed.objects.filter(verb="query.reopened").values_list("verb", flat=True)) == ["query.reopened"]

    def test_a_form_that_is_not_finished_asks_nothing_yet(self, cast: Cast, where: Where) -> None:
        """ECRF-264: an automatic query belongs to a complete form; completing it asks."""
        record = cast.save(where, {"kps": 90, "ecog": "0", "sbp": "185"}, justify="", complete=False)
        assert not Query.objects.filter(record=record).exists()
        cast.save(where, {"kps": 90, "ecog": "0", "sbp": "185"}, justify="")
        assert Query.objects.get(record=record).state == QueryState.OPEN

    def test_what_the_system_says_is_read_in_one_s_own_language(self, cast: Cast, where: Where) -> None:
        """ECRF-265: the edit check speaks French to a French reader; people's words stay as written."""
        record = cast.save(where, {"kps": 90, "ecog": "0", "sbp": "185"}, justify="")
        query = Query.objects.get(record=record)
        english = thread(query, "en", cast.theo_coordinator)["lines"][0]["text"]
        french = thread(query, "fr", cast.theo_coordinator)["lines"][0]["text"]
        assert english == query.messages.get().text
        assert english != french
        assert "Valeur" in french or "confirmez" in french

    def test_a_removed_entry_and_a_form_not_done_say_why_their_query_closed(self, cast: Cast, where: Where) -> None:
        """ECRF-266: "the data are right" would not be true of what is gone."""
        record = cast.save(where, {"kps": 90, "ecog": "0", "sbp": "185"}, justify="")
        empty = {
            (group.id, "", item.id): Typed()
            for group in cast.definition.form(FORM).groups
            for item in group.items
            if not item.is_derived and not group.repeating
        }
        records.save(
            where=where, revision=1, submission=Submission(values=empty), complete=False, by=cast.theo_coordinator,
            reason="Wrong patient",
        )  # fmt: skip
        # clearing the value settles the query already: the check has nothing to say of an empty item
        assert Query.objects.get(record=record).messages.last().text == "The data now satisfy the edit check."
        records.mark_not_done(where=where, revision=2, reason="Not examined", by=cast.theo_coordinator)

        log = Where(where.participant, "adverse_event")
        event = cast.save_event(where.participant)
        query = audit.save(
            Query(
                record=event, participant=event.participant, kind=QueryKind.AUTOMATIC, opened_at=clock.now(),
                finding=_finding(cast, event),
            ),
            by=None,
        )  # fmt: skip
        records.remove_entry(record=event, revision=event.revision, reason="Twice", by=cast.theo_coordinator)
        assert log.form == event.form
        assert query.messages.last().text == "The entry was removed."


def _finding(cast: Cast, record: Record) -> Any:
    from ecrf.models import Finding

    return audit.save(
        Finding(record=record, check_id="range:grade", severity="soft", raised_at=clock.now()), by=cast.theo_coordinator
    )


class TestPlaces:
    def test_a_query_stands_on_an_item_a_row_a_form_or_a_log_entry(self, cast: Cast, record: Record) -> None:
        """ECRF-267: each place is asked about; what does not exist there is not."""
        assert ask(cast, record, item="").item == ""
        assert ask(cast, record).item == "weight"
        event = cast.save_event(record.participant)
        assert ask(cast, event, item="grade").record == event
        with pytest.raises(Refused, match="no such item"):
            ask(cast, record, item="hgb")
        with pytest.raises(Refused, match="row does not exist"):
            ask(cast, record, item="weight", row="nffffffffffff")
        with pytest.raises(Refused, match="row does not exist"):
            ask(cast, record, item="", row="nffffffffffff")

    def test_a_removed_entry_is_not_asked_about(self, cast: Cast, record: Record) -> None:
        """ECRF-268: nobody could answer."""
        event = cast.save_event(record.participant)
        records.remove_entry(record=event, revision=event.revision, reason="Twice", by=cast.theo_coordinator)
        with pytest.raises(Refused, match="removed"):
            ask(cast, event, item="")


class TestAddressees:
    def test_who_holds_the_role_is_told_once_and_without_the_question(self, cast: Cast, record: Record) -> None:
        """ECRF-270: a notice row for each holder at the site, none for others; no clinical data in its words."""
        query = ask(cast, record, text="Weight 80 or 180?", addressed_to=Role.INVESTIGATOR)
        notice = Notice.objects.get(kind="query_asked")
        assert (notice.person, notice.url, notice.state) == (
            cast.ines_investigator,
            f"/queries/{query.pk}/",
            NoticeState.OWED,
        )
        for locale in ("en", "fr"):
            subject, body = notices.text_of(notice, locale)
            assert record.participant.code in subject
            assert "180" not in subject + body
            assert "eight" not in (subject + body).lower().replace("eighth", "")

    def test_only_roles_that_are_offered_are_asked(self, cast: Cast, record: Record) -> None:
        """ECRF-271: a role of nobody, or one that queries are not for, is refused and nothing is asked."""
        for role in ("sponsor", "statistician_blinded", "", "x"):
            with pytest.raises(Refused, match="asked of one of"):
                ask(cast, record, addressed_to=role)
        assert not Query.objects.exists()
        for role in ADDRESSEES:
            assert ask(cast, record, addressed_to=role).addressed_to == role

    def test_what_is_asked_of_the_data_manager_is_answered_by_the_data_manager(
        self, cast: Cast, record: Record
    ) -> None:
        """ECRF-272: not by the site, and it waits for that role alone."""
        query = ask(cast, record, addressed_to=Role.DATA_MANAGER)
        assert query in queries_waiting_for(cast.dan_data_manager)
        assert query not in queries_waiting_for(cast.theo_coordinator)
        with pytest.raises(Refused, match="another role"):
            data_queries.answer(query=query, text="Ours?", by=cast.theo_coordinator)
        answered = data_queries.answer(query=query, text="Coded.", by=cast.dan_data_manager)
        assert answered.state == QueryState.ANSWERED
        assert answered in queries_waiting_for(cast.mona_monitor)

    def test_a_query_is_passed_on_to_another_role_in_its_thread(self, cast: Cast, record: Record) -> None:
        """ECRF-273: the coordinator passes it on; the new role is told, the old notice is no longer needed."""
        query = ask(cast, record)
        old = Notice.objects.get(person=cast.theo_coordinator)
        data_queries.readdress(
            query=query, addressed_to=Role.RADIATION_ONCOLOGIST, text="Yours.", by=cast.theo_coordinator
        )
        query.refresh_from_db()
        assert (query.state, query.addressed_to) == (QueryState.OPEN, "radiation_oncologist")
        assert Notice.objects.filter(person=cast.rose_radiation, kind="query_asked").count() == 1
        lines = thread(query, "en", cast.mona_monitor)["lines"]
        assert lines[-1]["event"] == "asked another role: Radiation oncologist"
        notices.send_owed()
        old.refresh_from_db()
        assert old.state == NoticeState.CANCELLED
        assert Notice.objects.get(person=cast.rose_radiation).state == NoticeState.SENT

    def test_passing_on_is_refused_where_it_says_nothing_new_or_is_not_theirs(self, cast: Cast, record: Record) -> None:
        """ECRF-274: same role, settled query, unknown role, stranger."""
        query = ask(cast, record)
        for person, role, words in (
            (cast.mona_monitor, Role.COORDINATOR, "already asked"),
            (cast.mona_monitor, "sponsor", "asked of one of"),
            (cast.oscar_coordinator, Role.INVESTIGATOR, "Only"),
            (cast.paul_sponsor, Role.INVESTIGATOR, "Only"),
        ):
            with pytest.raises(Refused, match=words):
                data_queries.readdress(query=query, addressed_to=role, by=person)
        data_queries.close(query=query, by=cast.mona_monitor)
        with pytest.raises(Refused, match="waits for an answer"):
            data_queries.readdress(query=query, addressed_to=Role.INVESTIGATOR, by=cast.mona_monitor)
        assert not Deed.objects.filter(verb="query.readdressed").exists()

    def test_an_answered_query_reminds_nobody_any_more(self, cast: Cast, record: Record) -> None:
        """ECRF-275: the notice not yet sent is cancelled; opened again, the role is told again."""
        query = ask(cast, record)
        data_queries.answer(query=query, text="Yes.", by=cast.ines_investigator)
        notices.send_owed()
        assert Notice.objects.get(person=cast.theo_coordinator).state == NoticeState.CANCELLED
        data_queries.reopen(query=query, text="Which document?", by=cast.mona_monitor)
        notices.send_owed()
        assert Notice.objects.filter(person=cast.theo_coordinator, state=NoticeState.SENT).count() == 1

    def test_an_edit_check_tells_those_who_did_not_see_it(self, cast: Cast, where: Where) -> None:
        """ECRF-276: the coordinator who saved has read it on the form; after another role's save, is told."""
        cast.save(where, {"kps": 90, "ecog": "0", "sbp": "185"}, justify="")
        assert not Notice.objects.filter(kind="query_asked").exists()
        other = cast.consented()
        place = Where(other, FORM, visit=cast.visit(other, "SCR"))
        cast.save(place, {"kps": 90, "ecog": "0", "sbp": "185"}, justify="", by=cast.ines_investigator)
        assert Notice.objects.get(kind="query_asked").person == cast.theo_coordinator


class TestSeveralAtOnce:
    def test_each_is_checked_for_itself_and_the_rest_is_done(self, cast: Cast, record: Record) -> None:
        """ECRF-280: what may be closed is closed; what may not be is told with its reason."""
        first, second = ask(cast, record, item="kps"), ask(cast, record)
        closed = data_queries.close(query=ask(cast, record, item="ecog"), by=cast.mona_monitor)
        other = cast.consented(cast.screened())
        locked = cast.save(Where(other, FORM, visit=cast.visit(other, "SCR")), {"weight": "70"}, complete=False)
        third = ask(cast, locked)
        locked.locked_at = clock.now()
        audit.save(locked, by=cast.dan_data_manager)

        outcome = data_queries.settle_several(
            queries=[first, closed, third, second], deed="close", text="Seen on site.", by=cast.mona_monitor
        )
        assert [query.pk for query in outcome.done] == [first.pk, second.pk]
        assert [(query.pk, "locked" in words) for query, words in outcome.refused] == [
            (closed.pk, False),
            (third.pk, True),
        ]
        for query in (first, second):
            query.refresh_from_db()
            assert (query.state, query.messages.last().text) == (QueryState.CLOSED, "Seen on site.")
        assert Deed.objects.filter(verb="query.closed").count() == 3

    def test_each_deed_for_several(self, cast: Cast, record: Record) -> None:
        """ECRF-281: asked of another role, closed, opened again, cancelled; automatic ones are not cancelled."""
        queries = [ask(cast, record, item="kps"), ask(cast, record)]
        for deed, state in (
            ("readdress", "open"),
            ("close", "closed"),
            ("reopen", "reopened"),
            ("cancel", "cancelled"),
        ):
            outcome = data_queries.settle_several(
                queries=queries, deed=deed, text="All of them.", by=cast.mona_monitor, addressed_to=Role.INVESTIGATOR
            )
            assert (len(outcome.done), outcome.refused) == (2, [])
            assert set(Query.objects.values_list("state", "addressed_to")) == {(state, "investigator")}

    def test_answers_are_given_one_by_one(self, cast: Cast, record: Record) -> None:
        """ECRF-282: an answer speaks of one value."""
        with pytest.raises(Refused, match="several"):
            data_queries.settle_several(
                queries=[ask(cast, record)], deed="answer", text="Yes", by=cast.theo_coordinator
            )
        with pytest.raises(Refused, match="At most"):
            data_queries.settle_several(
                queries=[ask(cast, record)] * 201, deed="close", text="Yes", by=cast.mona_monitor
            )

    def test_somebody_without_the_right_does_nothing(self, cast: Cast, record: Record) -> None:
        """ECRF-283: all are refused, in words; nothing moved."""
        query = ask(cast, record)
        outcome = data_queries.settle_several(queries=[query], deed="close", text="Done", by=cast.theo_coordinator)
        assert outcome.done == []
        assert "Only the monitor" in outcome.refused[0][1]
        assert Query.objects.get().state == QueryState.OPEN


def test_words_that_cannot_be_kept_are_refused(cast: Cast, record: Record) -> None:
    """ECRF-284: NUL, and more than a thousand characters; nothing is cut off unseen."""
    query = ask(cast, record)
    for text in ("a\x00b", "x" * 1001):
        with pytest.raises(Refused):
            data_queries.answer(query=query, text=text, by=cast.theo_coordinator)
        with pytest.raises(Refused):
            data_queries.readdress(query=query, addressed_to=Role.INVESTIGATOR, text=text, by=cast.mona_monitor)
    assert QueryMessage.objects.count() == 1
    with translation.override("fr"):
        assert thread(query, "fr", cast.mona_monitor)["lines"][0]["text"] == "Sure?"
