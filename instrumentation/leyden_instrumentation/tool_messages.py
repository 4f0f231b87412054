"""Tool calls and their results where we hook no client: read off the messages of its spans, once these have ended.

Amazon Bedrock's and Google's clients are recorded so. Without content on the spans there is nothing to read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan

from leyden_instrumentation import content, tools
from leyden_instrumentation.attributes import as_text

_SCOPES = (
    "opentelemetry.instrumentation.genai.bedrock",
    "opentelemetry.instrumentation.google_genai",
    "opentelemetry.instrumentation.bedrock",
    "opentelemetry.instrumentation.google_generativeai",
)


def notice(span: ReadableSpan) -> None:
    """A span has ended: the results that its call brought end tools, and what its reply asks for is waited for."""
    scope = span.instrumentation_scope
    if scope is None or scope.name not in _SCOPES:
        return
    have = span.attributes or {}
    asked, replied = have.get(content.INPUT), have.get(content.OUTPUT)
    if not isinstance(asked, str):
        return
    conversation = _Conversation()
    # A history grows, and is read again with every call: only where something waits for it, or calls without ids count.
    if "tool_call" in asked:
        conversation.hear(asked)
        tools.memory.settle(conversation.results, span)
    if isinstance(replied, str) and '"tool_call"' in replied:
        tools.memory.expect(
            tools.ToolCall(key, name, arguments, span, context.get_current())
            for key, name, arguments in conversation.hear(replied)
        )


class _Conversation:
    """Calls and results in the order of the messages. A call without an id has its number for one."""

    def __init__(self) -> None:
        self.results: list[tuple[str, Any]] = []
        self._count = 0
        self._open: list[str] = []

    def hear(self, messages: str) -> list[tuple[str, str, str]]:
        """Take in messages; the id, name and arguments of each call in them."""
        calls = []
        for message in json.loads(messages):
            for part in message.get("parts") or ():
                if part.get("type") == "tool_call":
                    key = str(part.get("id") or f"#{self._count}")
                    self._count += 1
                    self._open.append(key)
                    calls.append((key, str(part.get("name")), as_text(part.get("arguments") or {}) or "{}"))
                elif part.get("type") == "tool_call_response" and self._open:
                    # Google's client answers without the call's id; its answers come in the order of the calls.
                    key = str(part.get("id"))
                    key = key if key in self._open else self._open[0]
                    self._open.remove(key)
                    self.results.append((key, _said(part.get("response", part.get("result")))))
        return calls


def _said(result: Any) -> Any:
    """What a tool gave: its text, where Bedrock's blocks hold that alone."""
    if isinstance(result, list) and len(result) == 1 and isinstance(result[0], Mapping) and set(result[0]) == {"text"}:
        return result[0]["text"]
    return result
