"""What the made-up server says, by the model's name and the state of the conversation."""

from __future__ import annotations

import json
from typing import Any

Choice = tuple[dict[str, Any], str]

UNICODE = {"city": "Zürich 🌍", "note": 'say "hej"\n\\o/'}
NESTED = {"filter": {"and": [{"k": 1}, {"k": [True, None, 2.5]}]}, "limit": 10}


def call(call_id: str, name: str, arguments: Any) -> dict[str, Any]:
    """A tool call as OpenAI sends it; arguments are written as JSON unless they are text already."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def chat(body: dict[str, Any]) -> list[Choice]:
    """The choices of a chat completion."""
    model = body["model"]
    answered = any(message.get("role") == "tool" for message in body["messages"])
    if answered:
        return [({"content": "It is 18 in Paris and 9 in Oslo."}, "stop")]
    if model == "fake-n":
        return [({"content": f"Answer number {i}."}, "stop") for i in range(body.get("n") or 1)]
    return [_CHAT.get(model, ({"content": "Hello there, how are you?"}, "stop"))]


_CALLS = {
    "fake-parallel": (
        None,
        [call("call_a", "weather", {"city": "Paris"}), call("call_b", "weather", {"city": "Oslo"})],
    ),
    "fake-text-and-call": ("Let me look.", [call("call_a", "weather", {"city": "Paris"})]),
    "fake-unicode": (None, [call("call_u", "weather", UNICODE)]),
    "fake-nested": (None, [call("call_n", "search", NESTED)]),
    "fake-no-arguments": (None, [call("call_e", "now", {})]),
    "fake-empty-arguments": (None, [call("call_e", "now", "")]),
    "fake-broken-arguments": (None, [call("call_x", "weather", '{"city": "Par')]),
    "fake-spaced-arguments": (None, [call("call_s", "weather", '{ "city" :  "Paris" }')]),
}
_CHAT: dict[str, Choice] = {
    **{model: ({"content": text, "tool_calls": calls}, "tool_calls") for model, (text, calls) in _CALLS.items()},
    "fake-reasoning": ({"content": "It is 4.", "reasoning_content": "Two and two make four."}, "stop"),
    "fake-refusal": ({"content": None, "refusal": "I will not do that."}, "stop"),
    "fake-empty": ({"content": ""}, "stop"),
    "fake-length": ({"content": "This goes on and"}, "length"),
    "fake-filtered": ({"content": "Well,"}, "content_filter"),
    "fake-json": ({"content": '{"name": "Ada", "age": 36}'}, "stop"),
    "fake-unicode-text": ({"content": "Grüße 🌍\n\tтест\u2028 end"}, "stop"),
    "fake-function": ({"content": None, "function_call": {"name": "now", "arguments": "{}"}}, "function_call"),
    "fake-long": ({"content": "word " * 40}, "stop"),
}


def responses(body: dict[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
    """The output items of the Responses API, and why the reply is incomplete, if it is."""
    model = body["model"]
    items = body["input"] if isinstance(body["input"], list) else []
    if any(item.get("type") == "function_call_output" for item in items):
        return [_text("It is 18 in Paris and 9 in Oslo.")], None
    if model == "fake-parallel":
        return [_function("fc_1", "call_a", '{"city": "Paris"}'), _function("fc_2", "call_b", '{"city": "Oslo"}')], None
    if model == "fake-text-and-call":
        return [_text("Let me look."), _function("fc_1", "call_a", '{"city": "Paris"}')], None
    if model == "fake-reasoning":
        thought = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Two and two."}]}
        return [thought, _text("It is 4.")], None
    if model == "fake-json":
        return [_text('{"name": "Ada", "age": 36}')], None
    if model == "fake-length":
        return [_text("This goes on and", status="incomplete")], "max_output_tokens"
    if model == "fake-refusal":
        refusal = [{"type": "refusal", "refusal": "I will not do that."}]
        return [
            {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": refusal}
        ], None
    return [_text("Hello there, how are you?")], None


def _text(text: str, status: str = "completed") -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content}


def _function(item_id: str, call_id: str, arguments: str) -> dict[str, Any]:
    return {
        "id": item_id, "type": "function_call", "status": "completed",
        "call_id": call_id, "name": "weather", "arguments": arguments,
    }  # fmt: skip
