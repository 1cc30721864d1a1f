"""Long forms are read without asking a serializer about each value: what that gives is what the serializer would."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from ecrf.api.serializers import RowId, RowIds, SentValue, SentValues, _plain
from trial.language import MISSING

NAMES = ["item", "row", "typed", "unit", "missing", "reason", "why"]
texts = st.one_of(st.text(max_size=70), st.sampled_from(["", " ", "a", "\u200b", "x\n", "\x00", *MISSING, "n" * 600]))
values = st.one_of(
    st.dictionaries(st.sampled_from([*NAMES, "other"]), texts),
    st.dictionaries(st.sampled_from(NAMES), st.one_of(texts, st.integers(), st.none(), st.lists(texts, max_size=2))),
)


@settings(max_examples=150, deadline=None)
@given(value=values)
def test_a_value_read_quickly_is_the_value_read_field_by_field(value: dict[str, Any]) -> None:
    """API-063: whatever is sent; and what the quick way does not take is not lost on the way."""
    slow = SentValue(data=value)
    is_valid = slow.is_valid()
    quick = _plain(value)
    if quick is not None:
        assert is_valid, slow.errors
        assert quick == dict(slow.validated_data)
    several = SentValues(child=SentValue(), data=[value])
    assert several.is_valid() == is_valid
    if is_valid:
        assert [dict(each) for each in several.validated_data] == [dict(slow.validated_data)]


@settings(max_examples=80, deadline=None)
@given(ids=st.lists(st.one_of(st.from_regex(r"[a-z0-9]{1,33}", fullmatch=True), st.text(max_size=4), st.integers())))
def test_row_ids_read_quickly_are_those_that_each_would_be(ids: list[Any]) -> None:
    """API-063."""

    def each() -> list[Any]:
        return [RowId().run_validation(one) for one in ids]

    try:
        wanted = each()
    except ValidationError:
        with pytest.raises(ValidationError):
            RowIds(child=RowId()).run_validation(ids)
    else:
        assert RowIds(child=RowId()).run_validation(ids) == wanted
