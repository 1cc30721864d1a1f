"""Small parts of the wiring: catalogues, logs, schedule, sending tasks, the lock files."""

from __future__ import annotations

import gettext
import logging
import re
import time
from pathlib import Path

import pytest
from celery import Celery
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from audit.publishing import publish
from config import messages, schedule
from config.logs import Discreet, discreet
from config.services.bundle import ROOT

# --- Message catalogues


def catalogue(folder: Path, text: str) -> Path:
    path = folder / "fr" / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    path.write_text('msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n' + text)
    return path


def test_catalogues_compile_without_gettext(tmp_path: Path) -> None:
    source = catalogue(tmp_path, 'msgid "Site"\nmsgstr "Centre"\n\n#, fuzzy\nmsgid "Visit"\nmsgstr "Faux"\n')
    (written,) = messages.compile_all(tmp_path)
    assert written == source.with_suffix(".mo")
    with written.open("rb") as file:
        found = gettext.GNUTranslations(file)
    assert found.gettext("Site") == "Centre"
    assert found.gettext("Visit") == "Visit"  # fuzzy: not shown
    assert messages.compile_all(tmp_path) == []  # nothing newer, nothing written


@pytest.mark.parametrize(
    "text",
    [
        'msgid "Site"\nneither key nor value\n',
        '#, python-format\nmsgid "%(name)s signed"\nmsgstr "%(nom)s a signé"\n',  # would fail on the page
    ],
)
def test_broken_catalogue_names_its_file(tmp_path: Path, text: str) -> None:
    source = catalogue(tmp_path, text)
    with pytest.raises(ValueError, match=re.escape(str(source))):
        messages.compile_all(tmp_path)


# --- Logs


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Not Found: /participants/07-003/", "Not Found: /participants/[code]/"),
        ("GET /records/4711/sign?item=sbp HTTP/1.1", "GET /records/…/sign?… HTTP/1.1"),
        ("mail to ines@example.org failed", "mail to [e-mail] failed"),
        ("worker ready in 3 s", "worker ready in 3 s"),
    ],
)
def test_logs_name_no_participant(said: str, kept: str) -> None:
    assert discreet(said) == kept


def test_logs_keep_where_and_not_what() -> None:
    """An exception's text can quote a value: its type and place stay, its text goes."""
    quoted = "weight of 07-003 is 71.5"
    try:
        raise ValueError(quoted)
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "Failed at %s", ("/p/07-003/",), None)
        record.exc_info = (ValueError, error, error.__traceback__)
    assert Discreet().filter(record)
    text = logging.Formatter().format(record)
    assert "71.5" not in text.partition("Traceback")[2]
    assert "07-003" not in text.partition("Traceback")[0]
    assert "test_logs_keep_where_and_not_what" in text
    assert text.endswith("ValueError")


# --- What runs by itself


def test_schedule_names_tasks_that_exist() -> None:
    from config.celery import app

    app.loader.import_default_modules()
    for name, entry in schedule.schedule().items():
        assert entry["task"] in app.tasks, name
        assert not entry.get("args"), "what a task is to do is a row, not an argument"


def test_two_rooms_cannot_use_one_name(monkeypatch) -> None:
    class Tasks:
        SCHEDULE = {"same": {"task": "x", "schedule": 1.0}}

    monkeypatch.setattr(schedule, "find_spec", lambda name: True)
    monkeypatch.setattr(schedule, "import_module", lambda name: Tasks)
    with pytest.raises(ImproperlyConfigured, match="same"):
        schedule.schedule()


# --- Sending a task


@pytest.fixture
def lost_redis() -> Celery:
    """A Celery application as ours is set up, whose Redis is away."""
    from config.celery import app

    away = Celery("away", broker="redis+socket:///nonexistent/redis.sock", set_as_current=False)
    away.conf.broker_transport_options = app.conf.broker_transport_options
    away.conf.task_publish_retry = app.conf.task_publish_retry
    away.conf.result_backend = app.conf.result_backend
    away.conf.task_ignore_result = True
    return away


@pytest.mark.django_db(transaction=True)
def test_lost_redis_costs_little_and_breaks_nothing(lost_redis: Celery, caplog) -> None:
    @lost_redis.task(name="carry_out")
    def carry_out(number: int) -> None: ...

    began = time.monotonic()
    with transaction.atomic():
        publish(carry_out, 7)
    assert time.monotonic() - began < 3
    assert "carry_out could not be sent" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_before_the_commit_or_after_a_rollback(monkeypatch) -> None:
    sent: list[tuple[object, ...]] = []

    class Task:
        name = "carry_out"

        def delay(self, *args: object) -> None:
            sent.append(args)

    with transaction.atomic():
        publish(Task(), 1)
        assert sent == []
    assert sent == [(1,)]
    with transaction.atomic():
        publish(Task(), 2)
        transaction.set_rollback(True)
    assert sent == [(1,)]


# --- Locks


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_locks_hold_hashes_and_no_address(name: str) -> None:
    text = (ROOT / f"{name}.txt").read_text()
    assert "http" not in text
    pins = re.findall(r"^([a-z0-9][\w.\-\[\]]*)==", text, re.MULTILINE | re.IGNORECASE)
    blocks = re.split(r"\n(?=\S+==)", text)[1:]
    assert pins
    assert all("--hash=sha256:" in block for block in blocks)
    wanted = [
        re.split(r"[><=\s#]", line)[0].lower()
        for line in (ROOT / f"{name}.in").read_text().splitlines()
        if line and line[0] not in "#-"
    ]
    assert {name.replace(".", "-") for name in wanted} <= {pin.lower().replace(".", "-") for pin in pins}


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_every_requirement_says_what_it_is_for(name: str) -> None:
    for line in (ROOT / f"{name}.in").read_text().splitlines():
        assert line.startswith(("#", "-r")) or "  # " in line, line
