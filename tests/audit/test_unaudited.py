"""Rows without history, written and removed by statements that the server keeps."""

import pytest
from django.db import DataError, transaction

from audit import clock, server, unaudited


def held(sample):
    return list(sample.Sketch.objects.order_by("pk").values_list("place", "text", "drawn_at"))


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_a_row_is_put_in_place_of_the_one_with_its_key(sample, django_assert_num_queries, is_kept, count):
    """AUD-212: one statement, however many rows; what stood under the key stands no more, the rest is left alone."""
    now = clock.now()
    sample.Sketch.objects.create(text="left alone", place="elsewhere")
    key = sample.Sketch.objects.create(text="before", place="0").pk
    rows = [{"place": str(n), "text": f"é {n} %", "drawn_at": now if n % 2 else None} for n in range(count)]
    for _ in range(2):
        if is_kept:
            unaudited.put(sample.Sketch, rows, key=("place",))
        else:
            with server.spelled_out(), django_assert_num_queries(1):
                unaudited.put(sample.Sketch, rows, key=("place",))
        assert held(sample) == [("elsewhere", "left alone", None), *(tuple(row.values()) for row in rows)]
    assert sample.Sketch.objects.get(place="0").pk == key
    unaudited.put(sample.Sketch, [], key=("place",))


def test_rows_are_removed_by_what_they_hold(sample):
    """AUD-213: all of them and no others, and how many is told."""
    for place, text in (("1", "a"), ("2", "a"), ("3", "b")):
        sample.Sketch.objects.create(place=place, text=text)
    assert unaudited.remove(sample.Sketch, text="a", place="3") == 0
    assert unaudited.remove(sample.Sketch, text="b", place="3") == 1
    assert unaudited.remove(sample.Sketch, text="a") == 2
    assert held(sample) == []


def test_only_tables_without_history_are_written_so(sample):
    """AUD-214: the guard would refuse it at commit; the code says so before. Nor is a whole table emptied."""
    for model in (sample.Shelf, sample.Loan):
        with pytest.raises(TypeError, match="has a history"):
            unaudited.put(model, [{"name": "x"}], key=("name",))
    with pytest.raises(TypeError, match="nothing refers to"):
        unaudited.remove(sample.Book, title="Onco")
    with pytest.raises(TypeError, match="has a history"):
        unaudited.remove(sample.Loan, reader="Ines")
    with pytest.raises(TypeError, match="never all"):
        unaudited.remove(sample.Sketch)
    with pytest.raises(KeyError):
        unaudited.put(sample.Sketch, [{"nonsense": 1}], key=("place",))
    with pytest.raises(DataError, match="too long"), transaction.atomic():
        unaudited.put(sample.Sketch, [{"place": "x" * 21, "text": ""}], key=("place",))
