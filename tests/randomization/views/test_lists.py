"""Pages of allocation lists: state and counts for statisticians, nothing confidential for anybody."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Deed
from randomization.models import AllocationList, ListState
from tests.cast import PASSWORD, Cast

pytestmark = pytest.mark.django_db
MOST_STATEMENTS = 15


def words_of(answer: object) -> str:
    return " ".join(answer.content.decode().split())


def test_a_list_goes_from_draft_to_use_on_its_pages(cast: Cast) -> None:
    """RND-801: drafted by one, approved by another with the password, put into use, held, resumed, closed."""
    stella, ursula = cast.client_of(cast.stella_statistician), cast.client_of(cast.ursula_statistician)
    answer = stella.post("/randomization/new/", {"block_sizes": "4, 6"})
    made = AllocationList.objects.get()
    page = f"/randomization/{made.pk}/"
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert "Another unblinded statistician approves" in words_of(stella.get(page))
    assert "approve/" not in words_of(stella.get(page))
    refused = stella.post(f"{page}approve/", {"password": PASSWORD})
    assert refused.status_code == 422 and "second person" in words_of(refused)
    wrong = ursula.post(f"{page}approve/", {"password": "wrong"})
    assert wrong.status_code == 422 and "The password is not right" in words_of(wrong)
    assert ursula.post(f"{page}approve/", {"password": PASSWORD})["Location"] == page
    made.refresh_from_db()
    assert made.state == ListState.APPROVED and made.commitment in words_of(ursula.get(page))
    assert ursula.post(f"{page}use/").status_code == 302
    assert ursula.post(f"{page}use/").status_code == 422
    empty = ursula.post(f"{page}hold/", {"reason": ""})
    assert empty.status_code == 422
    assert ursula.post(f"{page}hold/", {"reason": "Recall"}).status_code == 302
    assert "On hold" in words_of(ursula.get(page)) and "On hold" in words_of(ursula.get("/randomization/"))
    assert ursula.post(f"{page}resume/", {"reason": "Solved"}).status_code == 302
    assert ursula.post(f"{page}close/", {"reason": "Amendment"}).status_code == 302
    made.refresh_from_db()
    assert made.state == ListState.CLOSED and made.on_hold_at is None


def test_block_sizes_are_never_written_back(cast: Cast) -> None:
    """RND-802: neither after a fault nor anywhere else; faults name the place of a size, not the size."""
    client = cast.client_of(cast.stella_statistician)
    answer = client.post("/randomization/new/", {"block_sizes": "4, 731, x19"})
    assert answer.status_code == 422
    assert "731" not in words_of(answer) and "x19" not in words_of(answer)
    assert "Number 3 is not a whole number" in words_of(answer)
    answer = client.post("/randomization/new/", {"block_sizes": "4, 731"})
    assert answer.status_code == 422
    assert "731" not in words_of(answer)
    assert "number 2: It is not a multiple" in words_of(answer)
    assert not AllocationList.objects.exists()
    client.post("/randomization/new/", {"block_sizes": "38, 74"})
    made = AllocationList.objects.get()
    for path in ("/randomization/", f"/randomization/{made.pk}/", "/"):
        words = words_of(client.get(path)).replace(made.commitment, "")
        assert "38" not in words.replace("/static/", "") or "74" not in words
    assert not Deed.objects.filter(details__icontains="74").exists()


def test_who_sees_lists_and_who_may_do_what(cast: Cast) -> None:
    """RND-803: the blinded statistician and the auditor read; sites, sponsor and others are refused."""
    made = cast.list_in_use()
    page = f"/randomization/{made.pk}/"
    for person in (cast.bruno_blinded, cast.aude_auditor):
        client = cast.client_of(person)
        assert client.get("/randomization/").status_code == 200
        assert client.get(page).status_code == 200
        assert "hold/" not in words_of(client.get(page))
        for deed in ("approve/", "hold/", "resume/", "close/"):
            answer = client.post(page + deed, {"password": PASSWORD, "reason": "Why not"})
            assert answer.status_code == 403
        assert client.post(f"{page}use/").status_code == 403
        assert client.post(f"{page}balance/").status_code == 403
        assert client.get("/randomization/new/").status_code == 403
    for person in (cast.theo_coordinator, cast.paul_sponsor, cast.dan_data_manager, cast.mona_monitor, cast.adam_admin):
        client = cast.client_of(person)
        for path in ("/randomization/", page, "/randomization/new/"):
            assert client.get(path).status_code == 403
    assert cast.client_of(cast.stella_statistician).get("/randomization/999/").status_code == 404


def test_counts_are_without_arms_but_for_those_who_may_see_balance(marked_cast: Cast) -> None:
    """RND-804: used and free for all; by arm only when it is asked for by one who may, and the ledger tells it."""
    cast = marked_cast
    cast.randomized()
    made = cast.list_in_use()
    page = f"/randomization/{made.pk}/"
    labels = [arm.label["en"] for arm in cast.definition.arms.values()]
    for person in (cast.bruno_blinded, cast.aude_auditor, cast.stella_statistician):
        client = cast.client_of(person)
        with CaptureQueriesContext(connection) as statements:
            words = words_of(client.get(page))
        assert len(statements) <= MOST_STATEMENTS
        assert "1 participant allocated" in words and ">59<" in words.replace(" ", "")
        assert not any(word in words for word in (*labels, *cast.definition.arms))
    shown = cast.client_of(cast.stella_statistician).post(f"{page}balance/")
    assert all(label in words_of(shown) for label in labels)
    assert Deed.objects.filter(verb="list.balance_read", by_id=cast.stella_statistician.pk).count() == 1
