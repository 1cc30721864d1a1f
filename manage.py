#!/usr/bin/env python
"""Django's command line for Stratum.

Without DATABASE_URL in the environment, a command uses the services of this checkout's demo: those that run now, or,
when the demo is stopped, it starts them for as long as it takes. Migrations run as the tables' owner, everything
else as the application, which owns nothing.
"""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

OWNER_COMMANDS = {"migrate", "showmigrations", "sqlmigrate", "audit_guards"}  # everything else is stratum_app
WITHOUT_SERVICES = {"makemigrations", "check", "collectstatic", "compilemessages", "help", "diffsettings", "version"}


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if command in OWNER_COMMANDS:
        os.environ.setdefault("STRATUM_ROLE", "owner")
    with ExitStack() as stack:
        if "DATABASE_URL" not in os.environ and (Path(__file__).parent / ".data").exists():
            borrow_demo_services(stack, start=command not in WITHOUT_SERVICES)
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)


def borrow_demo_services(stack: ExitStack, *, start: bool) -> None:
    """Point this process at the demo's database and Redis, and start them when they are asked for and stopped."""
    from config.services import DATA, ServiceError, running, running_environment

    told = running_environment(DATA)
    if told is None and start and (DATA / "secrets.json").exists():
        try:
            told = stack.enter_context(running(DATA)).environment()
        except ServiceError as error:
            raise SystemExit(str(error)) from error
    for name, value in ({"DEBUG": "true"} | (told or {})).items():
        os.environ.setdefault(name, value)


if __name__ == "__main__":
    main()
