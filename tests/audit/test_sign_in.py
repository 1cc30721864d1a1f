"""Signing in, with the real people: it works under every guard, and it stands in the ledger."""

import pytest
from django.contrib.auth import authenticate, get_user_model, hashers
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone

import audit
from audit.models import Deed

PASSWORD = "correct horse battery"


def somebody(**values):
    from trial.models import Credential

    person = audit.save(
        get_user_model()(**{"email": "ines@example.org", "given_name": "Ines", "family_name": "Investigator"} | values),
        by=None,
    )
    Credential.objects.create(person=person, password=hashers.make_password(PASSWORD), changed_at=timezone.now())
    return person


def request():
    return RequestFactory().post("/login/", REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="Firefox")


@pytest.mark.django_db(transaction=True)
@pytest.mark.template("migrated")
def test_nobody_is_prevented_from_signing_in(settings):
    """AUD-060: sign-in, with an upgraded password hash, and sign-out commit for real, and are told."""
    fast = settings.PASSWORD_HASHERS
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *fast]
    person = somebody()
    settings.PASSWORD_HASHERS = [*fast, "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    client = Client()
    before = Deed.objects.count()
    signed_in = authenticate(request(), username="ines@example.org", password=PASSWORD)
    assert signed_in == person
    client.force_login(signed_in, backend=signed_in.backend)
    client.logout()

    from trial.models import Credential

    assert Credential.objects.get(person=person).password.startswith("md5$")
    assert [(line.verb, line.by_id) for line in Deed.objects.order_by("id")[before:]] == [
        ("person.signed_in", person.pk),
        ("person.signed_out", person.pk),
    ]
    assert person.history.count() == 1


@pytest.mark.django_db
@pytest.mark.template("migrated")
def test_a_failed_sign_in_names_the_person_but_never_what_was_typed():
    """AUD-061: somebody's address tells the person; anything else, perhaps a password, leaves only a keyed hash."""
    person = somebody()
    authenticate(request(), username="INES@example.org", password="wrong")
    line = Deed.objects.latest("id")
    assert (line.verb, line.by_id, line.target_id, line.details) == (
        "person.sign_in_failed",
        None,
        str(person.pk),
        {},
    )
    assert (line.ip, line.user_agent) == ("192.0.2.7", "Firefox")

    authenticate(request(), username="hunter2hunter2", password="x")
    authenticate(request(), username="hunter2hunter2", password="y")
    first, second = Deed.objects.order_by("-id")[:2]
    assert first.target_id == ""
    assert first.details == second.details
    assert set(first.details) == {"typed_hash"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_deed d WHERE d::text LIKE '%hunter2%'")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db
@pytest.mark.template("migrated")
def test_a_lock_out_stands_in_the_ledger(settings):
    """AUD-062: after too many failures the lock-out itself is a line."""
    person = somebody()
    for _attempt in range(settings.AXES_FAILURE_LIMIT + 1):
        authenticate(request(), username="ines@example.org", password="wrong")
    assert authenticate(request(), username="ines@example.org", password=PASSWORD) is None
    assert Deed.objects.filter(verb="person.locked_out", target_id=str(person.pk)).exists()


@pytest.mark.django_db
@pytest.mark.template("migrated")
def test_the_counter_of_failures_holds_nothing_that_was_typed():
    """AUD-064: axes counts under a keyed hash, the same for capital letters; no column has the name or the password."""
    somebody()
    for typed in ("ines@example.org", "INES@example.org", "hunter2hunter2"):
        Client(REMOTE_ADDR="192.0.2.7").post("/login/", {"username": typed, "password": "pass phrase in clear"})
        failing = request()
        failing.POST = {"username": typed, "password": "pass phrase in clear"}
        authenticate(failing, username=typed, password="pass phrase in clear")
    with connection.cursor() as cursor:
        cursor.execute("SELECT a::text, failures_since_start, username FROM axes_accessattempt a")
        rows = cursor.fetchall()
        cursor.execute("SELECT (SELECT count(*) FROM axes_accesslog), (SELECT count(*) FROM axes_accessfailurelog)")
        assert cursor.fetchone() == (0, 0)
    assert rows
    assert {len(username) for _row, _count, username in rows} == {32}
    for row, _count, _username in rows:
        assert not any(typed in row.casefold() for typed in ("ines", "example.org", "hunter2", "pass phrase"))
    assert max(count for _row, count, _username in rows) >= 2


@pytest.mark.django_db
@pytest.mark.template("migrated")
@pytest.mark.parametrize("typed", ["", "\x00", "x" * 5000, "'; DROP TABLE audit_deed; --"])
def test_nothing_that_is_typed_breaks_the_sign_in(typed):
    """AUD-063: empty, NUL, endless and hostile names are a failed sign-in, and a line."""
    before = Deed.objects.count()
    from audit.signals import tell_sign_in_failed

    tell_sign_in_failed(None, credentials={"username": typed}, request=request())
    assert Deed.objects.count() == before + 1
