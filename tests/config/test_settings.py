"""Settings: importable with nothing, safe by default, and a server that refuses to run without its secrets."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys

import pytest

from config import environment
from config.services.bundle import ROOT

KEY = "k1:" + base64.b64encode(bytes(32)).decode()
EACH_WAY_IN = """
import importlib, sys
for module in ("config.wsgi", "config.asgi"):
    try:
        importlib.import_module(module)
    except Exception as error:
        print(f"{module}: {error!r}")
        assert "trial" not in sys.modules
"""
SECRETS = {"SECRET_KEY": "x" * 60, "STRATUM_KEYS": KEY}


def python(script: str, **told: str) -> subprocess.CompletedProcess[str]:
    """A Python that sees only these variables."""
    clean = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings"} | told
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=clean, capture_output=True, text=True, check=False
    )


def setting(*names: str, **told: str) -> list[object]:
    script = f"import json; from config import settings as s; print(json.dumps([getattr(s, n) for n in {names!r}]))"
    done = python(script, **told)
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout)
    return found


def test_import_with_an_empty_environment() -> None:
    assert setting("DEBUG", "HTTPS", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE") == [False, True, True, True]


def test_debug_needs_no_tls() -> None:
    assert setting("HTTPS", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", DEBUG="true") == [False, False, 0]


@pytest.mark.parametrize(
    ("told", "missing"),
    [
        ({}, "SECRET_KEY is not set"),
        ({"STRATUM_KEYS": KEY}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": "x" * 60}, "STRATUM_KEYS is not set"),
        (SECRETS | {"STRATUM_KEYS": "k1:c2hvcnQ="}, "is not 32 bytes"),
    ],
)
def test_server_refuses_to_run_without_secrets(told: dict[str, str], missing: str) -> None:
    """Whichever of the two ways into it a server takes, and before any room of ours is loaded."""
    done = python(EACH_WAY_IN, **told)
    assert done.returncode == 0, done.stderr
    refusals = done.stdout.splitlines()
    assert [words.split(": ")[0] for words in refusals] == ["config.wsgi", "config.asgi"]
    assert all("ImproperlyConfigured" in words and missing in words for words in refusals)


def test_server_runs_with_secrets_and_in_debug() -> None:
    for told in (SECRETS, {"DEBUG": "true"}):
        done = python(EACH_WAY_IN, **told)
        assert (done.returncode, done.stdout) == (0, "")


def test_worker_refuses_to_run_without_secrets() -> None:
    script = "from config.celery import _prepare; _prepare()"
    assert "SECRET_KEY is not set" in python(f"import django; django.setup(); {script}").stderr


def test_role_chooses_the_address() -> None:
    script = "from config import settings as s; print(s.DATABASES['default']['USER'])"
    told = {"DATABASE_URL": "postgresql://app@h/d", "DATABASE_OWNER_URL": "postgresql://owner@h/d"}
    assert python(script, **told).stdout == "app\n"
    assert python(script, STRATUM_ROLE="owner", **told).stdout == "owner\n"


def test_only_migrations_are_the_owner() -> None:
    import manage

    assert {"migrate"} <= manage.OWNER_COMMANDS
    assert not manage.OWNER_COMMANDS & {"publish_study", "simulate", "export", "verify_audit", "shell", "runserver"}


def test_nothing_that_would_break_the_audit_is_installed(settings) -> None:
    assert "django.contrib.admin" not in settings.INSTALLED_APPS
    assert settings.DATABASES["default"]["ATOMIC_REQUESTS"] is False
    assert settings.AUTHENTICATION_BACKENDS[0] == "axes.backends.AxesStandaloneBackend"  # first, or it counts nothing


def test_tasks_end_before_they_would_be_delivered_again(settings) -> None:
    visibility = settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
    assert settings.CELERY_TASK_SOFT_TIME_LIMIT < settings.CELERY_TASK_TIME_LIMIT < visibility
    assert settings.CELERY_RESULT_BACKEND is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://u:p%2Fw@%2Ftmp%2FMix_ed/d", ("u", "p/w", "/tmp/Mix_ed", "", "d")),
        ("postgres://u:p@host:5433/d?sslmode=require", ("u", "p", "host", "5433", "d")),
        ("postgresql://u@[::1]:5432/d", ("u", "", "::1", "5432", "d")),
        ("postgresql:///d", ("", "", "", "", "d")),
    ],
)
def test_database_addresses(address: str, expected: tuple[str, ...]) -> None:
    found = environment.database(address)
    assert tuple(found[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")) == expected
    assert found["OPTIONS"] == ({"sslmode": "require"} if "sslmode" in address else {})


def test_other_engines_are_refused() -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        environment.database("sqlite:///db")


def test_broker_address() -> None:
    assert environment.broker("unix:///tmp/x/r.sock?db=3") == "redis+socket:///tmp/x/r.sock?virtual_host=3"
    assert environment.broker("redis://host:1/2") == "redis://host:1/2"


@pytest.mark.parametrize("text", ["abc", "a:", ":b", "a:b,a:c"])
def test_malformed_keys_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="STRATUM_KEYS"):
        environment.keys(text)


def test_keys_keep_their_order() -> None:
    assert list(environment.keys("new:YQ==, old:Yg==")) == ["new", "old"]
