"""The page of a new list: exactly the fields of the study's scheme, or its file; nothing confidential comes back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.test import Client

from randomization import opening
from randomization.algorithms.imported import MAX_BYTES
from randomization.models import AllocationList, Slot
from tests.cast import Cast
from tests.randomization.schemes import MINIMIZATION, cast_of, csv_of

pytestmark = pytest.mark.django_db
NEW = "/randomization/new/"


def fields_of(answer: Any) -> set[str]:
    names = re.findall(r'<(?:input|select|textarea)[^>]*\bname="([^"]+)"', answer.content.decode())
    form = answer.context["form"]
    return set(names) & set(form.fields)


@pytest.mark.parametrize(
    ("said", "fields", "given", "extra"),
    [
        ({"scheme": "simple"}, set(), {}, {}),
        ({"scheme": "biased_coin"}, {"probability"}, {"probability": "0.75"}, {"probability": "3/4"}),
        ({"scheme": "big_stick"}, {"tolerance"}, {"tolerance": "3"}, {"tolerance": 3}),
        ({"scheme": "urn"}, {"alpha", "beta"}, {"alpha": "0", "beta": "2"}, {"alpha": 0, "beta": 2}),
        (
            MINIMIZATION,
            {"probability", "imbalance", "weight_ici", "weight_imdc", "weight_lesions", "weight_site"},
            {"probability": "4/5", "imbalance": "variance", "weight_ici": "2", "weight_imdc": "1",
             "weight_lesions": "1", "weight_site": "1"},
            {"probability": "4/5", "imbalance": "variance",
             "weights": {"ici": 2, "imdc": 1, "lesions": 1, "site": 1}},
        ),
    ],
)  # fmt: skip
def test_the_page_shows_the_fields_of_the_scheme_and_seals_them(
    said: dict[str, Any], fields: set[str], given: dict[str, str], extra: dict[str, Any]
) -> None:
    """RND-811: exactly those, in both languages; what is typed is what is sealed."""
    cast = cast_of(**({"list_size": 4} | said))
    client = cast.client_of(cast.stella_statistician)
    assert fields_of(client.get(NEW)) == fields
    client.post("/language/", {"language": "fr"})
    assert fields_of(client.get(NEW)) == fields
    answer = client.post(NEW, given)
    assert answer.status_code == 302
    made = AllocationList.objects.get()
    assert opening.confidential(made, opening.data_key(made)).extra == extra
    shown = client.get(answer["Location"]).content.decode()
    assert not [value for value in given.values() if "/" in value and value in shown]


def test_a_fault_stands_at_its_field_and_nothing_typed_comes_back() -> None:
    """RND-812: wrong numbers, a probability of one, an empty weight: each at its field; no value in the page."""
    cast = cast_of(**MINIMIZATION)
    client = cast.client_of(cast.stella_statistician)
    said = {"probability": "0.7771/2", "imbalance": "range", "weight_ici": "7772", "weight_imdc": "x7773"}
    answer = client.post(NEW, said | {"weight_lesions": "1", "weight_site": ""})
    errors = answer.context["form"].errors
    assert answer.status_code == 422
    assert set(errors) == {"weight_imdc", "weight_site"}
    answer = client.post(NEW, said | {"weight_imdc": "1", "weight_lesions": "1", "weight_site": "1"})
    assert set(answer.context["form"].errors) - {"__all__"} == {"probability", "weight_ici"}
    words = answer.content.decode()
    assert "777" not in words and "checked" not in words
    assert not AllocationList.objects.exists()


@pytest.fixture
def importing() -> Cast:
    return cast_of(scheme="imported", list_size=2)


def strata_shown(answer: Any) -> list[str]:
    return [row["label"] for row in answer.context["labels"]]


def upload(client: Client, content: bytes, name: str = "ZQSECRET.csv") -> Any:
    return client.post(NEW, {"file": SimpleUploadedFile(name, content, "text/csv")})


def test_a_list_is_imported_on_its_page(importing: Cast) -> None:
    """RND-813: the page names the strata as the file must; the file makes a draft; its name is kept nowhere."""
    client = importing.client_of(importing.stella_statistician)
    page = client.get(NEW)
    assert fields_of(page) == {"file"}
    strata = strata_shown(page)
    answer = upload(client, csv_of(strata, 2).encode())
    assert answer.status_code == 302
    assert Slot.objects.filter(allocation_list__kind="main").count() == 2 * len(strata)
    assert "ZQSECRET" not in client.get(answer["Location"]).content.decode()


def test_every_fault_of_a_file_is_shown_with_its_row(importing: Cast) -> None:
    """RND-814: an unknown arm, a slot twice, a hole, an empty file, none at all: named; no arm in the page."""
    client = importing.client_of(importing.stella_statistician)
    strata = strata_shown(client.get(NEW))
    good = csv_of(strata, 2)
    rows = good.splitlines()
    for content, words in (
        (good.replace("SWITCH", "ZQARM", 1).encode(), "Row 2: the arm is none of the study"),
        ("\n".join([*rows, rows[1]]).encode(), f"Row {len(rows) + 1}: the slot stands in a row before"),
        ("\n".join(rows[:-1]).encode(), "1 slots are missing (2)"),
        (b"", "The file is empty"),
        (good.encode("utf-16"), "not UTF-8"),
        (good.replace("arm", "treatment").encode(), "not the header"),
    ):
        answer = upload(client, content)
        page = answer.content.decode()
        assert answer.status_code == 422 and words in page
        assert "ZQARM" not in page and "SWITCH" not in page
    none = client.post(NEW, {})
    assert none.status_code == 422 and none.context["form"].errors["file"]
    client.post("/language/", {"language": "fr"})
    french = upload(client, good.replace("SWITCH", "ZQARM", 1).encode())
    assert "Ligne 2" in french.content.decode()
    assert not AllocationList.objects.exists()


def test_a_large_file_is_refused_without_touching_a_disk(importing: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """RND-815: whatever its size, a file stays in memory: the handler that writes to a disk is never asked."""

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError("The file was written to a disk.")

    monkeypatch.setattr(TemporaryFileUploadHandler, "new_file", fail)
    client = importing.client_of(importing.stella_statistician)
    answer = upload(client, b"a" * (MAX_BYTES + 10))
    assert answer.status_code == 422 and "too large" in answer.content.decode()
    assert not AllocationList.objects.exists()


def test_the_page_is_protected_against_forged_requests(importing: Cast) -> None:
    """RND-816: how files are taken is decided before the form is read; the token is still asked for."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(importing.stella_statistician, backend="trial.auth.Backend")
    assert upload(client, b"stratum,position,arm\n").status_code == 403
    assert not AllocationList.objects.exists()
