"""The ledger: one line per deed, and its reads."""

import datetime as dt
from types import SimpleNamespace

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

import audit
from audit import clock, outside, selectors, verbs
from audit.errors import UnknownVerb
from audit.middleware import RequestOrigin
from audit.models import Deed


@pytest.fixture(autouse=True)
def _verbs(monkeypatch):
    monkeypatch.setattr(verbs, "_verbs", dict(verbs._verbs))
    verbs.register_verbs({"book.lent": "Book lent", "book.seen": "Book seen"})


def test_a_deed_says_who_what_on_what_when_and_from_where(sample):
    """AUD-040: the line keeps printed names and numbers, and references nothing."""
    shelf = audit.save(sample.Shelf(name="A", site_id=7), by=sample.mona)
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="Fire\x07fox " + "x" * 300)
    then = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)

    def view(_request):
        with clock.simulated(then):
            audit.deed("book.lent", shelf, by=sample.mona, days=14)
        return HttpResponse()

    RequestOrigin(view)(request)
    line = Deed.objects.get(verb="book.lent")
    assert (line.by_id, line.by_name) == (11, "Mona Monitor")
    assert (line.target_table, line.target_id, line.target_label) == ("sampleapp_shelf", str(shelf.pk), "A")
    assert (line.site_id, line.participant_code) == (7, None)
    assert line.at == then
    assert line.recorded_at > then
    assert (line.ip, line.user_agent[:9], len(line.user_agent)) == ("192.0.2.7", "Fire fox ", 200)
    assert line.details == {"days": 14}
    assert str(line.label) == "Book lent"


def test_nothing_of_a_request_is_left_for_the_next(sample):
    """AUD-040: a deed outside a request comes from nowhere; an address that is none is left out."""
    RequestOrigin(lambda _request: HttpResponse())(RequestFactory().get("/", REMOTE_ADDR="192.0.2.7"))
    line = audit.deed("book.seen", by=None)
    assert (line.ip, line.user_agent, line.by_id, line.by_name) == (None, "", None, "")
    RequestOrigin(lambda _request: HttpResponse(str(audit.deed("book.seen", by=None).pk)))(
        RequestFactory().get("/", REMOTE_ADDR="not an address")
    )
    assert Deed.objects.latest("id").ip is None


def test_an_unregistered_verb_is_an_error(sample):
    """AUD-041: the ledger holds only words that somebody defined."""
    with pytest.raises(UnknownVerb, match=r"book\.burnt"):
        audit.deed("book.burnt", by=sample.mona)
    with pytest.raises(ValueError, match="already registered"):
        verbs.register_verbs({"book.lent": "Something else"})


def test_site_and_participant_come_from_the_target_or_are_given(sample):
    """AUD-042: a deed is filed where its target is."""
    shelf = sample.Shelf(pk=1, name="x", site_id=7)
    line = audit.deed("book.seen", shelf, by=sample.mona)
    assert (line.site_id, line.participant_code) == (7, None)
    shelf.participant, shelf.site_id = SimpleNamespace(code="03-001", site_id=3), None
    line = audit.deed("book.seen", shelf, by=sample.mona)
    assert (line.site_id, line.participant_code) == (3, "03-001")
    line = audit.deed("book.seen", None, by=sample.mona, for_site=9, for_participant="09-004")
    assert (line.site_id, line.participant_code) == (9, "09-004")


def test_lines_that_reveal_an_arm_are_left_out_without_a_trace(sample):
    """AUD-043: without the right to arms, pages and counts are as if the line were not there."""
    shelf = audit.save(sample.Shelf(name="A"), by=sample.mona)
    for reveals in (False, True, False):
        audit.deed("book.seen", shelf, by=sample.mona, reveals_arm=reveals, for_participant="07-003")
    for read in (
        lambda arms: selectors.ledger_of(shelf, arms=arms),
        lambda arms: selectors.ledger_of_participant("07-003", arms=arms),
        lambda arms: selectors.ledger_of_site(7, arms=arms),
        lambda arms: selectors.ledger_of_person(11, arms=arms),
    ):
        assert [read(arms).count() for arms in (True, False)] == [3, 2]


def test_the_ledger_is_read_page_by_page(sample, django_assert_num_queries):
    """AUD-044: newest first, by number, with nothing twice and nothing left out."""
    shelf = audit.save(sample.Shelf(name="A"), by=sample.mona)
    told = [audit.deed("book.seen", shelf, by=sample.mona, n=n).pk for n in range(7)]
    seen, before = [], None
    with django_assert_num_queries(3):
        while True:
            page = selectors.page(selectors.ledger_of(shelf, arms=True), before=before, size=3)
            seen += [line.pk for line in page.rows]
            before = page.older
            if before is None:
                break
    assert seen == told[::-1]


def test_a_deed_undone_with_its_transaction_is_not_told(committed):
    """AUD-045: the ledger says what happened, not what was tried; what must outlive a failure waits for it."""
    from django.db import transaction

    def view(_request):
        try:
            with transaction.atomic():
                audit.deed("book.lent", by=committed.mona)
                outside.tell("book.seen", by=committed.mona, tried=True)
                raise RuntimeError
        except RuntimeError:
            return HttpResponse()

    RequestOrigin(view)(RequestFactory().get("/", REMOTE_ADDR="192.0.2.7"))
    assert [(line.verb, line.ip) for line in Deed.objects.all()] == [("book.seen", "192.0.2.7")]
    assert outside.flush() == 0
