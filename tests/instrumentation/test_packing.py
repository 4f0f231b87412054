"""Packed token ids are the same ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leyden_instrumentation.packing import attribute, pack, unpack


@given(st.lists(st.integers(0, 2**24 - 1), max_size=50))
def test_packed_ids_come_back(ids: list[int]) -> None:
    text = pack(ids)
    assert text is not None
    assert len(text) == 4 * len(ids)
    assert unpack(text) == ids


@pytest.mark.parametrize("ids", [[-1], [2**24], [2**32], ["1"], [1.5]])
def test_what_does_not_fit_stays_a_list(ids: list[int]) -> None:
    assert pack(ids) is None
    assert attribute("leyden.prompt_token_ids", ids, {}) == {"leyden.prompt_token_ids": ids}


def test_other_stores_may_have_lists() -> None:
    plain = {"LEYDEN_TOKEN_ENCODING": "plain"}
    assert attribute("leyden.prompt_token_ids", [1], plain) == {"leyden.prompt_token_ids": [1]}
    assert attribute("leyden.prompt_token_ids", [1], {}) == {"leyden.prompt_token_ids.packed": "AQAA"}
    with pytest.raises(ValueError, match="three bytes"):
        unpack("AQA=")
