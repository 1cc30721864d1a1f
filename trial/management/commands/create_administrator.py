"""`manage.py create_administrator EMAIL GIVEN FAMILY`: the first account of a new installation."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from audit import clock
from audit.errors import Refused
from trial.actions import people
from trial.models import Delegation, Role


class Command(BaseCommand):
    help = (
        "Open the first account, an administrator, who opens all others in the browser. The password is asked for. "
        "Refused once an administrator exists: administrators are made by administrators."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("given_name")
        parser.add_argument("family_name")
        parser.add_argument("--locale", choices=["en", "fr"], default="en")

    def handle(self, *args: Any, **options: Any) -> None:
        if Delegation.objects.filter(role=Role.ADMINISTRATOR).exists():
            raise CommandError("There is already an administrator. Ask them to open the account.")
        password = getpass.getpass("Password (at least 12 characters): ")
        if password != getpass.getpass("Again: "):
            raise CommandError("The two passwords differ. Nothing was made.")
        try:
            with transaction.atomic():
                person = people.create(
                    email=options["email"],
                    given_name=options["given_name"],
                    family_name=options["family_name"],
                    locale=options["locale"],
                    password=password,
                    by=None,
                )
                people.delegate(person=person, role=Role.ADMINISTRATOR, site=None, starts_on=clock.today(), by=None)
        except (Refused, ValidationError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{person.printed_name} can sign in and open the other accounts.")
