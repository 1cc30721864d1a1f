"""docker-compose.yml runs what the demo and the tests run. No engine is needed to see that."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from config.services.bundle import ROOT
from config.services.commands import MIGRATE, RUNNING, WEB

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


@pytest.mark.parametrize("name", RUNNING)
def test_commands_are_those_of_the_demo(name: str) -> None:
    assert SERVICES[name]["command"] == RUNNING[name]


def test_image_starts_the_web_by_itself() -> None:
    text = (ROOT / "Dockerfile").read_text()
    command = re.search(r"^CMD (.*)$", text, re.MULTILINE)
    assert command is not None
    assert json.loads(command[1]) == WEB


def test_only_migrations_know_the_owner() -> None:
    assert SERVICES["migrate"]["command"] == MIGRATE
    knowing = [name for name, service in SERVICES.items() if "DATABASE_OWNER_URL" in service.get("environment", {})]
    assert knowing == ["migrate"]
    for name in RUNNING:
        assert "stratum_app:" in SERVICES[name]["environment"]["DATABASE_URL"]
        assert "OWNER" not in json.dumps(SERVICES[name]["environment"])
        assert "migrate" in SERVICES[name]["depends_on"]


def test_every_variable_means_something_to_the_settings() -> None:
    """A variable that nothing reads is a wish that nobody hears."""
    readers = "".join(
        (ROOT / name).read_text()
        for name in ("config/settings.py", "config/gunicorn.py", "config/environment.py", "manage.py")
    )
    for variable in SERVICES["migrate"]["environment"] | SERVICES["web"]["environment"]:
        assert f'"{variable}"' in readers, variable


def test_secrets_have_no_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for name in ("SECRET_KEY", "STRATUM_KEYS", "POSTGRES_PASSWORD", "STRATUM_OWNER_PASSWORD", "STRATUM_APP_PASSWORD"):
        assert set(re.findall(r"\$\{" + name + r"([^}]*)\}", text)) == {":?"}, name


def test_nothing_but_the_proxy_is_open() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_files_that_are_mounted_exist() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
            else:
                assert source in COMPOSE["volumes"]


def test_one_beat_only() -> None:
    assert "deploy" not in SERVICES["beat"]
    assert "scale" not in SERVICES["beat"]


def test_first_start_uses_the_same_roles_as_the_embedded_server() -> None:
    from config.services.postgres import ROLES_SQL

    mounted = [volume.split(":")[0] for volume in SERVICES["postgres"]["volumes"]]
    assert ROLES_SQL.relative_to(ROOT).as_posix() in {path.removeprefix("./") for path in mounted}
    assert "/stratum/roles.sql" in (ROOT / "deploy/postgres-init.sh").read_text()
