"""One request to Anthropic's messages API and its reply: the tool calls that pass by, whole or chunk by chunk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span

from leyden_instrumentation import exact_arguments, tools
from leyden_instrumentation.tools import ToolCall


class MessagesExchange:
    """What is gathered for one LLM span; the program sees its reply as it came."""

    def __init__(self, span: Span, context: Context) -> None:
        self._span = span
        self._context = context
        self._calls: dict[int, dict[str, str]] = {}

    def read(self, data: Any) -> Any:
        """Take in a whole message or one event of a stream."""
        if isinstance(data, Mapping):
            if data.get("type") == "message":
                self._expect([_call(block) for block in data.get("content") or () if _is_call(block)])
            else:
                self._read_event(data)
        return data

    def _read_event(self, event: Mapping[str, Any]) -> None:
        kind, index = event.get("type"), event.get("index", 0)
        if kind == "content_block_start" and _is_call(event.get("content_block")):
            self._calls[index] = _call(event["content_block"]) | {"arguments": ""}
        elif kind == "content_block_delta" and index in self._calls:
            self._calls[index]["arguments"] += (event.get("delta") or {}).get("partial_json") or ""
        elif kind == "message_stop":
            self._expect(list(self._calls.values()))

    def _expect(self, calls: list[dict[str, str]]) -> None:
        if self._span.is_recording():
            self._span.set_attributes(exact_arguments.attribute(calls))
        tools.memory.expect(
            ToolCall(c["id"], c["name"], c["arguments"] or "{}", self._span, self._context) for c in calls
        )


def _is_call(block: Any) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "tool_use"


def _call(block: Mapping[str, Any]) -> dict[str, str]:
    arguments = json.dumps(block.get("input") or {}, ensure_ascii=False)
    return {"id": str(block.get("id")), "name": str(block.get("name")), "arguments": arguments}
