"""Replies are read faster, and alike."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leyden_instrumentation import bodies

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def reply(body: bytes) -> httpx.Response:
    response = httpx.Response(200, content=body)
    response.read()
    return response


@settings(deadline=None)
@given(JSON, st.booleans())
def test_a_quickened_reply_says_the_same(value: Any, escaped: bool) -> None:
    body = json.dumps(value, ensure_ascii=escaped).encode()
    quick = reply(body)
    bodies.quicken(quick)
    assert repr(quick.json()) == repr(reply(body).json())
    assert repr(quick.json(parse_float=str)) == repr(reply(body).json(parse_float=str))


@pytest.mark.parametrize(
    "body", [b'"\\ud83d"', b"NaN", b"\xef\xbb\xbf1", '"a"'.encode("utf-16"), b"[" * 500 + b"]" * 500]
)
def test_so_does_one_that_the_quick_parser_does_not_take(body: bytes) -> None:
    quick = reply(body)
    bodies.quicken(quick)
    assert repr(quick.json()) == repr(reply(body).json())


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": 1} 2', b"\xff"])
def test_what_is_no_json_fails_as_it_does_without_us(body: bytes) -> None:
    quick = reply(body)
    bodies.quicken(quick)
    with pytest.raises(ValueError) as ours:
        quick.json()
    with pytest.raises(type(ours.value)):
        reply(body).json()


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ('{"prompt_token_ids": [1, 2], "a": [3]}', "[1, 2]"),
        ('{"prompt_token_ids":[1]}', "[1]"),
        ('{"prompt_token_ids": [], "a": 1}', None),
        ('{"prompt_token_ids": null, "a": [1]}', None),
        ('{"prompt_token_ids": [[1], [2]]}', None),
        ('{"a": "\\"prompt_token_ids\\": [1]"}', None),
        ('{"a": [1]}', None),
    ],
)
def test_only_a_flat_list_of_prompt_ids_is_cut_out(body: str, ids: str | None) -> None:
    response = reply(body.encode())
    assert bodies.cut(response) == ids
    whole, left = json.loads(body), response.json()
    assert left == (whole if ids is None else whole | {"prompt_token_ids": None})
