"""What is read from replies, chunk by chunk, and what the program sees of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context
from opentelemetry.sdk.trace import Span, TracerProvider

from leyden_instrumentation import exact_arguments, tools
from leyden_instrumentation.exchange import Exchange
from leyden_instrumentation.stamping import StampingProcessor

ADDED = frozenset({"return_token_ids", "logprobs"})
PROVIDER = TracerProvider(shutdown_on_exit=False)
PROVIDER.add_span_processor(StampingProcessor())
TRACER = PROVIDER.get_tracer("test")


def start() -> Span:
    span = TRACER.start_span("chat")
    assert isinstance(span, Span)
    return span


def told(span: Span) -> dict[str, Any]:
    """What there is on the span once it has ended."""
    span.end()
    return dict(span.attributes or {})


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> tools.ToolMemory:
    fresh = tools.ToolMemory()
    monkeypatch.setattr(tools, "memory", fresh)
    # Packing has its own tests: here the ids are to be seen.
    monkeypatch.setenv("LEYDEN_TOKEN_ENCODING", "plain")
    return fresh


def logprobs(values: list[float]) -> dict[str, Any]:
    return {"content": [{"token": "t", "logprob": v} for v in values]}


def test_a_reply_parsed_twice_is_counted_once() -> None:
    span = start()
    exchange = Exchange(span, context.get_current(), ADDED)
    reply: dict[str, Any] = {
        "prompt_token_ids": [1, 2],
        "choices": [
            {
                "index": 0,
                "message": {"content": "x"},
                "finish_reason": "stop",
                "token_ids": [3],
                "logprobs": logprobs([-1]),
            }
        ],
        "policy_version": "v2",
    }
    seen = [exchange.read(reply), exchange.read(reply)]
    assert told(span) == {
        "leyden.prompt_token_ids": (1, 2),
        "leyden.response_token_ids": (3,),
        "leyden.response_logprobs": (-1.0,),
        "leyden.policy.version": "v2",
    }
    choice = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop", "logprobs": None}
    assert seen == [{"choices": [choice], "policy_version": "v2"}] * 2
    assert "token_ids" in reply["choices"][0]


def test_what_the_program_asked_for_itself_it_sees() -> None:
    reply = {
        "prompt_token_ids": [1],
        "choices": [{"token_ids": [2], "logprobs": logprobs([-1]), "finish_reason": "stop"}],
    }
    assert Exchange(start(), context.get_current(), frozenset()).read(reply) == reply


@given(st.lists(st.lists(st.integers(0, 200_000), max_size=5), min_size=1, max_size=6))
def test_however_a_stream_is_cut_its_ids_and_logprobs_join(pieces: list[list[int]]) -> None:
    span = start()
    exchange = Exchange(span, context.get_current(), ADDED, streamed=True)
    exchange.read({"prompt_token_ids": [9], "choices": [{"index": 0, "delta": {"role": "assistant"}}]})
    for number, ids in enumerate(pieces):
        values = [-i / 7 for i in ids]
        end = "stop" if number == len(pieces) - 1 else None
        choice = {"index": 0, "delta": {}, "token_ids": ids, "logprobs": logprobs(values), "finish_reason": end}
        exchange.read({"choices": [choice]})
    joined = tuple(i for ids in pieces for i in ids)
    attributes = told(span)
    assert attributes.get("leyden.response_token_ids", ()) == joined
    assert attributes.get("leyden.response_logprobs", ()) == tuple(-i / 7 for i in joined)


@pytest.mark.parametrize("given_logprobs", [[-1.0], [-1.0, -2.0, -3.0], [-1.0, None]])
def test_logprobs_that_do_not_line_up_are_left_out(given_logprobs: list[Any]) -> None:
    span = start()
    choice = {
        "index": 0,
        "message": {},
        "finish_reason": "stop",
        "token_ids": [1, 2],
        "logprobs": logprobs(given_logprobs),
    }
    Exchange(span, context.get_current()).read({"choices": [choice]})
    assert told(span) == {"leyden.response_token_ids": (1, 2)}


def test_text_completions_have_their_own_names() -> None:
    span = start()
    choice = {
        "index": 0,
        "text": "x",
        "finish_reason": "length",
        "prompt_token_ids": [1],
        "token_ids": [2],
        "logprobs": {"token_logprobs": [-0.5]},
    }
    Exchange(span, context.get_current()).read({"object": "text_completion", "choices": [choice]})
    assert told(span) == {
        "leyden.prompt_token_ids": (1,),
        "leyden.response_token_ids": (2,),
        "leyden.response_logprobs": (-0.5,),
    }


@pytest.mark.parametrize("streamed", [False, True])
def test_the_responses_api_asks_for_tools_in_its_output(streamed: bool, memory: tools.ToolMemory) -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}
    reply = {"id": "resp_1", "output": [{"type": "message"}, call]}
    data = {"type": "response.completed", "response": reply} if streamed else reply
    assert Exchange(start(), context.get_current(), streamed=streamed).read(data) == data
    assert len(memory) == 1


def test_an_ended_span_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    span = start()
    span.end()
    Exchange(span, context.get_current()).read(
        {"choices": [{"message": {}, "finish_reason": "stop", "token_ids": [1]}]}
    )
    assert caplog.text == ""


SPACED = '{"a":  1}'


@pytest.mark.parametrize("streamed", [False, True])
def test_arguments_are_told_to_the_letter_where_reading_them_would_change_them(streamed: bool) -> None:
    span = start()
    exchange = Exchange(span, context.get_current(), streamed=streamed)
    calls = [
        {"index": 0, "id": "call_1", "function": {"name": "look", "arguments": SPACED}},
        {"index": 1, "id": "call_2", "function": {"name": "look", "arguments": '{"a": 1}'}},
    ]
    pieces = [calls] if not streamed else [calls[:1], calls[1:]]
    for number, piece in enumerate(pieces, start=1):
        said = {"delta" if streamed else "message": {"tool_calls": piece}}
        exchange.read(
            {"choices": [{"index": 0, "finish_reason": "tool_calls" if number == len(pieces) else None} | said]}
        )
    assert json.loads(str(told(span)[exact_arguments.ATTRIBUTE])) == {"call_1": SPACED}


def test_without_content_arguments_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEYDEN_CAPTURE_CONTENT", "false")
    span = start()
    call = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": SPACED}
    Exchange(span, context.get_current()).read({"id": "resp_1", "output": [call]})
    assert not told(span)
    monkeypatch.delenv("LEYDEN_CAPTURE_CONTENT")
    span = start()
    Exchange(span, context.get_current()).read({"id": "resp_1", "output": [call]})
    assert told(span) == {exact_arguments.ATTRIBUTE: json.dumps({"call_1": SPACED})}
