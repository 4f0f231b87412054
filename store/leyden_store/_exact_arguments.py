"""Tool-call arguments to the letter, where the capture told their text beside what its instrumentation made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from leyden_store.spans import AttributeValue
from leyden_store.turns import Message

ATTRIBUTE = "leyden.tool_call_arguments"
"""A JSON object: a call's id → the text of its arguments."""


def to_the_letter(response: Message, told: AttributeValue) -> Message:
    """The response with each call's arguments as they were written, as far as the two say the same."""
    texts = _parsed(told)
    if not isinstance(texts, Mapping) or not response.get("tool_calls"):
        return response
    return {**response, "tool_calls": [_call(call, texts.get(call.get("id"))) for call in response["tool_calls"]]}


def _call(call: Mapping[str, Any], text: Any) -> Mapping[str, Any]:
    function = call.get("function")
    if not isinstance(text, str) or not function or _parsed(text) != _parsed(function.get("arguments")):
        return call
    return {**call, "function": {**function, "arguments": text}}


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return None
