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
    """RND-801: drafted by one, simulated, looked at and approved by another with the password, put into use, closed."""
    stella, ursula = cast.client_of(cast.stella_statistician), cast.client_of(cast.ursula_statistician)
    answer = stella.post("/randomization/new/", {"block_sizes": "4, 6"})
    made = AllocationList.objects.get()
    page = f"/randomization/{made.pk}/"
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert "never with the seed of the list" in words_of(stella.get(page))
    assert ursula.post(f"{page}parameters/").status_code == 422
    cast.simulated_list(made)
    assert "Another unblinded statistician approves" in words_of(stella.get(page))
    assert "parameters/" not in words_of(stella.get(page))
    assert "second person" in words_of(stella.post(f"{page}parameters/"))
    early = ursula.post(f"{page}approve/", {"password": PASSWORD})
    assert early.status_code == 422 and "test list first" in words_of(early)
    seen = words_of(ursula.post(f"{page}parameters/"))
    assert "4, 6" in seen and "Test list" in seen
    refused = stella.post(f"{page}approve/", {"password": PASSWORD})
    assert refused.status_code == 422 and "second person" in words_of(refused)
    wrong = ursula.post(f"{page}approve/", {"password": "wrong"})
    assert wrong.status_code == 422 and "The password is not right" in words_of(wrong)
    assert ursula.post(f"{page}approve/", {"password": PASSWORD})["Location"] == page
    made.refresh_from_db()
    assert made.state == ListState.APPROVED and made.commitment in words_of(ursula.get(page))
    assert ursula.post(f"{page}use/").status_code == 302
    assert ursula.post(f"{page}use/").status_code == 422
    assert ursula.post(f"{page}close/", {"reason": ""}).status_code == 422
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
        assert "corrections/new" not in words_of(client.get(page))
        assert client.get(f"{page}corrections/new/?kind=hold").status_code == 403
        assert client.get(f"{page}commitment.pdf").status_code == 200
        for deed in ("approve/", "parameters/", "corrections/new/?kind=hold", "close/"):
            answer = client.post(page + deed, {"password": PASSWORD, "reason": "Why not"})
            assert answer.status_code == 403
        assert client.post(f"{page}use/").status_code == 403
        assert client.post(f"{page}balance/").status_code == 403
        assert client.get("/randomization/new/").status_code == 403
    for person in (cast.theo_coordinator, cast.paul_sponsor, cast.dan_data_manager, cast.mona_monitor, cast.adam_admin):
        client = cast.client_of(person)
        for path in ("/randomization/", page, "/randomization/new/", f"{page}commitment.pdf"):
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


def test_a_correction_goes_through_its_pages(cast: Cast) -> None:
    """RND-805: proposed on one page, decided by another person on the next; faults stand there and nothing is lost."""
    made = cast.list_in_use()
    stella, ursula = cast.client_of(cast.stella_statistician), cast.client_of(cast.ursula_statistician)
    page = f"/randomization/{made.pk}/"
    new = f"{page}corrections/new/?kind=withdraw_slot"
    assert f'{page}corrections/new/?kind=withdraw_slot"' in words_of(stella.get(page))
    assert "kind=resume" not in words_of(stella.get(page))
    assert stella.get(f"{page}corrections/new/?kind=nonsense").status_code == 302
    said = {"stratum": made.strata[2], "position": "17", "reason": "Printed by mistake", "confirmation": "3-16"}
    wrong = stella.post(new, said)
    assert wrong.status_code == 422 and "Type 3-17 to confirm" in words_of(wrong)
    assert 'value="17"' in words_of(wrong) and "Printed by mistake" in words_of(wrong)
    assert stella.post(new, {}).status_code == 422
    assert stella.post(new, said | {"confirmation": "3-17"})["Location"] == page
    correction = made.corrections.get()
    address = f"{page}corrections/{correction.pk}/"
    assert "Slot 3-17" in words_of(ursula.get(page)) and "Waits for the second person" in words_of(ursula.get(page))
    own = words_of(stella.get(address))
    assert "never the one who proposed it" in own and "approve/" not in own
    decision = {"reason": "Seen", "confirmation": "3-17", "password": PASSWORD}
    assert stella.post(f"{address}approve/", decision).status_code == 422
    for person in (cast.bruno_blinded, cast.aude_auditor):
        client = cast.client_of(person)
        assert client.get(address).status_code == 200 and "approve/" not in words_of(client.get(address))
        assert client.post(f"{address}approve/", decision).status_code == 403
        assert client.post(f"{address}reject/", {"reason": "No"}).status_code == 403
    assert cast.client_of(cast.theo_coordinator).get(address).status_code == 403
    refused = ursula.post(f"{address}approve/", decision | {"password": "wrong"})
    assert refused.status_code == 422 and PASSWORD not in words_of(refused)
    assert ursula.post(f"{address}approve/", decision)["Location"] == page
    assert ursula.post(f"{address}approve/", decision).status_code == 422
    assert ursula.get(f"{page}corrections/999/").status_code == 404
    with CaptureQueriesContext(connection) as statements:
        assert "Approved" in words_of(ursula.get(page))
    assert len(statements) <= MOST_STATEMENTS
    words = words_of(ursula.get(address)) + words_of(ursula.get(page))
    assert not any(f">{arm}<" in words for arm in made.arms)


def test_hold_and_resume_on_the_pages(cast: Cast) -> None:
    """RND-806: held at once by one person; resumed when a second approves; a rejected proposal changes nothing."""
    made = cast.list_in_use()
    stella, ursula = cast.client_of(cast.stella_statistician), cast.client_of(cast.ursula_statistician)
    page = f"/randomization/{made.pk}/"
    number = str(made.pk)
    stella.post(f"{page}corrections/new/?kind=hold", {"reason": "Recall", "confirmation": number})
    assert "On hold" in words_of(ursula.get(page)) and "On hold" in words_of(ursula.get("/randomization/"))
    stella.post(f"{page}corrections/new/?kind=resume", {"reason": "Solved", "confirmation": number})
    assert "On hold" in words_of(ursula.get(page))
    resume = made.corrections.get(kind="resume")
    address = f"{page}corrections/{resume.pk}/"
    assert ursula.post(f"{address}reject/", {"reason": ""}).status_code == 422
    assert ursula.post(f"{address}reject/", {"reason": "Too early"}).status_code == 302
    made.refresh_from_db()
    assert made.on_hold_at is not None
