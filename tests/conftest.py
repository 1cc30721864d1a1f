"""Fixtures that every test may use: databases, a server, a browser, Redis, mail, a frozen clock.

`db` (or the mark `django_db`) is a transaction on this worker's own clone, rolled back. `transactional_db` (or
`django_db(transaction=True)`) is a clone of its own per test, dropped afterwards, because audited tables refuse to be
emptied. Both begin migrated and with the study published; `@pytest.mark.template("migrated")` gives a transactional
test the database before publishing, and `template("cast", "randomized")` one in which the cast has done that already.
Tests connect as `stratum_app`, which owns nothing.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
import time_machine
from django.db import connections
from django.template import Template
from django.test.signals import template_rendered
from django.utils import translation

from config import messages
from config.services.bundle import ROOT
from tests import harness, stages
from trial.definitions import forget_definitions

LONG = {
    "tests/bench/test_bench.py::test_a_quick_run_measures_everything_and_writes_valid_json",
    "tests/chaos/test_chaos.py::test_the_smallest_run_breaks_everything_once_and_finds_nothing_wrong",
    "tests/config/test_demo.py::test_demo_comes_up_comes_back_and_leaves_nothing",
    "tests/config/test_messages_french.py::test_every_page_speaks_french",
    "tests/journeys/test_in_the_browser.py::test_from_screening_to_randomization",
    "tests/journeys/test_in_the_browser.py::test_a_visit_a_query_and_a_dataset",
}
"""Tests of half a minute and more."""
NO_BROWSER = "no Chromium on this machine"
BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# --- The run ---------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """The first process of a parallel run starts the services; a single process starts them when they are needed."""
    config.addinivalue_line(
        "markers", 'template(name, *steps): the database to clone, "migrated", "published" or "cast" (brought further)'
    )
    config.addinivalue_line("markers", "browser: drives a real Chromium")
    if not hasattr(config, "workerinput"):
        messages.compile_all()  # a fresh clone has no compiled catalogue, and pages are tested in French
        if getattr(config.option, "numprocesses", None):
            harness.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The process that started the services stops them."""
    harness.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tests are begun first, so that no core waits for them at the end; what asks for a page has a browser."""
    items.sort(key=lambda item: item.nodeid.partition("[")[0] not in LONG)  # the others stay in their order
    for item in items:
        if {"page", "context", "browser"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.browser)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A study that cannot be published fails the run, whatever its tests say."""
    if harness.publishing_failed and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly, once, when the study could not be published or the browser journeys did not run."""
    if harness.publishing_failed:
        terminalreporter.write_sep("!", "THE STUDY COULD NOT BE PUBLISHED", red=True, bold=True)
        terminalreporter.write_line(harness.publishing_failed, red=True)
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if NO_BROWSER in str(report.longrepr)]
    if skipped:
        terminalreporter.write_sep("!", red=True, bold=True)
        terminalreporter.write_line(
            f"!! {len(skipped)} BROWSER TESTS WERE SKIPPED: {NO_BROWSER}. "
            "Install the package `chromium` (or set CHROMIUM to its path) and run `make test` again.",
            red=True,
            bold=True,
        )
        terminalreporter.write_sep("!", red=True, bold=True)


# --- Databases -------------------------------------------------------------------------------------------------


def _use(name: str) -> str:
    """Point every connection of this process, in any thread, at another database; returns the one used before."""
    connections.close_all()
    settings = connections.settings["default"]
    before: str = settings["NAME"]
    settings["NAME"] = name
    connections["default"].settings_dict["NAME"] = name
    return before


@pytest.fixture(scope="session")
def services() -> None:
    """PostgreSQL and Redis answer; for tests that need Redis and no database."""
    harness.start()


@pytest.fixture(scope="session")
def django_db_setup(services: None, django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """This worker's clone of the migrated, published database."""
    name = f"worker_{os.getpid()}"
    harness.clone(name)
    before = _use(name)
    _let_transactional_tests_clone()
    _tell_of_whole_pages_alone()
    yield
    with django_db_blocker.unblock():
        stages.forget()
        _use(before)
    harness.drop(name)


_template_of_test: str | None = None
_steps_of_test: tuple[str, ...] | None = None  # what of the cast a test's own database holds from the beginning


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The template is known before any fixture begins: pytest-django's own come first."""
    global _template_of_test, _steps_of_test
    mark = item.get_closest_marker("template")
    names = {"migrated": harness.MIGRATED, "published": None, "cast": None}
    _template_of_test = names[mark.args[0]] if mark else None
    asks = "cast" in getattr(item, "fixturenames", ()) if mark is None else mark.args[0] == "cast"
    _steps_of_test = tuple(mark.args[1:] if mark else ()) if asks else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Once every fixture is gone, the transaction too, the worker is on its own database again.

    Versions that a test published go with it, and their numbers are used again: they are forgotten. The template's
    own version is the same in every clone, and reading it anew would cost each test a third of a second.
    """
    yield
    translation.deactivate()  # a page in French leaves its thread in French
    stages.leave()
    forget_definitions(keep=() if _template_of_test == harness.MIGRATED else (harness.PUBLISHED_VERSION,))


def _let_transactional_tests_clone() -> None:
    """Replace flushing, which history refuses, by a clone per test; `TestCase` keeps its transaction."""
    from django.test import TransactionTestCase

    def set_up(case: Any) -> None:
        case._clone = f"clone_{uuid.uuid4().hex[:16]}"
        if _steps_of_test is None or stages.is_travelling():
            harness.clone(case._clone, template=_template_of_test)
        else:
            from tests.cast import Cast

            stages.settle(case._clone, Cast, _steps_of_test)
        case._cloned_from = _use(case._clone)

    def tear_down(case: Any) -> None:
        _use(case._cloned_from)
        harness.drop(case._clone)

    TransactionTestCase._fixture_setup = classmethod(set_up)
    TransactionTestCase._fixture_teardown = tear_down


def _tell_of_whole_pages_alone() -> None:
    """Tests look at what a page was given: Django keeps a copy of what each of its inclusions was given, too."""

    def render(template: Template, context: Any) -> Any:
        if context.template is template:
            template_rendered.send(sender=template, template=template, context=context)
        return template.nodelist.render(context)

    Template._render = render


@pytest.fixture
def database_clone(transactional_db: None) -> str:
    """The name of this test's own database, with real commits."""
    name: str = connections.settings["default"]["NAME"]
    return name


@pytest.fixture
def database_urls(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """`database_urls("app")` and `database_urls("owner")`: addresses of the database that this test uses."""

    def address(role: str) -> str:
        variable = {"app": "DATABASE_URL", "owner": "DATABASE_OWNER_URL"}[role]
        return harness._with_database(os.environ[variable], connections.settings["default"]["NAME"])

    return address


# --- A server and a browser ------------------------------------------------------------------------------------


@dataclass
class Server:
    """A running web server; `url` has no slash at its end."""

    url: str
    errors: list[str] = field(default_factory=list)


@pytest.fixture
def server(transactional_db: None, settings: Any) -> Iterator[Server]:
    """The real WSGI application in threads, on this test's own database, at a free port of localhost."""
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    class Handler(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            if len(args) > 1 and str(args[1]).startswith("5"):
                running.errors.append(format % args)

    web = ThreadedWSGIServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    running = Server(url=f"http://localhost:{web.server_address[1]}")
    settings.SITE_URL = running.url
    settings.CSRF_TRUSTED_ORIGINS = [running.url]
    web.set_app(get_wsgi_application())
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        web.shutdown()
        web.server_close()
        thread.join(5)


def chromium() -> str | None:
    """The path of Debian's Chromium (or what CHROMIUM names), None when there is none."""
    for name in (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name) if name else None
        if found:
            return found
    return None


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The machine's own Chromium; nothing is downloaded."""
    found = chromium()
    if found is None:
        pytest.skip(NO_BROWSER)
    return {**browser_type_launch_args, "executable_path": found, "args": BROWSER_FLAGS}


@pytest.fixture
def context(new_context: Any, server: Server) -> Any:
    """A browser window's context whose addresses begin at the server: `page.goto("/login/")`."""
    made = new_context(base_url=server.url, locale="en-GB", timezone_id="Europe/Paris")
    made.set_default_timeout(10_000)
    return made


# --- Redis, Celery, mail, clock --------------------------------------------------------------------------------


@pytest.fixture
def redis(services: None, settings: Any) -> Iterator[redis_library.Redis]:
    """A real Redis, empty at the start; each worker has a database of its own in it."""
    client = redis_library.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def worker(
    redis: redis_library.Redis, transactional_db: None, database_urls: Callable[[str], str], tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A real Celery worker on this test's database; tasks are published to it instead of run in place."""
    from config.celery import app
    from config.services.commands import WORKER
    from config.services.processes import spawn, stop_group, wait_until

    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "WORKER_CONCURRENCY": "1"}
    environment["DATABASE_URL"] = database_urls("app")
    log = tmp_path / "worker.log"
    eager = app.conf.task_always_eager
    app.conf.task_always_eager = False
    with log.open("ab") as file:
        process = spawn([sys.executable, *WORKER[1:]], log=file, env=environment, cwd=ROOT)
    try:
        ready = wait_until(
            lambda: b" ready." in log.read_bytes(), seconds=60, alive=lambda: process.poll() is None, every=0.1
        )
        assert ready, log.read_text()[-3000:]
        yield process
    finally:
        import signal

        app.conf.task_always_eager = eager
        stop_group(process.pid, [(signal.SIGTERM, 10), (signal.SIGKILL, 5)])
        process.wait()


@dataclass
class Mailbox:
    """What a real SMTP server received: messages in the order of arrival."""

    host: str
    port: int
    messages: list[EmailMessage] = field(default_factory=list)


def free_port() -> int:
    """A port of localhost that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


@pytest.fixture
def smtp(settings: Any) -> Iterator[Mailbox]:
    """A real SMTP server on localhost that Django's mail goes to."""
    from aiosmtpd.controller import Controller

    mailbox = Mailbox("127.0.0.1", free_port())

    class Keep:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            message = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            mailbox.messages.append(message)
            return "250 kept"

    controller = Controller(Keep(), hostname=mailbox.host, port=mailbox.port)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = mailbox.host, mailbox.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    try:
        yield mailbox
    finally:
        controller.stop()


@pytest.fixture
def frozen_clock() -> Iterator[time_machine.Traveller]:
    """Monday 2 March 2026, 10:00 in Paris, standing still; `.shift(seconds)` and `.move_to(when)` move it."""
    with time_machine.travel(dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC), tick=False) as clock:
        yield clock


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """A temporary folder with a name short enough for a Unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="st-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cast(db: None) -> Any:
    """People at two sites and at the sponsor, and participants brought to each state by actions alone."""
    from tests.cast import Cast

    return stages.cast_of(Cast)
