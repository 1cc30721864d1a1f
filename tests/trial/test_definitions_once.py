"""A definition is compiled once, however many threads of a fresh process need it at the same moment."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from trial import definitions
from trial.definition import Definition


class Found:
    """A version's content without a database, for threads outside the test's transaction."""

    def filter(self, **wanted: Any) -> Found:
        return self

    def values_list(self, *names: str, flat: bool = False) -> Found:
        return self

    def get(self) -> dict[str, Any]:
        return {}


def test_threads_that_need_it_at_once_wait_for_one_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEED-001: eight threads of a fresh web process would otherwise compile it eight times, and all be late."""
    began: list[int] = []
    inside = threading.Event()
    go_on = threading.Event()

    def compile_slowly(content: Any) -> object:
        began.append(1)
        inside.set()
        assert go_on.wait(5)
        return object()

    monkeypatch.setattr(definitions.Version, "objects", Found())
    monkeypatch.setattr(Definition, "from_json", compile_slowly)
    monkeypatch.setattr(definitions, "_cache", type(definitions._cache)())
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(definitions.definition_of(1))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert inside.wait(5)
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert len(found) == 4
    assert len(set(map(id, found))) == 1
    assert len(began) == 1
