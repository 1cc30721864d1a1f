"""Signatures: a name under exactly what was shown."""

import datetime as dt
import hashlib
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import RequestFactory

import audit
from audit import outside, selectors
from audit.actions import Confirmation
from audit.errors import Refused
from audit.middleware import RequestOrigin
from audit.models import Deed, Signature
from audit.testing import refused_by_database

CONTENT = {"items": [{"hgb": "12.10", "unit": "g/dL"}], "on": dt.date(2026, 3, 2), "é": None}


@pytest.fixture(autouse=True)
def _nothing_waits():
    outside._waiting.set(None)
    yield
    outside._waiting.set(None)


def test_a_signature_keeps_name_meaning_statement_time_and_content(sample):
    """AUD-050 (21 CFR 11.50): printed name, time and meaning, with the hash of the canonical content."""
    book = sample.book()
    signature = audit.sign(
        book, by=sample.ines, meaning="approval", content=CONTENT, password="right", statement="I have read it."
    )
    text = '{"items":[{"hgb":"12.10","unit":"g/dL"}],"on":"2026-03-02","é":null}'
    assert signature.content_hash == hashlib.sha256(text.encode()).hexdigest() == audit.content_hash(CONTENT)
    kept = Signature.objects.get()
    assert (kept.by_id, kept.by_name, kept.meaning, kept.statement) == (
        12,
        "Ines Investigator",
        "approval",
        "I have read it.",
    )
    assert audit.content_hash(kept.content) == kept.content_hash
    assert list(selectors.signatures_of(book)) == [kept]
    assert Deed.objects.get(verb="signature.given").details["signature"] == kept.pk
    connection.check_constraints()


def test_the_hash_does_not_depend_on_the_order_of_keys_but_on_that_of_rows():
    """AUD-051: the same content has one hash; another order of rows is another content."""
    assert audit.content_hash({"a": 1, "b": [1, 2]}) == audit.content_hash({"b": [1, 2], "a": 1})
    assert audit.content_hash({"b": [1, 2]}) != audit.content_hash({"b": [2, 1]})
    assert audit.content_hash({"b": Decimal("12.10")}) != audit.content_hash({"b": Decimal("12.1")})
    with pytest.raises(ValueError, match="JSON"):
        audit.content_hash({"a": float("nan")})


def test_a_wrong_password_signs_nothing_and_is_told_after_the_rollback(committed):
    """AUD-052 (21 CFR 11.300(d)): the attempt stands in the ledger although the transaction did not."""
    book = committed.book()

    @transaction.atomic
    def sign_it():
        book.title = "Signed"
        audit.save(book, by=committed.ines)
        audit.sign(book, by=committed.ines, meaning="approval", content=CONTENT, password="wrong")

    def view(_request):
        with pytest.raises(Refused) as refused:
            sign_it()
        assert refused.value.code == "wrong_password"
        return HttpResponse()

    RequestOrigin(view)(RequestFactory().get("/", REMOTE_ADDR="192.0.2.7"))
    assert Signature.objects.count() == 0
    line = Deed.objects.get(verb="signature.refused")
    assert (line.by_id, line.target_id, line.ip) == (12, str(book.pk), "192.0.2.7")
    assert committed.Book.objects.get().title == "Onco"
    assert "wrong" not in str(line.__dict__)


def test_a_wrong_password_outside_a_transaction_is_told_at_once(committed):
    """AUD-052: a form that asks before the deed needs no middleware for it."""
    assert not audit.reauthenticate(committed.ines, "wrong")
    assert Deed.objects.filter(verb="signature.refused").count() == 1
    assert audit.reauthenticate(committed.ines, "right")
    assert not audit.reauthenticate(None, "right")


def test_a_password_confirmed_before_a_lock_serves_for_who_typed_it(sample):
    """AUD-054: a signature takes the confirmation instead of the password, and never somebody else's."""
    book = sample.book()
    confirmed = audit.confirm(sample.ines, "right", target=book)
    assert audit.sign(book, by=sample.ines, meaning="approval", content=CONTENT, password=confirmed).by_id == 12
    with pytest.raises(Refused) as refused:
        audit.confirm(sample.ines, "wrong", target=book)
    assert refused.value.code == "wrong_password"
    with pytest.raises(ValueError, match="Somebody else"):
        audit.sign(book, by=sample.ines, meaning="approval", content=CONTENT, password=Confirmation(13))
    assert Signature.objects.count() == 1


def test_a_signature_cannot_be_altered_or_taken_back(sample):
    """AUD-053: by the row, by the manager or by SQL."""
    signature = audit.sign(sample.book(), by=sample.ines, meaning="approval", content=CONTENT, password="right")
    with pytest.raises(TypeError, match="append-only"):
        signature.save()
    for change in (
        lambda: Signature.objects.update(by_name="Other"),
        lambda: Signature.objects.all().delete(),
    ):
        with refused_by_database():
            change()
