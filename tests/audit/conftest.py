"""A database with the small app of these tests in it, beside every real table."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
from django.apps import AppConfig, apps
from django.db import connection, connections, transaction
from django.db.migrations.state import ModelState, ProjectState

from tests import harness
from tests.conftest import _use

TEMPLATE = f"audit_sample_{os.getpid()}"
LABEL = "sampleapp"


@contextmanager
def sampleapp_installed() -> Iterator[Any]:
    """The app stands in the registry; leaves no trace of itself afterwards."""
    config = AppConfig.create("tests.audit.sampleapp.apps.SampleConfig")
    config.apps = apps
    config.models = apps.all_models[LABEL]
    apps.app_configs[LABEL] = config
    try:
        config.import_models()
        apps.clear_cache()
        from tests.audit.sampleapp import models

        yield models
    finally:
        del apps.app_configs[LABEL]
        apps.clear_cache()


@contextmanager
def connected_as(address: str) -> Iterator[Any]:
    """A psycopg2 cursor outside Django, in autocommit."""
    with closing(psycopg2.connect(address)) as raw:
        raw.autocommit = True
        with raw.cursor() as cursor:
            yield cursor


def address_of(variable: str, database: str | None = None) -> str:
    """DATABASE_OWNER_URL or STRATUM_TEST_ADMIN_URL, on the database that this test uses."""
    return harness._with_database(os.environ[variable], database or connections.settings["default"]["NAME"])


@pytest.fixture(scope="session")
def _sample_template(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """A migrated database with the sample tables and their guards, made by the owner's role."""
    harness.clone(TEMPLATE, template=harness.MIGRATED)
    with django_db_blocker.unblock(), sampleapp_installed():
        before = _use(TEMPLATE)
        with owner_connection():
            from audit import guards

            state = ProjectState()  # as migrations see models: the stamps are plain fields there
            for model in apps.get_app_config(LABEL).get_models():
                state.add_model(ModelState.from_model(model))
            with connection.schema_editor() as editor:
                for model in state.apps.get_models():
                    editor.create_model(model)
            assert guards.install(connection) > 0
        _use(before)
    yield TEMPLATE
    harness.drop(TEMPLATE)


@contextmanager
def owner_connection() -> Iterator[None]:
    """Django's connection is the owner's role inside, as in a migrate."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(os.environ["DATABASE_OWNER_URL"])
    settings = connections["default"].settings_dict
    kept = {name: settings[name] for name in ("USER", "PASSWORD")}
    connections.close_all()
    settings.update(USER=unquote(parts.username or ""), PASSWORD=unquote(parts.password or ""))
    try:
        yield
    finally:
        connections.close_all()
        settings.update(kept)


class Meanwhile:
    """Something that another session does, in a thread: whether it waits for us, and how it ends."""

    def __init__(self, do: Callable[[], object]) -> None:
        self.outcome = ""
        self._thread = threading.Thread(target=self._run, args=(do,))
        self._thread.start()

    def _run(self, do: Callable[[], object]) -> None:
        try:
            with transaction.atomic():
                do()
            self.outcome = "committed"
        except Exception as error:
            self.outcome = str(error)
        finally:
            connection.close()

    def waits(self) -> bool:
        """Whether it is still held up after a while."""
        self._thread.join(0.5)
        return self._thread.is_alive()

    def ends(self) -> str:
        """ "committed", or the words of the error."""
        self._thread.join(10)
        return self.outcome


@dataclass
class Sample:
    """The models of the small app, two people, and shortcuts to rows."""

    models: Any
    mona: Any
    ines: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.models, name)

    def book(self, **values: Any) -> Any:
        import audit

        values = {"title": "Onco", "data": {"grades": [1, 2, 3], "hgb": "12.10"}, "price": "12.10"} | values
        return audit.save(self.models.Book(**values), by=self.mona, reason="arranged")


def person(pk: int, name: str, password: str = "right") -> Any:  # noqa: S107
    """Somebody with a number, a name and a password: all that the floor knows of people."""
    return SimpleNamespace(pk=pk, printed_name=name, check_password=lambda typed: typed == password)


def _sample(models: Any) -> Sample:
    return Sample(models, person(11, "Mona Monitor"), person(12, "Ines Investigator"))


@pytest.fixture(scope="session")
def _shared_sample(_sample_template: str) -> Iterator[str]:
    name = f"{TEMPLATE}_shared"
    harness.clone(name, template=TEMPLATE)
    yield name
    harness.drop(name)


@pytest.fixture
def sample(_shared_sample: str, django_db_blocker: Any) -> Iterator[Sample]:
    """The small app in a transaction that is rolled back; use `refused_by_database` for what happens at commit."""
    with sampleapp_installed() as models, django_db_blocker.unblock():
        before = _use(_shared_sample)
        try:
            with transaction.atomic():
                yield _sample(models)
                transaction.set_rollback(True)
        finally:
            _use(before)


@pytest.fixture
def committed(_sample_template: str, django_db_blocker: Any) -> Iterator[Sample]:
    """The small app in a database of its own, with real commits."""
    name = f"{TEMPLATE}_{os.urandom(4).hex()}"
    harness.clone(name, template=TEMPLATE)
    with sampleapp_installed() as models, django_db_blocker.unblock():
        before = _use(name)
        try:
            yield _sample(models)
        finally:
            _use(before)
            harness.drop(name)
