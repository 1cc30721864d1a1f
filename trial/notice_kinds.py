"""The kinds of notices that are not reminders of the study folder; upper rooms register theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.functional import Promise

from .models import Notice


@dataclass(frozen=True)
class NoticeKind:
    """Words of a kind (may use {site} {code} {visit} {date} {url}) and when it is no longer needed."""

    subject: str | Promise
    body: str | Promise
    is_settled: Callable[[Notice], bool] = lambda notice: False


_kinds: dict[str, NoticeKind] = {}


def register(kind: str, words: NoticeKind) -> None:
    """Add a kind of notice; called once per kind from `AppConfig.ready`."""
    if kind in _kinds and _kinds[kind] != words:
        raise ValueError(f"The notice kind {kind!r} is registered twice.")
    _kinds[kind] = words


def get(kind: str) -> NoticeKind | None:
    """Return the registered kind, None for a reminder of the study folder."""
    return _kinds.get(kind)
