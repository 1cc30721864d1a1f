"""What the tests of pages share."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

MOST_QUERIES = 15


def words(response: Any) -> str:
    """The page as text."""
    text: str = response.content.decode()
    return text


def counted(client: Any, address: str) -> tuple[Any, int]:
    """The answer of a page and how many statements it took, after a first call that fills the caches."""
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        response = client.get(address)
    return response, len(queries)
