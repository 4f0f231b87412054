"""What is said in a call is written from the wire: all of it, and in words that read back as they were."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leyden_instrumentation.content import INPUT, OUTPUT, TOOLS, Said, of_choices, of_request, of_response
from leyden_store.dialects._messages import from_openai, from_parts
from leyden_store.dialects._tools import defined

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":  1}'}}
PICTURE = {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "high"}}
INLINE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}}
FILE = {"type": "file", "file": {"file_id": "f1"}}
MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi 🌍", "name": "alice"},
    {"role": "user", "content": [{"type": "text", "text": "What is it?"}, PICTURE, INLINE, SOUND, FILE]},
    {"role": "assistant", "content": "Let me look.", "reasoning_content": "Hm.", "tool_calls": [CALL]},
    {"role": "assistant", "content": None, "refusal": "No."},
    {"role": "assistant", "content": None, "function_call": {"name": "now", "arguments": "{}"}},
    {"role": "tool", "tool_call_id": "c1", "content": "found"},
    {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
]


@pytest.mark.parametrize("message", MESSAGES, ids=range(len(MESSAGES)))
def test_a_message_reads_back_as_it_was_sent(message: dict[str, Any]) -> None:
    (written,) = json.loads(of_request({"messages": [message]})[INPUT])
    assert from_parts(written, INPUT) == [from_openai(message, INPUT)]


def test_tools_read_back_as_they_were_offered_old_ones_too() -> None:
    function = {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}
    offered = {"type": "function", "function": function}
    for body in ({"tools": [offered]}, {"functions": [function]}):
        assert defined({TOOLS: of_request({"messages": [], **body})[TOOLS]}, TOOLS) == [offered]


@given(st.lists(st.text(max_size=5), max_size=5), st.lists(st.text(max_size=5), max_size=5))
def test_however_a_stream_is_cut_it_says_the_same(texts: list[str], thoughts: list[str]) -> None:
    pieces, whole = Said(), Said()
    for thought in thoughts:
        pieces.hear({"reasoning_content": thought})
    for text in texts:
        pieces.hear({"content": text})
    whole.hear({"content": "".join(texts), "reasoning_content": "".join(thoughts)})
    (cut,), (uncut,) = (json.loads(of_choices({0: said})[OUTPUT]) for said in (pieces, whole))
    assert from_parts(cut, OUTPUT) == from_parts(uncut, OUTPUT)


def test_half_a_surrogate_pair_can_be_exported() -> None:
    written = of_request({"messages": [{"role": "user", "content": "a\ud83d"}]})[INPUT]
    assert json.loads(written.encode().decode())[0]["parts"][0]["content"] == "a\ud83d"


def test_objects_of_the_client_are_written_as_they_are_sent() -> None:
    from openai.types.chat import ChatCompletionMessage

    message = ChatCompletionMessage(role="assistant", content="hi")
    (written,) = json.loads(of_request({"messages": [message]})[INPUT])
    assert from_parts(written, INPUT) == [{"role": "assistant", "content": "hi"}]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ({"status": "completed"}, "tool_call"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
    ],
)
def test_a_reply_of_the_responses_api_is_one_message(reply: dict[str, Any], reason: str) -> None:
    items = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Two and two."}]},
        {
            "type": "message",
            "content": [{"type": "output_text", "text": "It is 4."}, {"type": "refusal", "refusal": "No"}],
        },
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"a":  1}'},
    ]
    (written,) = json.loads(of_response(reply | {"output": items})[OUTPUT])
    assert written["finish_reason"] == reason
    assert from_parts(written, OUTPUT) == [
        {"role": "assistant", "content": "It is 4.", "reasoning_content": "Two and two.", "refusal": "No"}
        | {"tool_calls": [CALL]}
    ]
