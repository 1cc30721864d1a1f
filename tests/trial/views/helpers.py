"""What the tests of pages share."""

from __future__ import annotations

import re
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

MOST_QUERIES = 15


def words(response: Any) -> str:
    """The page as text."""
    text: str = response.content.decode()
    return text


def bare(response: Any, *without: object) -> str:
    """The page without what differs from one answer to the next: tokens, and the words that were asked for."""
    text = re.sub(r'(content|value)="[A-Za-z0-9]{64}"', "", words(response))
    for word in without:
        text = re.sub(rf"(?<!\w){re.escape(str(word))}(?!\w)", "", text)
    return text


def counted(client: Any, address: str) -> tuple[Any, int]:
    """The answer of a page and how many statements it took, after a first call that fills the caches."""
    client.get(address)
    return counted_again(client, address)


def counted_again(client: Any, address: str) -> tuple[Any, int]:
    """The same of a page that was called already."""
    with CaptureQueriesContext(connection) as queries:
        response = client.get(address)
    return response, len(queries)
