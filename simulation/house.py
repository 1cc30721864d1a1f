"""Sites, people, roles, laboratory ranges and the allocation list of the simulated trial, made by actions alone.

Cities are real, centres and people are not.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import unicodedata
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from django.conf import settings

from audit import clock
from ecrf.actions import laboratories
from randomization.actions import lists, simulations
from trial.actions import people, studies
from trial.models import Person, Role, Site, Version

from .fates import Place
from .passwords import PASSWORD
from .ranges import RANGES

SITES: tuple[tuple[str, str, float, int], ...] = (
    ("Centre des Tilleuls", "Caen", 2.4, 0),
    ("Hôpital du Parc aux Cèdres", "Lyon", 2.0, 0),
    ("Institut Saint-Clair", "Villejuif", 2.2, 1),
    ("Hôpital des Deux-Rives", "Bordeaux", 1.6, 1),
    ("Centre de la Garonne", "Toulouse", 1.5, 2),
    ("Institut de la Calanque", "Marseille", 1.3, 3),
    ("Hôpital Neuf du Val", "Paris", 1.6, 4),
    ("Centre de l’Erdre", "Nantes", 1.2, 4),
    ("Hôpital de la Vilaine", "Rennes", 1.0, 5),
    ("Institut des Flandres", "Lille", 1.1, 6),
    ("Centre de l’Ill", "Strasbourg", 0.9, 7),
    ("Hôpital du Peyrou", "Montpellier", 0.9, 8),
    ("Centre des Palmiers", "Nice", 0.8, 9),
    ("Hôpital du Suzon", "Dijon", 0.7, 10),
    ("Institut des Volcans", "Clermont-Ferrand", 0.7, 11),
    ("Centre du Robec", "Rouen", 0.7, 13),
    ("Hôpital de la Boucle", "Besançon", 0.6, 14),
    ("Centre de la Maine", "Angers", 0.6, 16),
)
"""Name, city, share of the accrual, and months between the start of the trial and the opening of the site."""

MONTHS = 26
"""How long the trial has run at the end of the simulation."""

TRIALS = 1_000
"""Trials in the report that precedes the approval of the list: enough to see its shape."""

GIVEN = (
    "Camille", "Louise", "Hugo", "Jade", "Gabriel", "Alice", "Arthur", "Chloé", "Jules", "Léa", "Lucas", "Manon",
    "Raphaël", "Inès", "Adam", "Sarah", "Nathan", "Juliette", "Tom", "Zoé", "Ethan", "Anna", "Noah", "Rose", "Yanis",
    "Nora", "Simon", "Agathe", "Malik", "Élise", "Victor", "Clara", "Karim", "Margaux", "Paul", "Lina", "Antoine",
    "Fatou", "Baptiste", "Hélène",
)  # fmt: skip
FAMILY = (
    "Aubry", "Barbier", "Carlier", "Delmas", "Etcheverry", "Fabre", "Gaillard", "Humbert", "Imbert", "Joubert",
    "Kerbrat", "Lemoine", "Marchal", "Navarro", "Ollivier", "Perrin", "Quentin", "Renaud", "Sabatier", "Tessier",
    "Urbain", "Vasseur", "Weber", "Ximenez", "Yvon", "Zeller", "Bouchet", "Cordier", "Dupuis", "Ferrand", "Giraud",
    "Hamon", "Jacquet", "Lacroix", "Millet", "Normand", "Pasquier", "Rivière", "Salmon", "Thibault", "Vidal",
)  # fmt: skip


@dataclass
class Crew:
    """The people of one site and its monitor."""

    site: Site
    coordinator: Person
    investigators: list[Person]
    radiation: Person
    monitor: Person
    first_on: dt.date

    @property
    def investigator(self) -> Person:
        return self.investigators[0]


@dataclass
class Office:
    """The sponsor's people."""

    administrator: Person
    data_manager: Person
    safety_officer: Person
    sponsor: Person
    drafter: Person
    approver: Person
    blinded: Person
    auditor: Person
    monitors: list[Person] = field(default_factory=list)


DEMO_PEOPLE: tuple[tuple[str, str, str], ...] = (
    ("Théo", "Lambert", Role.COORDINATOR),
    ("Inès", "Moreau", Role.INVESTIGATOR),
    ("Rose", "Fontaine", Role.RADIATION_ONCOLOGIST),
    ("Raoul", "Dumont", Role.RADIOLOGIST),
    ("Mona", "Chevalier", Role.MONITOR),
    ("Daniel", "Roussel", Role.DATA_MANAGER),
    ("Samia", "Benali", Role.SAFETY_OFFICER),
    ("Pauline", "Mercier", Role.SPONSOR),
    ("Stella", "Garnier", Role.STATISTICIAN_UNBLINDED),
    ("Ursule", "Blanchard", Role.STATISTICIAN_UNBLINDED),
    ("Bruno", "Leroux", Role.STATISTICIAN_BLINDED),
    ("Côme", "Vallet", Role.COMMITTEE),
    ("Adèle", "Masson", Role.ADMINISTRATOR),
    ("Aude", "Picard", Role.AUDITOR),
)
"""Those whom the demo presents: the staff of the first site, and the sponsor's people."""


def address_of(given: str, family: str) -> str:
    """The e-mail address of a simulated person, in a domain that can never exist (RFC 2606)."""
    plain = unicodedata.normalize("NFKD", f"{given}.{family}").encode("ascii", "ignore").decode()
    return f"{plain.lower().replace(' ', '-')}@stratum.example"


def demo_addresses() -> list[str]:
    """The addresses of the demo's people, in the order in which they are presented."""
    return [address_of(given, family) for given, family, _role in DEMO_PEOPLE]


def start_of(end_on: dt.date) -> dt.date:
    """The day on which the trial opened, for a simulation that ends on `end_on`."""
    return end_on - dt.timedelta(days=round(MONTHS * 30.4375))


def places_of(end_on: dt.date, count: int) -> list[Place]:
    """The first `count` sites with the day on which each opens."""
    start = start_of(end_on)
    return [
        Place(f"{number:02d}", weight, start + dt.timedelta(days=round(months * 30.4375) + (number * 5) % 11))
        for number, (_name, _city, weight, months) in enumerate(SITES[:count], start=1)
    ]


class House:
    """Opens the trial's office and its sites, each at its time; keeps who works where."""

    def __init__(self, version: Version, seed: int, places: list[Place]) -> None:
        self.version = version
        self.seed = seed
        self.places = {place.number: place for place in places}
        self.crews: dict[str, Crew] = {}
        self.office: Office | None = None
        self.accounts: list[Person] = []
        self._day: dt.date | None = None
        self._named = {role: (given, family) for given, family, role in reversed(DEMO_PEOPLE)}

    def keep_access(self, moment: dt.datetime) -> None:
        """On a new day, let what everybody may do stand as it was: here no delegation ends or begins later.

        The actions ask for it at every deed all the same; they read it from the person, not from the database.
        """
        day = moment.astimezone(ZoneInfo(settings.TIME_ZONE)).date()
        if day == self._day:
            return
        self._day = day
        for person in self.accounts:
            if "_access" in person.__dict__:
                person.__dict__["_access"] = (day, person.__dict__["_access"][1])

    def open_office(self) -> None:
        """Accounts and roles of the sponsor's people."""
        admin = self._person(*self._named[Role.ADMINISTRATOR], by=None)
        self._role(admin, Role.ADMINISTRATOR, by=None)
        made: dict[tuple[str, str], Person] = {}
        for given, family, role in DEMO_PEOPLE:
            if role in (
                Role.COORDINATOR,
                Role.INVESTIGATOR,
                Role.RADIATION_ONCOLOGIST,
                Role.RADIOLOGIST,
                Role.MONITOR,
                Role.ADMINISTRATOR,
            ):
                continue
            person = self._person(given, family, by=admin)
            sees = role in (Role.DATA_MANAGER, Role.SAFETY_OFFICER, Role.AUDITOR)
            self._role(person, role, by=admin, sees_arm=sees)
            made[given, role] = person
        by_role = {role: person for (_given, role), person in reversed(made.items())}
        self.office = Office(
            administrator=admin,
            data_manager=by_role[Role.DATA_MANAGER],
            safety_officer=by_role[Role.SAFETY_OFFICER],
            sponsor=by_role[Role.SPONSOR],
            drafter=made["Stella", Role.STATISTICIAN_UNBLINDED],
            approver=made["Ursule", Role.STATISTICIAN_UNBLINDED],
            blinded=by_role[Role.STATISTICIAN_BLINDED],
            auditor=by_role[Role.AUDITOR],
        )
        self.office.monitors = [
            self._person(*self._named[Role.MONITOR], by=admin),
            *(self._person(*_name(place), by=admin) for place in range(2)),
        ]

    def draft_list(self) -> None:
        """An allocation list from a seed that follows from the simulation's, drafted by one statistician."""
        assert self.office is not None
        seed = hashlib.sha256(f"stratum simulation {self.seed}".encode()).digest()
        self._list = lists.draft(version=self.version, block_sizes=(4, 6), by=self.office.drafter, seed=seed)

    def approve_list(self) -> None:
        """The list simulated, looked at and approved by a second statistician, and in use."""
        assert self.office is not None
        seed = int.from_bytes(hashlib.sha256(f"stratum simulation report {self.seed}".encode()).digest()[:16], "big")
        simulations.simulate_list(allocation_list=self._list, by=self.office.drafter, trials=TRIALS, seed=seed)
        lists.read_parameters(allocation_list=self._list, by=self.office.approver)
        approved = lists.approve(allocation_list=self._list, password=PASSWORD, by=self.office.approver)
        lists.put_into_use(allocation_list=approved, by=self.office.approver)

    def open_site(self, number: str) -> None:
        """A site with its version in force, its people, its monitor and its laboratory's ranges."""
        assert self.office is not None
        place, admin = self.places[number], self.office.administrator
        name, city, weight, _months = SITES[int(number) - 1]
        site = studies.open_site(
            study=self.version.study, number=number, name=name, city=city, opened_on=place.opened_on, by=admin
        )
        studies.activate(site=site, version=self.version, on=place.opened_on, by=admin)
        is_demo = number == "01"
        roles = [Role.COORDINATOR, Role.INVESTIGATOR, Role.RADIATION_ONCOLOGIST]
        roles += [Role.CO_INVESTIGATOR] * (weight >= 1.5)
        roles += [Role.RADIOLOGIST] * is_demo
        staff: dict[str, Person] = {}
        for place_in_list, role in enumerate(roles):
            named = is_demo and role in self._named
            given, family = self._named[role] if named else _name(4 * int(number) + place_in_list)
            staff[role] = self._person(given, family, by=admin, locale="en" if is_demo else "fr")
            self._role(
                staff[role], role, site=site, by=admin, may_randomize=role in (Role.COORDINATOR, Role.CO_INVESTIGATOR)
            )
        monitor = self.office.monitors[min(2, (int(number) - 1) // 6)]
        self._role(monitor, Role.MONITOR, site=site, by=admin, sees_arm=True)
        self.crews[number] = Crew(
            site=site,
            coordinator=staff[Role.COORDINATOR],
            investigators=[staff[r] for r in (Role.INVESTIGATOR, Role.CO_INVESTIGATOR) if r in staff],
            radiation=staff[Role.RADIATION_ONCOLOGIST],
            monitor=monitor,
            first_on=place.opened_on,
        )
        laboratories.set_ranges(site=site, ranges=RANGES, from_on=place.opened_on, by=staff[Role.COORDINATOR])

    def _person(self, given: str, family: str, *, by: Person | None, locale: str = "en") -> Person:
        person = people.create(
            email=address_of(given, family),
            given_name=given,
            family_name=family,
            locale=locale,
            password=PASSWORD,
            by=by,
        )
        people.accept_policy(person=person)
        self.accounts.append(person)
        return person

    def _role(
        self,
        person: Person,
        role: str,
        *,
        by: Person | None,
        site: Site | None = None,
        may_randomize: bool = False,
        sees_arm: bool = False,
    ) -> None:
        people.delegate(
            person=person,
            role=role,
            site=site,
            starts_on=clock.today(),
            may_randomize=may_randomize,
            sees_arm=sees_arm,
            by=by,
        )


def _name(number: int) -> tuple[str, str]:
    """The name of the n-th person, in an order that leaves no two people alike."""
    return GIVEN[number % len(GIVEN)], FAMILY[(number * 7 + number // len(GIVEN)) % len(FAMILY)]
