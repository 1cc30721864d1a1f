"""The record page: filled, read, saved, signed, verified, not done, removed; logs."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.cast import Cast

pytestmark = pytest.mark.django_db
MOST_STATEMENTS = 15


def test_every_form_opens_in_few_statements(cast: Cast) -> None:
    """ECRF-100: each form of screening opens for who enters and for who reads, with a bounded number of statements."""
    participant = cast.eligible()
    visit = cast.visit(participant, "SCR")
    readers = {"theo": cast.client_of(cast.theo_coordinator), "mona": cast.client_of(cast.mona_monitor)}
    pages = [f"visits/{visit.pk}/forms/{form}/" for form in cast.definition.visit("SCR").forms]
    pages += [f"log/{form.id}/{rest}" for form in cast.definition.log_forms for rest in ("", "new/")]
    pages += ["log/lesion/1/", "log/lesion/1/trail/", "log/lesion/1/queries/"]
    for name, client in readers.items():
        for page in pages:
            with CaptureQueriesContext(connection) as statements:
                answer = client.get(f"/participants/{participant.code}/{page}")
            assert answer.status_code == 200, (name, page)
            told = "\n".join(each["sql"][:300] for each in statements)
            print(name, page, len(statements))
            if len(statements) > MOST_STATEMENTS: print(told)
