"""The record page: filled, read, saved, signed, verified, not done, removed; logs."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import audit
from audit.models import Deed, Signature
from ecrf.actions import data_queries, records
from ecrf.models import Change, Draft, EntryState, Finding, Record, Verification
from ecrf.where import Where
from tests.cast import PASSWORD, Cast
from trial.actions import participants, statuses, visits
from trial.models import Participant, Person, StatusKind

pytestmark = pytest.mark.django_db
MOST_STATEMENTS = 15


@pytest.fixture
def consented(cast: Cast) -> Participant:
    """A participant whose screening visit is dated and who has consented."""
    return cast.consented()


def url(cast: Cast, participant: Participant, form: str, event: str = "SCR", rest: str = "") -> str:
    """The address of a form of a visit."""
    return f"/participants/{participant.code}/visits/{cast.visit(participant, event).pk}/forms/{form}/{rest}"


def log_url(participant: Participant, form: str, rest: str = "") -> str:
    """The address of a log form, of an entry, or of what is done with it."""
    return f"/participants/{participant.code}/log/{form}/{rest}"


def client(cast: Cast, person: Person) -> Client:
    """A browser in which the person is signed in."""
    return cast.client_of(person)


def typed_of(page: Any) -> dict[str, Any]:
    """What the controls of a page hold, as a browser would post it."""
    fields = {name: value for name, value in page.context["page"].fields.items() if value not in ("", [])}
    return {**fields, "revision": page.context["page"].revision, "whole_form": "1"}


def text_of(answer: Any) -> str:
    return answer.content.decode()


# ---------------------------------------------------------------- opening


def test_every_form_opens_in_few_statements(cast: Cast) -> None:
    """ECRF-100: each form of screening opens for who enters and for who reads, with a bounded number of statements."""
    participant = cast.eligible()
    pages = [url(cast, participant, form) for form in cast.definition.visit("SCR").forms]
    pages += [log_url(participant, form.id) for form in cast.definition.log_forms]
    entered = [log_url(participant, form.id, "new/") for form in cast.definition.log_forms if form.is_for(None)]
    pages += [log_url(participant, "lesion", rest) for rest in ("1/", "1/trail/", "1/queries/")]
    for person, addresses in ((cast.theo_coordinator, pages + entered), (cast.mona_monitor, pages)):
        browser = client(cast, person)
        for address in addresses:
            with CaptureQueriesContext(connection) as statements:
                answer = browser.get(address)
            assert answer.status_code == 200, (person, address)
            assert len(statements) <= MOST_STATEMENTS, (person, address, len(statements))


def test_a_form_of_another_site_is_not_found(cast: Cast, consented: Participant) -> None:
    """ECRF-101: strangers to the site get *not found* on every address of a record."""
    stranger = client(cast, cast.oscar_coordinator)
    for rest in ("", "trail/", "queries/", "sign/", "verify/", "not-done/"):
        assert stranger.get(url(cast, consented, "consent", rest=rest)).status_code == 404
    assert stranger.post(url(cast, consented, "consent", rest="evaluate/")).status_code == 404
    assert stranger.get(log_url(consented, "lesion")).status_code == 404
    assert stranger.get(log_url(consented, "lesion", "new/")).status_code == 404


def test_people_without_clinical_data_find_no_form(cast: Cast, consented: Participant) -> None:
    """ECRF-102: an administrator or a statistician opens no record."""
    for person in (cast.adam_admin, cast.bruno_blinded, cast.stella_statistician):
        assert client(cast, person).get(url(cast, consented, "consent")).status_code == 404


def test_a_form_that_the_visit_does_not_hold_is_not_found(cast: Cast, consented: Participant) -> None:
    """ECRF-103: neither a log form at a visit, nor an unknown form, nor an entry that nobody made."""
    theo = client(cast, cast.theo_coordinator)
    for form in ("lesion", "tumour_assessment", "nothing"):
        assert theo.get(url(cast, consented, form)).status_code == 404
    assert theo.get(log_url(consented, "lesion", "7/")).status_code == 404
    assert theo.get(log_url(consented, "consent")).status_code == 404


def test_a_reader_sees_values_as_text(cast: Cast, consented: Participant) -> None:
    """ECRF-104: the monitor reads the same layout without a control or a button to save."""
    cast.fill(consented, "vitals_performance", visit="SCR", weight="80.5")

    page = client(cast, cast.mona_monitor).get(url(cast, consented, "vitals_performance"))

    assert "80.5 kg" in text_of(page)
    assert 'name="weight"' not in text_of(page)
    assert 'name="save"' not in text_of(page)


def test_nothing_is_entered_before_the_visit_has_a_date(cast: Cast) -> None:
    """ECRF-105: the page says what to do first, and where."""
    participant = cast.screened()
    assert cast.visit(participant, "SCR").actual_on is None

    page = client(cast, cast.theo_coordinator).get(url(cast, participant, "consent"))

    assert "Record the date of the visit first" in text_of(page)
    assert 'name="save"' not in text_of(page)


def test_nothing_is_entered_before_consent(cast: Cast) -> None:
    """ECRF-106: no form but the consent opens before a consent is recorded."""
    participant = cast.screened()
    visit = cast.visit(participant, "SCR")
    visits.record_date(visit=visit, on=participant.screened_on, by=cast.theo_coordinator)
    theo = client(cast, cast.theo_coordinator)

    page = theo.get(url(cast, participant, "demographics"))
    assert "Record the consent first" in text_of(page)
    assert 'name="save"' not in text_of(page)
    assert 'name="save"' in text_of(theo.get(url(cast, participant, "consent")))
    assert theo.get(log_url(participant, "adverse_event", "new/")).status_code == 422


def test_a_form_of_another_area_is_read_only(cast: Cast, consented: Participant) -> None:
    """ECRF-107: the radiologist reads the laboratory and is told why there is nothing to fill."""
    page = client(cast, cast.raoul_radiologist).get(url(cast, consented, "laboratory"))

    assert "Your role at this site does not enter this form" in text_of(page)
    assert 'name="save"' not in text_of(page)


def test_items_of_another_role_are_shown_not_asked(cast: Cast) -> None:
    """ECRF-108: the coordinator reads what only the radiation oncologist answers."""
    participant = cast.baseline_done()
    eligibility = url(cast, participant, "eligibility")

    assert 'name="i10"' not in text_of(client(cast, cast.theo_coordinator).get(eligibility))
    assert 'name="i10"' in text_of(client(cast, cast.rose_radiation).get(eligibility))


def test_skip_logic_is_applied_before_any_script(cast: Cast, consented: Participant) -> None:
    """ECRF-109: what is not asked is hidden in the page as it comes; what is not yet known is shown and marked."""
    form = cast.definition.form("lesion")
    page = client(cast, cast.theo_coordinator).get(log_url(consented, "lesion", "new/"))
    items = {item["item"]: item for group in page.context["page"].groups for item in group["fields"]}
    assert items["organ_other"]["shown"] is True
    assert items["organ_other"]["unknown"] is True

    cast.save(Where(consented, "lesion"), {"lesion_number": "T1", "organ": "LUNG"}, complete=False)
    page = client(cast, cast.theo_coordinator).get(log_url(consented, "lesion", "1/"))
    items = {item["item"]: item for group in page.context["page"].groups for item in group["fields"]}
    assert items["organ_other"]["shown"] is False
    assert form.item("organ_other").required


# ---------------------------------------------------------------- saving


def test_a_form_is_saved_as_typed(cast: Cast, consented: Participant) -> None:
    """ECRF-110: what is typed is understood and stored; not finished is not complete; the casebook comes next."""
    theo = client(cast, cast.theo_coordinator)
    answer = theo.post(
        url(cast, consented, "vitals_performance"),
        {"revision": "0", "whole_form": "1", "weight": "80,5", "save": "in_progress"},
    )

    assert answer.status_code == 302
    record = cast.record(consented, "vitals_performance", visit="SCR")
    assert record.entry_state == EntryState.IN_PROGRESS
    [row] = [row for rows in record.data.values() for row in rows if "weight" in row]
    assert row["weight"]["value"] == "80.5"


def test_the_page_posts_back_what_it_shows(cast: Cast) -> None:
    """ECRF-111: saving an untouched page changes no value, of any form and in either language."""
    participant = cast.eligible()
    for locale in ("en", "fr"):
        for form in cast.definition.visit("SCR").forms:
            page = _page_in(cast, participant, form, locale)
            record = cast.record(participant, form, visit="SCR")
            before = Change.objects.filter(record=record).count()
            saved = records.save(
                where=page.place.where,
                revision=record.revision,
                submission=_submission(page),
                complete=False,
                by=cast.theo_coordinator,
                reason="Nothing",
            )
            assert saved.data == record.data, (form, locale)
            assert Change.objects.filter(record=record).count() == before, (form, locale)


def _page_in(cast: Cast, participant: Participant, form: str, locale: str) -> Any:
    from django.utils import translation

    from ecrf.pages import entry_page
    from ecrf.places import place_or_404

    with translation.override(locale):
        place = place_or_404(cast.theo_coordinator, participant.code, form, cast.visit(participant, "SCR").pk)
        return entry_page(place)


def _submission(page: Any) -> Any:
    from ecrf.posted import submission_of

    return submission_of(page.place, page.fields, whole=True)


def test_somebody_alike_is_warned_of_and_not_revealed(cast: Cast, consented: Participant) -> None:
    """ECRF-450: on saving and in the casebook, until the participant is randomized; never who or where."""
    there = cast.screened(by=cast.oscar_coordinator, site=cast.other_site)
    there.consented_on = there.screened_on
    audit.save(there, by=None)
    participants.identify(participant=there, sex="F", birth_month=5, birth_year=1961, by=cast.oscar_coordinator)
    theo = client(cast, cast.theo_coordinator)
    casebook = f"/participants/{consented.code}/"
    assert "Perhaps already in the study" not in theo.get(casebook).content.decode()

    address = url(cast, consented, "demographics")
    typed = typed_of(theo.get(address)) | {"sex": "F", "birth_month": "5", "birth_year": "1961"}
    answer = theo.post(address, typed | {"save": "in_progress"}, follow=True)

    page = answer.content.decode()
    assert "Somebody else, here or at another site, has the same sex, month and year of birth." in page
    assert "Perhaps already in the study" in page
    for word in (there.code, cast.other_site.name, cast.other_site.city):
        assert word not in page
    other = client(cast, cast.oscar_coordinator).get(f"/participants/{there.code}/").content.decode()
    assert "Perhaps already in the study" in other
    assert consented.code not in other
    consented.refresh_from_db()
    statuses.record(
        participant=consented, kind=StatusKind.RANDOMIZED, on=consented.screened_on, by=cast.theo_coordinator
    )
    assert "Perhaps already in the study" not in theo.get(casebook).content.decode()


def test_wrong_values_are_shown_again_with_what_is_wrong(cast: Cast, consented: Participant) -> None:
    """ECRF-112: nothing is saved, nothing typed is lost, each error names its field."""
    theo = client(cast, cast.theo_coordinator)
    answer = theo.post(
        url(cast, consented, "vitals_performance"),
        {"revision": "0", "whole_form": "1", "weight": "12,,4", "height": "178", "save": "in_progress"},
    )

    assert answer.status_code == 422
    assert 'href="#f-weight"' in text_of(answer)
    assert 'value="12,,4"' in text_of(answer)
    assert 'value="178"' in text_of(answer)
    assert not Record.objects.filter(form="vitals_performance").exists()


def test_what_a_save_refused_is_kept_as_a_draft(cast: Cast, consented: Participant) -> None:
    """ECRF-113: leaving the page of errors loses nothing either."""
    theo = client(cast, cast.theo_coordinator)
    form = {"revision": "0", "whole_form": "1", "weight": "12,,4", "save": "in_progress"}
    theo.post(url(cast, consented, "vitals_performance"), form)

    page = theo.get(url(cast, consented, "vitals_performance"))

    assert 'value="12,,4"' in text_of(page)
    assert "was brought back" in text_of(page)


def test_complete_asks_for_every_required_answer(cast: Cast, consented: Participant) -> None:
    """ECRF-114: a form with gaps is not complete; the summary says which."""
    theo = client(cast, cast.theo_coordinator)
    form = {"revision": "0", "whole_form": "1", "weight": "80", "save": "complete"}
    answer = theo.post(url(cast, consented, "vitals_performance"), form)

    assert answer.status_code == 422
    assert "Answer this, or say why it is missing." in text_of(answer)


def test_a_missing_code_takes_the_place_of_a_value(cast: Cast, consented: Participant) -> None:
    """ECRF-115: "not done" with its reason is a value of its own; what stands beside it is ignored."""
    theo = client(cast, cast.theo_coordinator)
    theo.post(
        url(cast, consented, "laboratory"),
        {
            "revision": "0", "whole_form": "1", "hgb": "12", "hgb__missing": "ND", "hgb__reason": "Tube lost",
            "save": "in_progress",
        },
    )  # fmt: skip

    record = cast.record(consented, "laboratory", visit="SCR")
    [row] = record.data["haematology"]
    assert row["hgb"] == {"missing": "ND", "reason": "Tube lost"}


def test_a_value_in_another_unit_is_converted_and_shown_as_typed(cast: Cast, consented: Participant) -> None:
    """ECRF-116: g/L becomes g/dL in the data, and stays g/L in its control."""
    theo = client(cast, cast.theo_coordinator)
    theo.post(
        url(cast, consented, "laboratory"),
        {"revision": "0", "whole_form": "1", "hgb": "124", "hgb__unit": "g/L", "save": "in_progress"},
    )

    page = theo.get(url(cast, consented, "laboratory")).context["page"]
    hgb = next(item for group in page.groups for item in group["fields"] if item["item"] == "hgb")
    assert page.record.data["haematology"][0]["hgb"]["value"] == "12.4"
    assert hgb["value"] == "124"
    assert [unit["value"] for unit in hgb["units"] if unit["selected"]] == ["g/L"]


def test_what_the_page_does_not_send_back_was_cleared(cast: Cast, consented: Participant) -> None:
    """ECRF-117: an unchecked box or radio is not posted; only a page that shows the whole form clears by absence."""
    where = Where(consented, "vitals_performance", visit=cast.visit(consented, "SCR"))
    cast.save(where, {"weight": "80", "ecog": "1"}, complete=False)
    theo = client(cast, cast.theo_coordinator)
    record = cast.record(consented, "vitals_performance", visit="SCR")
    theo.post(url(cast, consented, "vitals_performance"), {"revision": record.revision, "save": "in_progress"})
    kept = cast.record(consented, "vitals_performance", visit="SCR")
    assert kept.data == record.data

    form = {"revision": kept.revision, "whole_form": "1", "weight": "80", "save": "in_progress"}
    theo.post(url(cast, consented, "vitals_performance"), form)

    cleared = cast.record(consented, "vitals_performance", visit="SCR")
    assert not any("ecog" in row for rows in cleared.data.values() for row in rows)
    assert any("weight" in row for rows in cleared.data.values() for row in rows)


def test_save_and_next_opens_the_next_form_of_the_visit(cast: Cast, consented: Participant) -> None:
    """ECRF-118: after a complete form comes the next one that is still to be filled."""
    cast.fill(consented, "vitals_performance", visit="SCR", complete=False)
    theo = client(cast, cast.theo_coordinator)
    page = theo.get(url(cast, consented, "vitals_performance"))

    answer = theo.post(url(cast, consented, "vitals_performance"), {**typed_of(page), "save": "next"})

    assert answer.status_code == 302, text_of(answer)
    assert answer.headers["Location"] == url(cast, consented, "laboratory")
    assert cast.record(consented, "vitals_performance", visit="SCR").entry_state == EntryState.COMPLETE


def test_a_change_after_complete_asks_why(cast: Cast, consented: Participant) -> None:
    """ECRF-119: one reason for the save, from a short list or in words; a change may have its own."""
    cast.fill(consented, "vitals_performance", visit="SCR", weight="80", height="170")
    theo = client(cast, cast.theo_coordinator)
    address = url(cast, consented, "vitals_performance")
    form = {**typed_of(theo.get(address)), "weight": "81", "height": "171", "save": "complete"}

    refused = theo.post(address, form)
    assert refused.status_code == 422
    assert "Reason for the change" in text_of(refused)
    assert 'name="why__height"' in text_of(refused)
    assert 'value="81"' in text_of(refused)
    assert theo.post(address, {**form, "reason_choice": "other"}).status_code == 422

    saved = theo.post(address, {**form, "reason_choice": "typing", "why__height": "Measured again"})
    assert saved.status_code == 302
    record = cast.record(consented, "vitals_performance", visit="SCR")
    reasons = dict(Change.objects.filter(record=record, kind="changed").values_list("item", "reason"))
    assert reasons == {"weight": "Typing error", "height": "Measured again"}


def test_a_soft_finding_is_confirmed_on_the_page(cast: Cast, consented: Participant) -> None:
    """ECRF-120: the answer beside an unusual value is kept with the finding and no query is asked."""
    cast.fill(consented, "vitals_performance", visit="SCR", complete=False)
    theo = client(cast, cast.theo_coordinator)
    address = url(cast, consented, "vitals_performance")
    limits = cast.definition.item("vitals_performance.heart_rate").range
    assert limits is not None and limits.soft_max is not None
    form = {**typed_of(theo.get(address)), "heart_rate": str(int(limits.soft_max) + 1), "save": "complete"}

    saved = theo.post(address, {**form, "confirm__range:heart_rate": "Checked twice"})

    assert saved.status_code == 302, text_of(saved)
    finding = Finding.objects.get(check_id="range:heart_rate")
    assert (finding.state, finding.justification) == ("justified", "Checked twice")
    assert not finding.queries.exists()


def test_a_frozen_form_refuses_a_save_and_loses_nothing(cast: Cast, consented: Participant) -> None:
    """ECRF-121: the words of the refusal stand above the typing."""
    record = cast.fill(consented, "vitals_performance", visit="SCR", complete=False)
    theo = client(cast, cast.theo_coordinator)
    address = url(cast, consented, "vitals_performance")
    form = {**typed_of(theo.get(address)), "weight": "99", "save": "in_progress"}
    _freeze(record, cast)

    answer = theo.post(address, form)

    assert answer.status_code == 422
    assert "This form is frozen" in text_of(answer)
    assert 'value="99"' in text_of(answer)


def _freeze(record: Record, cast: Cast) -> None:
    import audit
    from audit import clock

    record = Record.objects.get(pk=record.pk)
    record.frozen_at = clock.now()
    audit.save(record, by=cast.dan_data_manager)


def test_a_reader_cannot_save(cast: Cast, consented: Participant) -> None:
    """ECRF-122: a sponsor's role never changes a site's value, whatever is posted."""
    for person in (cast.mona_monitor, cast.dan_data_manager, cast.aude_auditor):
        answer = client(cast, person).post(
            url(cast, consented, "vitals_performance"), {"revision": "0", "weight": "80", "save": "in_progress"}
        )
        assert answer.status_code == 403
    assert not Record.objects.filter(form="vitals_performance").exists()


# ---------------------------------------------------------------- two people


def test_two_versions_are_shown_and_the_choice_is_saved(cast: Cast, consented: Participant) -> None:
    """ECRF-130: a save on an older revision overwrites nothing unseen; each item is chosen."""
    cast.fill(consented, "vitals_performance", visit="SCR", weight="80", height="170", complete=False)
    theo, ines = client(cast, cast.theo_coordinator), client(cast, cast.ines_investigator)
    address = url(cast, consented, "vitals_performance")
    mine, theirs = typed_of(theo.get(address)), typed_of(ines.get(address))
    ines.post(address, {**theirs, "weight": "82", "temperature": "37", "save": "in_progress"})

    answer = theo.post(address, {**mine, "weight": "84", "height": "171", "save": "in_progress"})
    assert answer.status_code == 409
    conflict = answer.context["conflict"]
    shown = {item["name"]: (item["theirs"], item["mine"], item["choice"]) for item in conflict.items}
    assert shown["weight"] == ("82 kg", "84 kg", "")
    assert shown["height"][2] == "mine"
    assert shown["temperature"][2] == "theirs"
    assert cast.record(consented, "vitals_performance", visit="SCR").revision == 2

    form: dict[str, Any] = {}
    for name, value in conflict.hidden:
        form.setdefault(name, []).append(value)
    form |= {"revision": "2", "revision_read": "1", "conflict": conflict.names, "save": "in_progress"}
    assert theo.post(address, form).status_code == 409
    saved = theo.post(
        address, {**form, "keep__weight": "theirs", "keep__height": "mine", "keep__temperature": "theirs"}
    )

    assert saved.status_code == 302, text_of(saved)
    record = cast.record(consented, "vitals_performance", visit="SCR")
    rows = [row for rows in record.data.values() for row in rows]
    values = {item: row[item]["value"] for row in rows for item in row if not item.startswith("_")}
    assert (values["weight"], values["height"], values["temperature"]) == ("82", 171, "37")


def test_a_second_new_entry_is_another_entry(cast: Cast, consented: Participant) -> None:
    """ECRF-131: two people add to a log at once; both are kept, with their own numbers."""
    form = {"revision": "0", "whole_form": "1", "save": "in_progress"}
    for person, number in ((cast.theo_coordinator, "T1"), (cast.ines_investigator, "T2")):
        form["lesion_number"] = number
        assert client(cast, person).post(log_url(consented, "lesion", "new/"), form).status_code == 302
    assert list(Record.objects.filter(form="lesion").values_list("number", flat=True)) == [1, 2]


# ---------------------------------------------------------------- grids, links, terms


def test_rows_are_added_and_removed(cast: Cast, consented: Participant) -> None:
    """ECRF-140: a grid posts its rows in order; empty new rows are left out; removed ones go."""
    theo = client(cast, cast.theo_coordinator)
    for number in ("T1", "T2"):
        cast.save(Where(consented, "lesion"), {"lesion_number": number, "category": "TARGET"}, complete=False)
    address = url(cast, consented, "baseline_lesions")
    page = theo.get(address)
    group = next(g.id for g in cast.definition.form("baseline_lesions").groups if g.repeating)
    assert page.context["page"].fields[f"{group}__rows"] == ["known1", "known2"]
    form = {**typed_of(page), "save": "in_progress"}
    form[f"{group}__rows"] = ["known1", "known2", "n000000000001"]

    assert theo.post(address, form).status_code == 302
    record = cast.record(consented, "baseline_lesions", visit="SCR")
    assert [row["_id"] for row in record.data[group]] == ["known1", "known2"]

    again = {**typed_of(theo.get(address)), f"{group}__removed": ["known1"], "save": "in_progress"}
    assert theo.post(address, again).status_code == 302
    record = cast.record(consented, "baseline_lesions", visit="SCR")
    assert [row["_id"] for row in record.data[group]] == ["known2"]


def test_rows_work_without_a_script(cast: Cast, consented: Participant) -> None:
    """ECRF-141: the buttons of a grid post the page, which comes back with the row; nothing is saved."""
    theo = client(cast, cast.theo_coordinator)
    address = url(cast, consented, "baseline_lesions")
    group = next(g.id for g in cast.definition.form("baseline_lesions").groups if g.repeating)
    page = theo.post(address, {"revision": "0", "whole_form": "1", "add_row": group})
    [row] = page.context["page"].fields[f"{group}__rows"]
    assert page.status_code == 200

    form = {"revision": "0", "whole_form": "1", f"{group}__rows": [row], "remove_row": f"{group}.{row}"}
    page = theo.post(address, form)
    assert page.context["page"].fields[f"{group}__removed"] == [row]
    assert f'name="{group}__removed" value="{row}"' in text_of(page)
    assert theo.post(address, {"add_row": "nothing"}).status_code == 404
    assert not Record.objects.filter(form="baseline_lesions").exists()


def test_a_term_is_found_by_its_words_or_its_code(cast: Cast, consented: Participant) -> None:
    """ECRF-142: the label as it stands in the list, in either language, or the code; other words are refused."""
    theo = client(cast, cast.theo_coordinator)
    for number, typed in enumerate(("Fatigue", "10016256", "fatigue", "Fatigue (10016256)"), start=1):
        form = {"revision": "0", "whole_form": "1", "term": typed, "save": "in_progress"}
        assert theo.post(log_url(consented, "adverse_event", "new/"), form).status_code == 302
        record = cast.record(consented, "adverse_event", number=number)
        assert record.data["event"][0]["term"]["value"] == "10016256"
    page = theo.get(log_url(consented, "adverse_event", "1/"))
    assert 'value="Fatigue"' in text_of(page)

    refused = theo.post(
        log_url(consented, "adverse_event", "new/"),
        {"revision": "0", "whole_form": "1", "term": "tired", "save": "in_progress"},
    )
    assert refused.status_code == 422
    assert 'value="tired"' in text_of(refused)


def test_grades_are_those_of_the_term(cast: Cast, consented: Participant) -> None:
    """ECRF-143: a grade that the dictionary does not give the term is neither offered nor kept."""
    theo = client(cast, cast.theo_coordinator)
    cast.save(Where(consented, "adverse_event"), {"term": "10016256", "grade": "2"}, complete=False)
    page = theo.get(log_url(consented, "adverse_event", "1/")).context["page"]
    grade = next(item for group in page.groups for item in group["fields"] if item["item"] == "grade")
    assert [option["value"] for option in grade["options"]] == ["1", "2", "3"]

    form = {"revision": "0", "whole_form": "1", "term": "Fatigue", "grade": "5", "save": "in_progress"}
    refused = theo.post(log_url(consented, "adverse_event", "new/"), form)
    assert refused.status_code == 422
    assert "does not exist for this term" in text_of(refused)


def test_the_value_of_the_visit_before_stands_beside(cast: Cast) -> None:
    """ECRF-144: hemoglobin at day 56 shows that of screening."""
    participant = cast.randomized()
    cast.fill(participant, "laboratory", visit="SCR", complete=False)
    visit = cast.visit(participant, "D56")
    visits.record_date(visit=visit, on=participant.screened_on, by=cast.theo_coordinator)
    page = client(cast, cast.theo_coordinator).get(url(cast, participant, "laboratory", "D56")).context["page"]

    hgb = next(item for group in page.groups for item in group["fields"] if item["item"] == "hgb")
    assert "g/dL" in hgb["previous"]


# ---------------------------------------------------------------- not done, removed


def test_a_form_not_done_says_why(cast: Cast, consented: Participant) -> None:
    """ECRF-150: it needs words; the form is settled and shows them."""
    theo = client(cast, cast.theo_coordinator)
    address = url(cast, consented, "quality_of_life", rest="not-done/")
    assert theo.post(address, {"revision": "0", "reason": " "}).status_code == 422

    assert theo.post(address, {"revision": "0", "reason": "Refused by the patient"}).status_code == 302
    record = cast.record(consented, "quality_of_life", visit="SCR")
    assert record.entry_state == EntryState.NOT_DONE
    assert "Refused by the patient" in text_of(theo.get(url(cast, consented, "quality_of_life")))


def test_not_done_is_refused_to_others_and_to_filled_forms(cast: Cast, consented: Participant) -> None:
    """ECRF-151: wrong role and wrong state."""
    address = url(cast, consented, "consent", rest="not-done/")
    assert client(cast, cast.mona_monitor).post(address, {"revision": "1", "reason": "x"}).status_code == 403
    answer = client(cast, cast.theo_coordinator).post(address, {"revision": "1", "reason": "By mistake"})
    assert answer.status_code == 422
    assert "By mistake" in text_of(answer)


def test_an_entry_is_removed_and_stays_readable(cast: Cast, consented: Participant) -> None:
    """ECRF-152: the log shows it greyed with the reason, its page is read-only, a second removal fails."""
    cast.save(Where(consented, "lesion"), {"lesion_number": "T1"}, complete=False)
    theo = client(cast, cast.theo_coordinator)
    address = log_url(consented, "lesion", "1/remove/")
    form = {"revision": "1", "reason": "Entered twice"}
    assert client(cast, cast.mona_monitor).post(address, form).status_code == 403
    assert theo.post(address, form).status_code == 302
    assert theo.post(address, {"revision": "2", "reason": "Again"}).status_code == 422

    assert "Entered twice" in text_of(theo.get(log_url(consented, "lesion")))
    page = theo.get(log_url(consented, "lesion", "1/"))
    assert "Entered twice" in text_of(page)
    assert 'name="save"' not in text_of(page)


def test_an_entry_that_is_used_is_not_removed(cast: Cast) -> None:
    """ECRF-153: the refusal names the form that uses it."""
    participant = cast.baseline_done()
    answer = client(cast, cast.theo_coordinator).post(
        log_url(participant, "lesion", "1/remove/"), {"revision": "1", "reason": "Entered twice"}
    )
    assert answer.status_code == 422
    assert "Baseline lesions" in text_of(answer)


# ---------------------------------------------------------------- signing


def test_an_investigator_signs_what_is_shown(cast: Cast, consented: Participant) -> None:
    """ECRF-160: the values, the statement and the password; the signature is of the revision that was shown."""
    record = cast.fill(consented, "vitals_performance", visit="SCR", weight="80.5")
    data_queries.ask(where=_where(record), item="weight", text="Sure?", by=cast.mona_monitor)
    ines = client(cast, cast.ines_investigator)
    address = url(cast, consented, "vitals_performance", rest="sign/")
    page = ines.get(address)
    assert "80.5 kg" in text_of(page)
    assert "1 query on this form is not settled yet" in text_of(page)

    form = {"revision": record.revision, "password": PASSWORD}
    wrong = ines.post(address, {**form, "password": "wrong"})
    assert wrong.status_code == 422
    assert "The password is not right" in text_of(wrong)
    assert ines.post(address, form).status_code == 302
    signed = cast.record(consented, "vitals_performance", visit="SCR")
    assert signed.is_signed
    assert Signature.objects.get().statement.startswith("I have reviewed this form")
    assert ines.post(address, form).status_code == 422


def _where(record: Record) -> Where:
    return Where(record.participant, record.form, visit=record.visit, number=record.number)


def test_a_signature_of_an_older_revision_is_refused(cast: Cast, consented: Participant) -> None:
    """ECRF-161: somebody saved while the investigator was reading."""
    record = cast.fill(consented, "vitals_performance", visit="SCR", weight="80")
    cast.fill(consented, "vitals_performance", visit="SCR", weight="81")
    answer = client(cast, cast.ines_investigator).post(
        url(cast, consented, "vitals_performance", rest="sign/"),
        {"revision": record.revision - 1, "password": PASSWORD},
    )
    assert answer.status_code == 409
    assert not Deed.objects.filter(verb="record.signed").exists()


def test_only_an_investigator_signs(cast: Cast, consented: Participant) -> None:
    """ECRF-162: the coordinator and the monitor are sent back or refused."""
    record = cast.fill(consented, "vitals_performance", visit="SCR")
    address = url(cast, consented, "vitals_performance", rest="sign/")
    for person in (cast.theo_coordinator, cast.mona_monitor):
        browser = client(cast, person)
        assert browser.get(address).status_code == 302
        assert browser.post(address, {"revision": record.revision, "password": PASSWORD}).status_code == 403


def test_a_change_after_signing_is_named(cast: Cast, consented: Participant) -> None:
    """ECRF-163: the page shows "changed since signing" with the items."""
    record = cast.fill(consented, "vitals_performance", visit="SCR", weight="80")
    records.sign(record=record, password=PASSWORD, by=cast.ines_investigator)
    theo = client(cast, cast.theo_coordinator)
    address = url(cast, consented, "vitals_performance")
    form = {**typed_of(theo.get(address)), "weight": "81", "reason_choice": "source", "save": "complete"}
    theo.post(address, form)

    page = theo.get(address)
    assert "Changed since signing" in text_of(page)
    assert "Weight" in page.context["page"].changed_since_signing
    assert "Changed since the last signature" in text_of(client(cast, cast.ines_investigator).get(address + "sign/"))


# ---------------------------------------------------------------- verifying


def test_the_monitor_verifies_values(cast: Cast, consented: Participant) -> None:
    """ECRF-170: one by one, or the whole form; a change clears exactly its own."""
    record = cast.fill(consented, "vitals_performance", visit="SCR", weight="80")
    mona = client(cast, cast.mona_monitor)
    address = url(cast, consented, "vitals_performance", rest="verify/")
    assert mona.get(address).status_code == 200
    assert mona.post(address, {"revision": record.revision, "value": ["|weight", "|nothing"]}).status_code == 302
    assert list(Verification.objects.values_list("item", flat=True)) == ["weight"]
    assert "Partly verified" in text_of(mona.get(url(cast, consented, "vitals_performance")))

    assert mona.post(address, {"revision": record.revision, "whole": "1"}).status_code == 302
    assert "Partly verified" not in text_of(mona.get(url(cast, consented, "vitals_performance")))
    cast.fill(consented, "vitals_performance", visit="SCR", complete=False)
    assert mona.post(address, {"revision": record.revision, "whole": "1"}).status_code == 409


def test_site_staff_do_not_verify(cast: Cast, consented: Participant) -> None:
    """ECRF-171: wrong role."""
    record = cast.fill(consented, "vitals_performance", visit="SCR")
    address = url(cast, consented, "vitals_performance", rest="verify/")
    for person in (cast.theo_coordinator, cast.ines_investigator):
        browser = client(cast, person)
        assert browser.get(address).status_code == 302
        assert browser.post(address, {"revision": record.revision, "whole": "1"}).status_code == 403
    assert not Verification.objects.exists()


# ---------------------------------------------------------------- logs and arms


def test_a_log_is_a_table(cast: Cast, consented: Participant) -> None:
    """ECRF-180: the columns of the study folder, the state, the queries; who enters finds the button to add."""
    record = cast.save(Where(consented, "lesion"), {"lesion_number": "T1", "organ": "LUNG"}, complete=False)
    data_queries.ask(where=_where(record), item="organ", text="Which lobe?", by=cast.mona_monitor)

    page = client(cast, cast.theo_coordinator).get(log_url(consented, "lesion"))
    [entry] = page.context["table"].entries
    assert dict(entry["cells"])["Organ"] == "Lung"
    assert (entry["number"], entry["queries"], entry["state"]) == (1, 1, "in_progress")
    assert log_url(consented, "lesion", "new/") in text_of(page)
    mona = client(cast, cast.mona_monitor)
    assert log_url(consented, "lesion", "new/") not in text_of(mona.get(log_url(consented, "lesion")))
    assert mona.get(log_url(consented, "lesion", "new/")).status_code == 403


def test_what_tells_the_arm_is_hidden_from_the_blinded(cast: Cast, consented: Participant) -> None:
    """ECRF-181: groups, trails and queries of items that reveal the arm are not there for the sponsor."""
    record = cast.save(
        Where(consented, "adverse_event"), {"term": "10016256", "grade": "2", "relation_srt": "RELATED"}, complete=False
    )
    query = data_queries.ask(where=_where(record), item="relation_srt", text="Marker?", by=cast.mona_monitor)
    paul, mona = client(cast, cast.paul_sponsor), client(cast, cast.mona_monitor)
    address = log_url(consented, "adverse_event", "1/")
    label = cast.definition.form("adverse_event").item("relation_srt").label["en"]

    assert label in text_of(mona.get(address))
    assert mona.get(f"/queries/{query.pk}/").status_code == 200
    for seen in (address, address + "queries/", "/queries/"):
        assert label not in text_of(paul.get(seen))
        assert "Marker?" not in text_of(paul.get(seen))
    assert paul.get(f"/queries/{query.pk}/").status_code == 404
    assert paul.get(address + "queries/?item=relation_srt").status_code == 404
    assert paul.get(log_url(consented, "srt_course")).status_code == 404
    assert paul.get(log_url(consented, "srt_course", "new/")).status_code == 404
    assert Change.objects.filter(record=record, item="relation_srt", reveals_arm=False).count() == 0


def test_drafts_go_with_the_save(cast: Cast, consented: Participant) -> None:
    """ECRF-182: once saved, there is no draft left."""
    theo = client(cast, cast.theo_coordinator)
    form = {"revision": "0", "whole_form": "1", "weight": "x", "save": "in_progress"}
    theo.post(url(cast, consented, "vitals_performance"), form)
    assert Draft.objects.count() == 1
    theo.post(url(cast, consented, "vitals_performance"), {**form, "weight": "80"})
    assert Draft.objects.count() == 0
