"""The page of one item of the study: what it comes from, what it feeds."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.cast import Cast

pytestmark = pytest.mark.django_db


def test_the_page_of_an_item_links_across_forms(cast: Cast) -> None:
    """ECRF-464: from the form's page to the item's, from there to what reads it; few statements; unknown is 404."""
    client = cast.client_of(cast.theo_coordinator)
    assert 'href="/study/forms/lesion/items/category/"' in client.get("/study/forms/lesion/").content.decode()
    with CaptureQueriesContext(connection) as statements:
        page = client.get("/study/forms/baseline_lesions/items/sum_diameters/").content.decode()
    assert len(statements) <= 15
    assert "Comes from" in page and "Feeds" in page
    assert "/study/forms/tumour_assessment/items/change_from_baseline/" in page
    assert "/study/forms/baseline_lesions/items/diameter/" in page
    assert client.get("/study/forms/lesion/items/nothing/").status_code == 404
    assert client.get("/study/forms/nothing/items/diameter/").status_code == 404


def test_a_person_without_the_study_page_has_none_of_its_items(cast: Cast) -> None:
    """ECRF-465: as for the other pages of the study; and no page of an item names a block size."""
    cast.list_in_use()
    page = cast.client_of(cast.stella_statistician).get("/study/forms/systemic_ongoing/items/contains_ici/")
    assert page.status_code == 200
    assert "stratum" in page.content.decode()
    assert "block" not in page.content.decode().lower()
