"""Pages of marks: review, freeze and lock from the record page; signing; freeze and lock of scopes."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import Signature
from ecrf.actions import closures, data_queries, marks, records, verifications
from ecrf.closing import Scope
from ecrf.entry import Submission, Typed
from ecrf.models import Closure, Record
from ecrf.where import Where
from tests.cast import PASSWORD, Cast
from tests.trial.views.helpers import words
from trial.models import Participant

pytestmark = pytest.mark.django_db
FORM = "vitals_performance"


@pytest.fixture
def record(cast: Cast) -> Record:
    """A complete form at screening."""
    participant = cast.consented()
    cast.fill(participant, FORM, visit="SCR")
    return cast.record(participant, FORM, visit="SCR")


def url(record: Record, deed: str = "") -> str:
    name = f"record_{deed}" if deed else "record"
    return reverse(name, args=[record.participant.code, record.visit_id, record.form])


def correct(cast: Cast, record: Record, text: str = "71.5") -> Record:
    record.refresh_from_db()
    return records.save(
        where=Where(record.participant, record.form, visit=record.visit), revision=record.revision,
        submission=Submission(values={("measures", "", "weight"): Typed(text=text)}), complete=True,
        by=cast.theo_coordinator, reason="Typing error",
    )  # fmt: skip


def cost(client: Any, address: str) -> int:
    client.get(address)
    with CaptureQueriesContext(connection) as taken:
        assert client.get(address).status_code == 200
    return len(taken)


class TestRecordPage:
    def test_the_data_manager_reviews_freezes_locks_and_opens_again(self, cast: Cast, record: Record) -> None:
        """ECRF-260: each with its button, its page and its words; the state stands in the heading."""
        client = cast.client_of(cast.dan_data_manager)
        page = words(client.get(url(record)))
        assert "Mark as reviewed" in page and "Freeze this form" in page and "Unlock this form" not in page
        answer = client.post(url(record, "review"), {"revision": record.revision}, follow=True)
        assert "reviewed." in words(answer) and "Take the review back" in words(answer)
        for deed, said in (("freeze", "frozen."), ("lock", "locked.")):
            assert client.get(url(record, deed)).status_code == 200
            assert said in words(client.post(url(record, deed), {"reason": "Clean"}, follow=True))
        asked = client.post(url(record, "unlock"), {"reason": ""})
        assert asked.status_code == 422 and "Give the reason" in words(asked)
        client.post(url(record, "unlock"), {"reason": "Late source"})
        client.post(url(record, "unfreeze"), {"reason": "Late source"})
        record = cast.record(record.participant, FORM, visit="SCR")
        assert record.is_reviewed and not record.is_frozen and not record.is_locked

    def test_others_have_no_such_buttons_and_are_refused(self, cast: Cast, record: Record) -> None:
        """ECRF-261: site, monitor, sponsor: 403 in words; another site's staff: not found."""
        for person in (cast.theo_coordinator, cast.ines_investigator, cast.mona_monitor, cast.paul_sponsor):
            client = cast.client_of(person)
            assert "Freeze this form" not in words(client.get(url(record)))
            for deed in ("review", "unreview", "freeze", "unfreeze", "lock", "unlock"):
                answer = client.post(url(record, deed), {"reason": "x", "revision": record.revision})
                assert answer.status_code == 403, (person, deed)
        for deed in ("review", "freeze", "lock"):
            assert cast.client_of(cast.oscar_coordinator).post(url(record, deed)).status_code == 404
        empty = reverse("record_freeze", args=[record.participant.code, record.visit_id, "laboratory"])
        assert cast.client_of(cast.dan_data_manager).get(empty).status_code == 404

    def test_a_review_of_an_old_page_is_a_conflict(self, cast: Cast, record: Record) -> None:
        """ECRF-262: the page that was read is the one reviewed; nonsense counts as an old page."""
        client = cast.client_of(cast.dan_data_manager)
        correct(cast, record)
        for revision in (record.revision - 1, "", "x", "9" * 40):
            assert client.post(url(record, "review"), {"revision": revision}).status_code == 409
        assert not Record.objects.get(pk=record.pk).is_reviewed

    def test_locking_shows_every_query_that_blocks_with_its_link(self, cast: Cast, record: Record) -> None:
        """ECRF-263."""
        where = Where(record.participant, FORM, visit=record.visit)
        query = data_queries.ask(where=where, item="kps", text="Sure?", by=cast.mona_monitor)
        client = cast.client_of(cast.dan_data_manager)
        page = client.get(url(record, "lock"))
        assert "1 query is not settled" in words(page) and reverse("query", args=[query.pk]) in words(page)
        assert client.post(url(record, "lock"), {"reason": "x"}).status_code == 422
        assert not Record.objects.get(pk=record.pk).is_locked

    def test_the_page_says_before_a_change_what_it_will_break_and_after_it_what_broke(
        self, cast: Cast, record: Record
    ) -> None:
        """ECRF-264: signature, review, verification; then which change broke which mark, also in the trail."""
        client = cast.client_of(cast.theo_coordinator)
        assert "What a change of this form breaks" not in words(client.get(url(record)))
        verifications.verify(record=record, values=[("", "weight")], by=cast.mona_monitor)
        records.sign(record=record, password=PASSWORD, by=cast.ines_investigator)
        marks.review(record=cast.record(record.participant, FORM, visit="SCR"), by=cast.dan_data_manager)
        page = words(client.get(url(record)))
        assert "What a change of this form breaks" in page
        assert "signed by Inès Investigator" in page and "data manager has reviewed it" in page
        assert "1 value is verified at source" in page
        correct(cast, record)
        page = words(client.get(url(record)))
        assert "What a change of this form breaks" not in page
        assert "broke the signature of Inès Investigator" in page and "broke the review of" in page
        trail = words(client.get(url(record, "trail")))
        assert "Marks that a change broke" in trail and "cleared 1 verification at source" in trail
        assert "broke the signature" in words(client.get(url(record, "trail") + "?item=weight"))

    def test_a_locked_participant_shows_on_the_form_that_nobody_began(self, cast: Cast, record: Record) -> None:
        """ECRF-265: what is locked, in words, in place of fields; a save posted all the same is refused."""
        participant = record.participant
        closures.lock(scope=Scope.of_participant(participant), reason="Clean", by=cast.dan_data_manager)
        client = cast.client_of(cast.theo_coordinator)
        empty = reverse("record", args=[participant.code, record.visit_id, "laboratory"])
        page = words(client.get(empty))
        assert f"Participant {participant.code} is locked" in page and 'name="hgb"' not in page
        answer = client.post(empty, {"revision": 0, "hgb": "12", "save": "complete", "whole_form": "1"})
        assert answer.status_code == 422 and "is locked" in words(answer)
        assert f"Locked · Participant {participant.code}" in words(client.get(url(record)))
        new = client.get(reverse("entry_new", args=[participant.code, "lesion"]))
        assert new.status_code == 422 and "is locked" in words(new)
        casebook = words(client.get(f"/participants/{participant.code}/"))
        assert "Locked" in casebook and "form to complete" not in casebook and "visits/add" not in casebook

    def test_a_value_held_back_says_what_it_would_be_and_is(self, cast: Cast) -> None:
        """ECRF-266: “would be Yes, is No” on the frozen form, on its page and through the API."""
        participant = cast.baseline_done()
        imdc = marks.freeze(record=cast.record(participant, "imdc", visit="SCR"), by=cast.dan_data_manager)
        was = imdc.data["factors"][0]["anaemia"]["value"]
        labs = cast.record(participant, "laboratory", visit="SCR")
        records.save(
            where=Where(participant, "laboratory", visit=labs.visit), revision=labs.revision,
            submission=Submission(values={("haematology", "", "hgb"): Typed(text="16.0" if was else "10.0")}),
            complete=True, by=cast.theo_coordinator, reason="Typing error",
        )  # fmt: skip
        said = "would be No, is Yes" if was else "would be Yes, is No"
        address = reverse("record", args=[participant.code, imdc.visit_id, "imdc"])
        client = cast.client_of(cast.dan_data_manager)
        assert said in words(client.get(address))
        assert cost(client, address) <= 15


class TestSigningPage:
    def test_the_investigator_signs_the_casebook_with_the_password_typed_again(
        self, cast: Cast, record: Record
    ) -> None:
        """ECRF-267: listed, signed, counted; the second time only what changed, with old, new, who and why."""
        cast.fill(record.participant, "laboratory", visit="SCR", complete=False)
        address = reverse("casebook_sign", args=[record.participant.code])
        client = cast.client_of(cast.ines_investigator)
        page = client.get(address)
        text = words(page)
        assert "Sign 2 forms" in text and "Not complete, so not signed" in text and "Laboratory" in text
        shown = [each["read"] for each in page.context["page"].to_sign]
        wrong = client.post(address, {"record": shown, "password": "guess"})
        assert wrong.status_code == 422 and "password is not right" in words(wrong)
        none = client.post(address, {"record": shown, "password": ""})
        assert none.status_code == 422
        done = client.post(address, {"record": shown, "password": PASSWORD}, follow=True)
        assert "2 forms are signed." in words(done)
        assert "Nothing to sign" in words(client.get(address))
        old = Record.objects.get(pk=record.pk).data["measures"][0]["weight"]["value"]
        correct(cast, record)
        text = words(client.get(address))
        assert "Sign 1 form" in text and old in text and "71.5" in text and "Typing error" in text
        assert "Théo Coordinator" in text

    def test_a_form_saved_meanwhile_is_a_conflict_and_a_forged_list_is_refused(
        self, cast: Cast, record: Record
    ) -> None:
        """ECRF-268: nothing is signed; the page shows what stands now."""
        address = reverse("casebook_sign", args=[record.participant.code])
        client = cast.client_of(cast.ines_investigator)
        shown = [each["read"] for each in client.get(address).context["page"].to_sign]
        correct(cast, record)
        answer = client.post(address, {"record": shown, "password": PASSWORD})
        assert answer.status_code == 409 and "Changed while you were reading" in words(answer)
        for forged in (["x"], ["1.2.3"], ["9" * 30 + ".1"], [], ["-1.1"], ["999999.1"]):
            assert client.post(address, {"record": forged, "password": PASSWORD}).status_code == 422
        assert not Signature.objects.exists()

    def test_signing_is_for_the_site_s_signers(self, cast: Cast, record: Record) -> None:
        """ECRF-269: 403 for those without; not found for another site; a visit's page signs the visit."""
        code = record.participant.code
        both = [reverse("casebook_sign", args=[code]), reverse("visit_sign", args=[code, record.visit_id])]
        for person in (cast.theo_coordinator, cast.mona_monitor, cast.dan_data_manager):
            for address in both:
                assert cast.client_of(person).get(address).status_code == 403
                assert cast.client_of(person).post(address).status_code == 403
        for address in both:
            assert cast.client_of(cast.olga_investigator).get(address).status_code == 404
        client = cast.client_of(cast.ines_investigator)
        assert "Sign 2 forms" in words(client.get(both[1]))
        assert both[0] in words(client.get(f"/participants/{code}/"))
        assert both[1] in words(client.get(reverse("visit", args=[code, record.visit_id])))
        assert both[0] not in words(cast.client_of(cast.theo_coordinator).get(f"/participants/{code}/"))
        assert cost(client, both[0]) <= 15


class TestClosurePage:
    def addresses(self, record: Record) -> dict[str, tuple[str, str]]:
        code = record.participant.code
        return {
            "visit": (reverse("visit_closure", args=[code, record.visit_id]), code),
            "participant": (reverse("participant_closure", args=[code]), code),
            "site": (reverse("site_closure", args=["01"]), "01"),
            "study": (reverse("study_closure"), "STORM01"),
        }

    def test_each_scope_is_frozen_and_locked_with_counts_reason_and_its_name_typed(
        self, cast: Cast, record: Record
    ) -> None:
        """ECRF-270: counted before, closed, and lifted again; a wrong name or no reason closes nothing."""
        client = cast.client_of(cast.dan_data_manager)
        for name, (address, word) in self.addresses(record).items():
            page = words(client.get(address))
            assert "2 forms will be frozen." in page and "2 forms will be locked." in page, name
            for posted in (
                {"reason": "Clean", "confirmation": "nonsense"},
                {"reason": "", "confirmation": word},
                {"reason": "Clean", "confirmation": ""},
            ):
                answer = client.post(address, {"deed": "lock", **posted})
                assert answer.status_code == 422 and not Closure.objects.filter(lifted_at=None).exists()
                assert posted["reason"] in words(answer)
            for deed in ("freeze", "lock", "unlock", "unfreeze"):
                answer = client.post(address, {"deed": deed, "reason": "Clean", "confirmation": word}, follow=True)
                assert answer.status_code == 200, (name, deed)
            assert "Lifted before" in words(client.get(address))
            assert client.post(address, {"deed": "burn"}).status_code == 404
        assert Closure.objects.count() == 8 and not Closure.objects.filter(lifted_at=None).exists()

    def test_what_blocks_is_listed_with_links_before_and_after(self, cast: Cast, record: Record) -> None:
        """ECRF-271: every query that is not settled; the lock is refused with 422 and nothing typed is lost."""
        where = Where(record.participant, FORM, visit=record.visit)
        query = data_queries.ask(where=where, item="kps", text="Sure?", by=cast.mona_monitor)
        client = cast.client_of(cast.dan_data_manager)
        for address, word in self.addresses(record).values():
            assert reverse("query", args=[query.pk]) in words(client.get(address))
            answer = client.post(address, {"deed": "lock", "reason": "Cleaned", "confirmation": word})
            assert answer.status_code == 422 and "1 query is not settled" in words(answer)

    def test_it_is_the_data_manager_s_page(self, cast: Cast, record: Record) -> None:
        """ECRF-272: 403 for other roles, not found for another site's people; links only for those who may."""
        for person in (cast.theo_coordinator, cast.mona_monitor, cast.paul_sponsor, cast.aude_auditor):
            client = cast.client_of(person)
            for name, (address, word) in self.addresses(record).items():
                assert client.get(address).status_code == 403, (person, name)
                assert client.post(address, {"deed": "lock", "reason": "x", "confirmation": word}).status_code == 403
        other = cast.client_of(cast.oscar_coordinator)
        found = self.addresses(record)
        assert other.get(found["participant"][0]).status_code == 404
        assert other.get(found["site"][0]).status_code == 404
        dan, theo = cast.client_of(cast.dan_data_manager), cast.client_of(cast.theo_coordinator)
        pages = {
            "visit": reverse("visit", args=[record.participant.code, record.visit_id]),
            "participant": f"/participants/{record.participant.code}/",
            "site": "/sites/01/",
            "study": "/study/",
        }
        for name, page in pages.items():
            assert found[name][0] in words(dan.get(page)), name
            assert found[name][0] not in words(theo.get(page)), name

    def test_pages_cost_the_same_for_many_participants(self, cast: Cast, record: Record) -> None:
        """ECRF-273: at most 15 statements."""
        client = cast.client_of(cast.dan_data_manager)

        def measure() -> dict[str, int]:
            return {name: cost(client, address) for name, (address, _word) in self.addresses(record).items()}

        few = measure()
        for _n in range(20):
            cast.screened()
        assert measure() == few and max(few.values()) <= 15

    def test_what_is_closed_is_shown_to_the_site(self, cast: Cast, record: Record) -> None:
        """ECRF-274: on the pages of the visit, the site and the study, with the reason; nobody is screened there."""
        closures.freeze(scope=Scope.of_site(cast.site), reason="Interim analysis", by=cast.dan_data_manager)
        client = cast.client_of(cast.theo_coordinator)
        visit = reverse("visit", args=[record.participant.code, record.visit_id])
        for address in (visit, "/sites/01/"):
            assert "Interim analysis" in words(client.get(address)) and "Frozen" in words(client.get(address))
        answer = client.post(visit, {"deed": "date", "on": "01/01/2020", "reason": "x"})
        assert answer.status_code == 422 and "Site 01 is frozen" in words(answer)
        assert Participant.objects.count() == 1
