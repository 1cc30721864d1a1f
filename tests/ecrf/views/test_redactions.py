"""Pages of redactions: from a text in a trail or a query to the proposal, and from there to the approval."""

from __future__ import annotations

import re
from html import unescape

import pytest

from audit.models import Redaction, RedactionState
from ecrf.models import Record
from tests.cast import PASSWORD, Cast
from tests.ecrf.actions.test_redactions import NAME, REASON, first_text, proposed, second_data_manager, told_everywhere
from tests.trial.views.helpers import MOST_QUERIES, counted, words

pytestmark = pytest.mark.django_db


def links(page: str) -> list[str]:
    return [unescape(found) for found in re.findall(r'href="(/redactions/new/[^"]*)"', page)]


def trail_of(record: Record) -> str:
    row = record.data["conditions"][0]["_id"]
    place = f"/participants/{record.participant.code}/visits/{record.visit_id}/forms/{record.form}"
    return f"{place}/trail/?item=condition&row={row}"


def address(record: Record) -> str:
    spot = first_text(record)
    return f"/redactions/new/?table={spot.table}&key={spot.key}&column={spot.column}&path={'/'.join(spot.path)}"


def test_from_the_trail_of_a_value_to_the_redaction(cast: Cast) -> None:
    """ECRF-428: the data manager proposes, another one sees what it touches, types the password, and it is gone."""
    record = told_everywhere(cast)
    dan, dora = cast.client_of(cast.dan_data_manager), cast.client_of(second_data_manager(cast))
    found = links(words(dan.get(trail_of(record))))
    assert address(record) in [link.replace("%2F", "/") for link in found]
    page = words(dan.get(address(record)))
    assert f"Asthma, says {NAME}" in page
    answer = dan.post(address(record), {"words": NAME, "reason": REASON})
    redaction = Redaction.objects.get()
    assert answer["Location"] == f"/redactions/{redaction.pk}/"
    own = words(dan.get(answer["Location"]))
    assert "another person approves it" in own and 'name="password"' not in own

    assert f"Redaction {redaction.pk}" in words(dora.get("/redactions/"))
    assert f"<mark>{NAME}</mark>" in words(dora.get(answer["Location"]))
    wrong = dora.post(answer["Location"], {"deed": "approve", "password": "no"})
    assert wrong.status_code == 422 and "The password is not right" in words(wrong)
    done = dora.post(answer["Location"], {"deed": "approve", "password": PASSWORD}, follow=True)
    assert NAME not in words(done) and "Redacted." in words(done)
    assert NAME not in words(dan.get(trail_of(record))) and "[redacted]" in words(dan.get(trail_of(record)))


def test_a_query_leads_there_too(cast: Cast) -> None:
    """ECRF-429: from the page of the query, for those who may propose, and for nobody else."""
    record = told_everywhere(cast)
    query = record.queries.get()
    assert len(links(words(cast.client_of(cast.mona_monitor).get(f"/queries/{query.pk}/")))) == 2
    assert links(words(cast.client_of(cast.theo_coordinator).get(f"/queries/{query.pk}/"))) == []
    assert links(words(cast.client_of(cast.theo_coordinator).get(trail_of(record)))) == []


def test_doors(cast: Cast) -> None:
    """ECRF-430: another site, another role, a forged address, a redaction that does not exist."""
    record = told_everywhere(cast)
    for person in (cast.oscar_coordinator, cast.theo_coordinator, cast.bruno_blinded, cast.adam_admin):
        client = cast.client_of(person)
        assert client.get(address(record)).status_code == 403
        assert client.get("/redactions/").status_code == 403
    dan = cast.client_of(cast.dan_data_manager)
    for forged in ["", "?table=trial_person&key=1&column=email&path=", address(record)[15:].replace("value", "x")]:
        assert dan.get(f"/redactions/new/{forged}").status_code == 404
    assert dan.get("/redactions/99999/").status_code == 404
    redaction = proposed(cast, record)
    assert cast.client_of(cast.aude_auditor).get(f"/redactions/{redaction.pk}/").status_code == 403
    assert dan.post(f"/redactions/{redaction.pk}/", {"deed": "anything"}).status_code == 404


def test_what_would_tell_the_arm_is_not_found_without_the_right(cast: Cast) -> None:
    """ECRF-431: the sponsor without arms sees no redaction of a text that tells one."""
    record = told_everywhere(cast)
    redaction = proposed(cast, record)
    sponsor = cast.client_of(cast.paul_sponsor)
    assert sponsor.get(f"/redactions/{redaction.pk}/").status_code == 200
    Redaction.objects.filter(pk=redaction.pk).update(reveals_arm=True)
    assert sponsor.get(f"/redactions/{redaction.pk}/").status_code == 404
    Redaction.objects.filter(pk=redaction.pk).update(reveals_arm=False)


def test_a_proposal_is_declined_with_its_reason(cast: Cast) -> None:
    """ECRF-432: by the other person, or withdrawn by the one who proposed it; nothing typed is lost on a refusal."""
    record = told_everywhere(cast)
    redaction = proposed(cast, record)
    dan = cast.client_of(cast.dan_data_manager)
    refused = dan.post(f"/redactions/{redaction.pk}/", {"deed": "decline", "reason": f"{NAME} may stay"})
    assert refused.status_code == 422 and "may stay" in words(refused)
    dan.post(f"/redactions/{redaction.pk}/", {"deed": "decline", "reason": "It is a brand"})
    redaction.refresh_from_db()
    assert (redaction.state, redaction.decision_reason) == (RedactionState.DECLINED, "It is a brand")


def test_the_pages_stay_small(cast: Cast) -> None:
    """ECRF-433: at most 15 statements for the list; the same whatever waits."""
    record = told_everywhere(cast)
    proposed(cast, record)
    client = cast.client_of(cast.dan_data_manager)
    _answer, count = counted(client, "/redactions/")
    assert count <= MOST_QUERIES
    _answer, count = counted(client, address(record))
    assert count <= MOST_QUERIES
