"""Tool calls in a reply's text, in the tagged format of Hermes and Qwen models.

<tool_call> {"name": "price", "arguments": {"item": "lamp"}} </tool_call>
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

OPENING = "<tool_call>"
_TAGGED = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is a JSON object as text, as the OpenAI API has it."""

    name: str
    arguments: str


def parse(text: str) -> tuple[str, list[ToolCall]]:
    """The reply's content and its tool calls.

    A reply in which any call cannot be read, or which says something after a call, has no calls: all of it is
    content. So nothing sampled is lost, and rendered again it gives the same text.
    """
    first = text.find(OPENING)
    if first < 0 or _TAGGED.sub("", text[first:]).strip():
        return text, []
    calls = [_call(body) for body in _TAGGED.findall(text, first)]
    if None in calls:
        return text, []
    return text[:first].rstrip(), [call for call in calls if call]


def _call(body: str) -> ToolCall | None:
    try:
        value: Any = json.loads(body)
    except ValueError:
        return None
    if not isinstance(value, dict) or set(value) != {"name", "arguments"}:
        return None
    name, arguments = value["name"], value["arguments"]
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    return ToolCall(name, json.dumps(arguments, ensure_ascii=False))
