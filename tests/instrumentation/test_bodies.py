"""Replies are read faster, and alike."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leyden_instrumentation import bodies

ADDED = frozenset({"return_token_ids", "logprobs"})
COMPACT = (",", ":")
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
        ('{"prompt_token_ids":[1, 2],"a":[3]}', b"[1, 2]"),
        ('{"prompt_token_ids":[1]}', b"[1]"),
        ('{"prompt_token_ids":[],"a":1}', None),
        ('{"prompt_token_ids":null,"a":[1]}', None),
        ('{"prompt_token_ids":{"a":[1]}}', None),
        ('{"prompt_token_ids":"[1]"}', None),
        ('{"prompt_token_ids":["1"]}', None),
        ('{"prompt_token_ids":[[1],[2]]}', None),
        ('{"a":"\\"prompt_token_ids\\":[1]"}', None),
        ('{"a": [1]}', None),
    ],
)
def test_only_a_flat_list_of_prompt_ids_is_cut_out(body: str, ids: bytes | None) -> None:
    response = reply(body.encode())
    assert bodies.cut(response, ADDED) == bodies.Cut(prompt=ids)
    whole, left = json.loads(body), response.json()
    assert left == (whole if ids is None else whole | {"prompt_token_ids": None})


TOKENS = st.lists(st.tuples(st.text() | st.sampled_from(["}]}", "logprobs", '"logprobs":', "\\"]), st.floats(-9, 0)))


def choice(tokens: list[tuple[str, float]], **also: Any) -> dict[str, Any]:
    content = [
        {"token": text, "logprob": value, "bytes": list(text.encode(errors="replace")), "top_logprobs": []}
        for text, value in tokens
    ]
    said = {"message": {"content": "".join(text for text, _ in tokens)}, "logprobs": {"content": content}}
    return {"index": 0, **said, "finish_reason": "stop", "token_ids": list(range(len(tokens))), **also}


@settings(deadline=None)
@given(TOKENS, st.booleans(), st.booleans())
def test_what_is_cut_out_and_what_is_left_are_the_reply(
    tokens: list[tuple[str, float]], escaped: bool, refusal: bool
) -> None:
    one = choice(tokens)
    if refusal:
        one["logprobs"]["refusal"] = None
    whole = {"prompt_token_ids": [7, 8], "choices": [one], "usage": None}
    text = json.dumps(whole, ensure_ascii=escaped, separators=COMPACT)
    response = reply(text.encode(errors="surrogatepass" if escaped else "replace"))
    same = json.loads(response.content)
    found = bodies.cut(response, ADDED)
    left = response.json()
    for name, where, piece in (
        ("prompt_token_ids", left, found.prompt),
        ("token_ids", left["choices"][0], found.ids),
        ("logprobs", left["choices"][0], found.logprobs),
    ):
        if piece is not None:
            assert where[name] is None
            where[name] = json.loads(piece)
    assert left == same
    if tokens and not any("logprobs" in text for text, _ in tokens):
        assert None not in (found.prompt, found.ids, found.logprobs)


def test_what_the_program_asked_for_itself_is_not_cut_out() -> None:
    body = json.dumps({"prompt_token_ids": [7], "choices": [choice([("a", -1.0)])]}, separators=COMPACT).encode()
    kept, ids_kept, logprobs_kept = reply(body), reply(body), reply(body)
    assert bodies.cut(kept, ()) == bodies.NOTHING
    assert kept.content == body
    assert bodies.cut(ids_kept, {"logprobs"}).logprobs is not None
    assert ids_kept.json()["prompt_token_ids"] == [7]
    assert ids_kept.json()["choices"][0]["token_ids"] == [0]
    assert bodies.cut(logprobs_kept, {"return_token_ids"}).ids == b"[0]"
    assert logprobs_kept.json()["choices"][0]["logprobs"]["content"]


@pytest.mark.parametrize(
    "choices",
    [
        [choice([("a", -1.0)]), choice([("b", -1.0)], index=1)],
        [choice([("a", -1.0)], logprobs={"content": [{"logprob": -1, "top_logprobs": [{"logprob": -1}]}]})],
        [choice([("a", -1.0)], logprobs={"content": [{"top_logprobs": [], "logprob": -1}]})],
        [choice([("a", -1.0)], logprobs={"token_logprobs": [-1.0]})],
        [choice([("a" * 100, -1.0)] * 1000)],
    ],
    ids=["two choices", "alternatives", "another order", "of completions", "long"],
)
def test_logprobs_that_are_not_as_expected_stay(choices: list[Any]) -> None:
    response = reply(json.dumps({"choices": choices}, separators=COMPACT).encode())
    assert bodies.cut(response, {"logprobs"}) == bodies.NOTHING
    assert response.json() == {"choices": choices}
