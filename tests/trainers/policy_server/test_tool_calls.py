"""Tool calls in a reply's text: read when all of it can be, and otherwise left as text."""

from __future__ import annotations

import pytest

from leyden_trainers.policy_server.tool_calls import ToolCall, parse

CALL = '<tool_call> {"name": "price", "arguments": {"item": "lamp"}} </tool_call>'


@pytest.mark.parametrize(
    ("text", "content", "calls"),
    [
        ("it is 42", "it is 42", []),
        ("", "", []),
        (CALL, "", [ToolCall("price", '{"item": "lamp"}')]),
        (f"let me look {CALL}", "let me look", [ToolCall("price", '{"item": "lamp"}')]),
        (f"{CALL}\n{CALL}", "", [ToolCall("price", '{"item": "lamp"}')] * 2),
        ('<tool_call>{"name":"f","arguments":{}}</tool_call>', "", [ToolCall("f", "{}")]),
        ('<tool_call>{"name":"f","arguments":{"w":"Zürich"}}</tool_call>', "", [ToolCall("f", '{"w": "Zürich"}')]),
    ],
)
def test_calls_are_read(text: str, content: str, calls: list[ToolCall]) -> None:
    assert parse(text) == (content, calls)


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call> {} </tool_call>",
        "<tool_call> [1] </tool_call>",
        '<tool_call> {"name": "f", "arguments": "x"} </tool_call>',
        '<tool_call> {"name": 3, "arguments": {}} </tool_call>',
        '<tool_call> {"name": "f", "arguments": {}',
        f"{CALL} and so on",
        f"{CALL} <tool_call> broken </tool_call>",
    ],
)
def test_a_reply_with_a_call_that_cannot_be_read_is_text(text: str) -> None:
    assert parse(text) == (text, [])
