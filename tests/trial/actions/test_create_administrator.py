"""The first account of a new installation."""

from __future__ import annotations

import getpass

import pytest
from django.core.management import CommandError, call_command

from trial.models import Person
from trial.permissions import Permission, can

pytestmark = pytest.mark.django_db


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that the person at the keyboard types, one after the other."""
    answers: list[str] = []
    monkeypatch.setattr(getpass, "getpass", lambda prompt: answers.pop(0))
    return answers


def test_the_first_administrator_is_made_once(typing: list[str]) -> None:
    """TRL-090: with a good password, typed twice; the second call is refused."""
    typing += ["a long enough phrase 9"] * 2
    call_command("create_administrator", "ada@example.org", "Ada", "First")

    person = Person.objects.get(email="ada@example.org")
    assert can(person, Permission.PEOPLE_MANAGE)
    assert person.check_password("a long enough phrase 9")
    with pytest.raises(CommandError, match="already an administrator"):
        call_command("create_administrator", "eve@example.org", "Eve", "Second")


@pytest.mark.parametrize("typed", [["a long enough phrase 9", "another one"], ["short", "short"]])
def test_a_weak_or_mistyped_password_makes_nobody(typing: list[str], typed: list[str]) -> None:
    """TRL-091: nothing half made."""
    typing += typed
    with pytest.raises(CommandError):
        call_command("create_administrator", "ada@example.org", "Ada", "First")
    assert not Person.objects.filter(email="ada@example.org").exists()
