"""Files of items: told by their content, private until saved, never lost, never public; each earlier one is kept."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from django.utils.translation import override as language
from hypothesis import given
from hypothesis import strategies as st

from audit.door import Spot
from audit.models import Deed
from audit.testing import refused_by_database
from ecrf.actions import files, notes, redactions
from ecrf.entry import InvalidValues
from ecrf.models import Attachment, Change, ChangeKind, Draft, FileContent, Upload
from ecrf.redaction_places import find
from tests.cast import PASSWORD
from tests.ecrf.actions.test_redactions import second_data_manager
from tests.ecrf.items_study import JPEG, PDF, PNG, ZIP, Play
from trial.language import Fault, check_file, clean_name, size_words
from trial.language.media import MEDIA_TYPES, sniff

LIMIT = 10_000_000


def sent(content: bytes, name: str = "report.pdf", said: str = "application/pdf") -> SimpleUploadedFile:
    """A file as a browser sends it: name and type are what the browser says."""
    return SimpleUploadedFile(name, content, said)


def upload(play: Play, content: bytes, *, name: str = "report.pdf", field: str = "report", person: Any = None) -> Any:
    """Send a file while typing, as the script does."""
    client = play.cast.client_of(person) if person is not None else play.client
    return client.post(f"{play.url}upload/", {"name": field, "file": sent(content, name)})


# ---------------------------------------------------------------- what a file is


def test_a_file_is_told_by_its_content() -> None:
    """ECRF-360: signature at the start and the end that belongs to it; names and claims count for nothing."""
    assert [sniff(each) for each in (PDF, PNG, JPEG)] == ["pdf", "png", "jpeg"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("report.pdf", PDF)
    for content in (packed.getvalue(), ZIP, b"<html>%PDF-1.7 %%EOF", b"MZ" + PDF, PDF[:40], b"GIF89a", b"", b"%PDF-"):
        assert sniff(content) == ""


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "file.empty"), (ZIP, "file.not"), (PDF, "file.not_accepted"), (PNG * 9, "file.too_large")],
)
def test_a_file_that_an_item_does_not_take_is_refused_in_words(content: bytes, code: str) -> None:
    """ECRF-361: empty, too large, nothing known, or of a type that this item does not take: what to send instead."""
    with pytest.raises(Fault) as refused:
        check_file(content, accept=("png", "jpeg"), limit=400)
    assert refused.value.code == code
    if code != "file.empty" and code != "file.too_large":
        assert "PNG, JPEG" in str(refused.value)


@given(st.binary(max_size=4000))
def test_no_bytes_break_the_reading_of_a_file(content: bytes) -> None:
    """ECRF-362: whatever is sent is accepted or refused with a fault."""
    word = sniff(content)
    if word:
        assert check_file(content, accept=tuple(MEDIA_TYPES), limit=LIMIT).word == word
    else:
        with pytest.raises(Fault, match="This file"):
            check_file(content, accept=tuple(MEDIA_TYPES), limit=LIMIT)


@given(st.text(max_size=300))
def test_a_name_is_cleaned_whatever_it_is(name: str) -> None:
    """ECRF-363: no folder, control, direction mark or reserved character; it ends as the content says; never empty."""
    found = clean_name(name, MEDIA_TYPES["pdf"])
    assert found.lower().endswith(".pdf") and 4 < len(found) <= 120
    assert not set(found) & set('/\\<>:"|?*\r\n\x00\u202e\u200f%;')
    assert clean_name(found, MEDIA_TYPES["pdf"]) == found


def test_names_and_sizes_as_people_read_them() -> None:
    """ECRF-364: folders and other ends of name go; sizes are in decimal units."""
    media = MEDIA_TYPES["pdf"]
    assert clean_name(r"C:\temp\..\Scan 1.PDF", media) == "Scan 1.PDF"
    assert clean_name("../../etc/passwd", media) == "passwd.pdf"
    assert clean_name("invoice.exe\u202efdp.", media) == "invoice.exefdp.pdf"
    assert clean_name("", media) == "file.pdf"
    assert [size_words(n) for n in (999, 320_400, 2_440_000, 10_000_000)] == ["999 B", "320 kB", "2.4 MB", "10 MB"]


# ---------------------------------------------------------------- from the draft to the data

db = pytest.mark.django_db


@db
def test_an_upload_belongs_to_the_draft_until_the_form_is_saved(play: Play) -> None:
    """ECRF-365: sent while typing, a file comes back with the draft, is shown to its author alone and is no data; the
    save that names it makes it an audited row with its author, hash and type."""
    answer = upload(play, PDF, name="scan.png")
    key = answer.json()["key"]
    play.client.post(
        f"{play.url}draft/", json.dumps({"revision": 0, "fields": {"report": key}}), content_type="application/json"
    )

    assert answer.json()["words"] == f"scan.png.pdf ({len(PDF)} B)"
    assert not Attachment.objects.exists() and PDF not in bytes(Upload.objects.get().payload)
    again = play.client.get(play.url).content.decode()
    assert f'value="{key}"' in again and "scan.png.pdf" in again
    file_url = f"/participants/{play.participant.code}/files/{key}/"
    assert play.client.get(file_url).content == PDF
    assert play.cast.client_of(play.cast.ines_investigator).get(file_url).status_code == 404
    assert play.api() == {}

    assert play.post().status_code == 302

    attached = Attachment.objects.get()
    assert (attached.key, attached.size, attached.media_type) == (key, len(PDF), "application/pdf")
    assert (attached.attached_by, attached.item, attached.record) == (play.by, "report", play.record)
    assert attached.history.count() == 1
    assert not Upload.objects.exists() and not Draft.objects.exists()
    assert play.cast.client_of(play.cast.ines_investigator).get(file_url).content == PDF


@db
def test_a_refused_save_keeps_the_file(play: Play) -> None:
    """ECRF-366: without a script, the file of a form that was refused for another item stands on the page."""
    refused = play.post({"report__file": sent(PDF), "count_of": "many"})

    assert refused.status_code == 422
    page = refused.content.decode()
    assert "report.pdf" in page and "is not a number" in page
    assert not Attachment.objects.exists()
    assert play.post({"count_of": "3"}).status_code == 302
    assert play.stored("report")["extra"]["name"] == "report.pdf"


@db
def test_a_file_that_is_not_what_it_says_changes_nothing(play: Play) -> None:
    """ECRF-367: a zip called .pdf, an empty file, another type than the item takes, an item that takes no file: the
    words say what to do, by script and without one; the rest of the form is kept."""
    for content, field, words in (
        (ZIP, "report", "not what its name says"),
        (b"", "report", "is empty"),
        (PDF, "picture", "This is a file of type PDF"),
        (PDF, "words", "no such item"),
    ):
        refused = upload(play, content, field=field)
        assert refused.status_code == 422 and words in refused.json()["message"]

    page = play.post({"report__file": sent(ZIP), "words": "typed"})

    assert page.status_code == 422
    assert "not what its name says" in page.content.decode() and 'value="typed"' in page.content.decode()
    assert play.revision == 0
    assert not Upload.objects.exists() and not Attachment.objects.exists()


@db
def test_a_file_that_is_too_large_is_not_read_to_its_end(play: Play) -> None:
    """ECRF-368: the limit of the settings holds at both doors and in the API; the form keeps what was typed."""
    large = PDF.replace(b"%%EOF", b" " * 200_000 + b"%%EOF")
    with override_settings(FILE_MAX_BYTES=100_000):
        by_script = upload(play, large)
        page = play.post({"report__file": sent(large), "words": "typed"})
        by_api = play.client.post(
            f"/api/v1{play.url}files/?item=report&name=a.pdf", large, content_type="application/octet-stream"
        )
    assert by_script.status_code == 422 and "at most 100 kB" in by_script.json()["message"]
    assert page.status_code == 422 and 'value="typed"' in page.content.decode()
    assert by_api.status_code == 422
    assert not Upload.objects.exists() and play.revision == 0


@db
def test_replacing_keeps_the_former_file_and_removing_needs_its_reason(play: Play) -> None:
    """ECRF-369: the trail opens both files; a complete form asks why, as for any other value."""
    play.post({"report__file": sent(PDF, "first.pdf"), "why_not": "yes"}, save="complete")
    first = Attachment.objects.get()

    asked = play.post({"report__file": sent(PDF + b"\n", "second.pdf")}, save="complete")
    assert asked.status_code == 422 and "Give the reason" in asked.content.decode()
    assert play.post({"reason_choice": "source"}, save="complete").status_code == 302
    trail = play.trail("report", play.cast.mona_monitor)
    assert f"/files/{first.key}/" in trail and "second.pdf" in trail
    monitor = play.cast.client_of(play.cast.mona_monitor)
    assert monitor.get(f"/participants/{play.participant.code}/files/{first.key}/").content == PDF

    assert play.post({"report__remove": "1"}, save="complete").status_code == 422
    assert play.post({"report__remove": "1", "reason_choice": "place"}, save="complete").status_code == 302
    assert play.stored("report") is None
    kinds = list(Change.objects.filter(item="report").order_by("pk").values_list("kind", flat=True))
    assert kinds == [ChangeKind.ENTERED, ChangeKind.CHANGED, ChangeKind.CLEARED]
    assert Attachment.objects.count() == FileContent.objects.count() == 2


@db
def test_a_file_is_given_as_an_attachment_and_to_the_site_alone(play: Play) -> None:
    """ECRF-370: never shown inside a page, never sniffed, never kept by a cache; another site finds nothing; each
    opening stands in the ledger, without the name of the file."""
    play.post({"report__file": sent(PDF, 'Dossier "été".pdf')})
    url = f"/participants/{play.participant.code}/files/{play.stored('report')['value']}/"

    answer = play.client.get(url)

    assert answer["Content-Type"] == "application/pdf" and answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("attachment;") and "no-store" in answer["Cache-Control"]
    assert "sandbox" in answer["Content-Security-Policy"]
    deed = Deed.objects.get(verb="file.opened")
    assert deed.by_id == play.by.pk and "Dossier" not in json.dumps(deed.details) + deed.target_label
    for stranger in (play.cast.oscar_coordinator, play.cast.adam_admin, play.cast.bruno_blinded):
        assert play.cast.client_of(stranger).get(url).status_code == 404
    assert play.client.get(url.replace("/files/", "/files/0")).status_code == 404


@db
def test_nobody_attaches_what_they_did_not_upload(play: Play) -> None:
    """ECRF-371: a key of another person, of another item, or invented is refused; one file is not in two places."""
    others = upload(play, PDF, person=play.cast.ines_investigator).json()["key"]
    mine = upload(play, PNG, field="picture").json()["key"]
    for key in (others, mine, "0" * 32):
        with pytest.raises(InvalidValues, match="not here any more"):
            play.save(report=key)
    assert not Attachment.objects.exists() and Upload.objects.count() == 2
    assert upload(play, PDF, person=play.cast.mona_monitor).status_code == 403
    assert upload(play, PDF, person=play.cast.oscar_coordinator).status_code == 404


@db
def test_bytes_that_were_altered_or_removed_are_not_given(play: Play) -> None:
    """ECRF-372: the hash of the audited row decides; the application's role cannot exchange bytes in place."""
    play.post({"report__file": sent(PDF)})
    attached = Attachment.objects.get()
    with refused_by_database():
        FileContent.objects.filter(attachment=attached).update(content=PNG)
    FileContent.objects.filter(attachment=attached).delete()
    FileContent.objects.create(attachment=attached, content=PNG)
    url = f"/participants/{play.participant.code}/files/{attached.key}/"
    assert "damaged" in play.client.get(url).content.decode()
    assert files.forget_contents([attached]) == 1
    assert "was removed" in play.client.get(url).content.decode()


@db
def test_a_program_sends_a_file_and_names_it_in_a_save(play: Play) -> None:
    """ECRF-373: the API takes the bytes into the draft and attaches them by the key, and says what is kept."""
    address = f"/api/v1{play.url}"
    answer = play.client.post(f"{address}files/?item=report&name=a.pdf", PDF, content_type="application/octet-stream")
    assert answer.status_code == 201
    saved = play.client.put(
        address, {"revision": 0, "values": [{"item": "report", "typed": answer.json()["key"]}]},
        content_type="application/json",
    )  # fmt: skip
    assert saved.status_code == 200
    assert play.api()["report"]["file"]["name"] == "a.pdf"
    wrong = play.client.post(f"{address}files/?item=report&name=a.pdf", ZIP, content_type="application/octet-stream")
    assert wrong.status_code == 422
    with language("fr"):
        assert play.client.post(f"{address}files/?item=words&name=a", PDF, content_type="application/octet-stream")


@db
def test_a_name_in_a_file_or_a_note_is_redacted_wherever_it_stands(play: Play) -> None:
    """ECRF-375: the value, its trail, the file's row and history, the draft of another file, the note; type, hash and
    content stay, and words that spell a type or a hash are not taken out of them."""
    cast, name = play.cast, "Zébulon Quintard"
    second = second_data_manager(cast)
    play.post({"report__file": sent(PDF, f"{name}.pdf"), "why_not": "yes"}, save="complete")
    upload(play, PNG, name=f"{name} again.png", field="picture")
    noted = notes.add(where=play.where, item="report", text=f"The report of {name}", by=play.by)
    before = play.stored("report")
    dan = cast.client_of(cast.dan_data_manager)
    links = [
        link
        for page in ("trail/?item=report", "notes/?item=report")
        for link in re.findall(r'href="(/redactions/new/[^"]*)"', dan.get(play.url + page).content.decode())
    ]
    assert any("ecrf_change" in link and "extra%2Fname" in link for link in links)
    assert any(f"ecrf_note&amp;key={noted.pk}" in link for link in links)
    assert not any("path=value" in link for link in links)

    spot = Spot("ecrf_note", noted.pk, "text")
    proposed = redactions.propose(spot=spot, words=name, reason="A name", by=cast.dan_data_manager)
    assert redactions.preview(proposed).counts()["drafts"] == 1
    redactions.approve(redaction=proposed, password=PASSWORD, by=second)

    attached, after = Attachment.objects.get(), play.stored("report")
    assert find(play.participant, name).counts() == {"rows": 0, "history": 0, "ledger": 0, "drafts": 0}
    assert after == {**before, "extra": {**before["extra"], "name": "[redacted].pdf"}}
    assert {attached.name, *attached.history.values_list("name", flat=True)} == {"[redacted].pdf"}
    assert Change.objects.get(item="report").new["extra"]["name"] == "[redacted].pdf"
    assert Upload.objects.get().name == "[redacted] again.png"
    assert "[redacted]" in play.trail("report")
    assert play.client.get(f"/participants/{play.participant.code}/files/{attached.key}/").content == PDF
    assert find(play.participant, "application/pdf").counts() == find(play.participant, attached.sha256[:12]).counts()
    assert sum(find(play.participant, "application/pdf").counts().values()) == 0


@db
def test_throwing_the_draft_away_throws_its_files_away(play: Play) -> None:
    """ECRF-374: what was never saved leaves nothing behind; what a save did not name neither."""
    upload(play, PDF)
    play.client.post(f"{play.url}draft/", {"discard": "1"})
    assert not Upload.objects.exists()
    upload(play, PDF)
    play.save(words="x")
    assert not Upload.objects.exists() and not Attachment.objects.exists()
