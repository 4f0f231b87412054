"""Tool spans that nobody records, put together from both ends.

A reply asks for a tool call, and a later request of the same trace brings its result: between the two the tool ran. The
memory holds calls that wait for their result; a real span for the call, from whatever instrumentation, takes it out.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span

from leyden_instrumentation import settings, spans

if TYPE_CHECKING:  # the SDK is no part of what an agent that is not recorded loads
    from opentelemetry.sdk.trace import ReadableSpan

_LIMIT = 4096
"""Calls that may wait at once; the oldest is forgotten first: a call that is never answered must not cost memory."""

Key = tuple[int, str]
"""Trace id (0 where LLM spans are roots, each a trace of its own) and tool call id, which some servers repeat."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a reply asked for. `arguments` is the exact string."""

    call_id: str
    name: str
    arguments: str
    llm_span: Span | ReadableSpan
    context: Context
    asked_ns: int = field(default_factory=time.time_ns)

    @property
    def key(self) -> Key:
        return (_trace_of(self.llm_span), self.call_id)


class ToolMemory:
    """Tool calls without a result yet. Threads may share one."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._waiting: OrderedDict[Key, ToolCall] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self, calls: Iterable[ToolCall]) -> None:
        """Remember the calls of one reply."""
        with self._lock:
            for call in calls:
                self._waiting[call.key] = call
                self._waiting.move_to_end(call.key)
            while len(self._waiting) > self._limit:
                self._waiting.popitem(last=False)

    def claim(self, span: Any, name: str, arguments: str) -> str | None:
        """Take out the call that `span`, an execution of `name`, answers, and return its id.

        Of the calls of that name in the span's trace: the one with these arguments (JSON), else the only one.
        """
        trace_id = _trace_of(span)
        with self._lock:
            calls = [c for key, c in self._waiting.items() if key[0] == trace_id and c.name == name]
            same = [c for c in calls if _json(c.arguments) == _json(arguments)]
            found = same or (calls if len(calls) == 1 else [])
            if not found:
                return None
            del self._waiting[found[0].key]
            return found[0].call_id

    def notice(self, span: Any) -> None:
        """If `span` is a real tool span, take out the call it records: by call id, else by trace and tool name."""
        if not self._waiting or not spans.is_tool(span):
            return
        have = spans.attributes(span)
        if have.get("leyden.synthetic"):
            return
        call_id = have.get("gen_ai.tool.call.id") or have.get("tool_call.id")
        name = have.get("gen_ai.tool.name") or have.get("tool.name") or have.get("traceloop.entity.name") or span.name
        trace_id = _trace_of(span)
        with self._lock:
            if call_id:
                self._waiting.pop((trace_id, str(call_id)), None)
                return
            # Start and end of one span must not take two calls: only the end counts where there is no id.
            if span.end_time is not None:
                found = (k for k, c in self._waiting.items() if k[0] == trace_id and c.name == name)
                self._waiting.pop(next(found, (0, "")), None)

    def answer(self, body: Mapping[str, Any], llm_span: Any) -> None:
        """Make the spans of the calls whose results `body`, the request of `llm_span`, brings for the first time."""
        if self._waiting:
            self.settle(_results(body), llm_span)

    def settle(self, results: Iterable[tuple[str, Any]], llm_span: Any) -> None:
        """The same, of results by call id; where a server gave an id twice, the last result is the new one."""
        trace_id = _trace_of(llm_span)
        for call_id, result in dict(results).items():
            with self._lock:
                call = self._waiting.pop((trace_id, call_id), None)
            if call is not None:
                _record(call, result, getattr(llm_span, "start_time", None) or time.time_ns())


memory = ToolMemory()
"""The process's memory."""


def _record(call: ToolCall, result: Any, end_ns: int) -> None:
    ended = getattr(call.llm_span, "end_time", None) or call.asked_ns
    parent: Any = getattr(call.llm_span, "parent", None) or call.llm_span.get_span_context()
    attributes: dict[str, str | bool] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": call.name,
        "gen_ai.tool.call.id": call.call_id,
        "gen_ai.tool.type": "function",
        "leyden.synthetic": True,
    }
    if settings.enabled(settings.CAPTURE_CONTENT):
        attributes["gen_ai.tool.call.arguments"] = call.arguments
        attributes["gen_ai.tool.call.result"] = result if isinstance(result, str) else json.dumps(result, default=str)
    span = trace.get_tracer("leyden").start_span(
        f"execute_tool {call.name}",
        context=trace.set_span_in_context(NonRecordingSpan(parent), call.context),
        start_time=min(ended, end_ns),
        attributes=attributes,
    )
    span.end(end_ns)


def _results(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Tool results in a request: `tool` messages of chat, `function_call_output` items of the Responses API, and
    `tool_result` blocks of Anthropic's messages.
    """
    for message in _list(body.get("messages")):
        if isinstance(message, Mapping) and message.get("role") == "tool":
            yield str(message.get("tool_call_id")), message.get("content")
        elif isinstance(message, Mapping) and message.get("role") == "user":
            for block in _list(message.get("content")):
                if isinstance(block, Mapping) and block.get("type") == "tool_result":
                    yield str(block.get("tool_use_id")), block.get("content")
    for item in _list(body.get("input")):
        if isinstance(item, Mapping) and item.get("type") == "function_call_output":
            yield str(item.get("call_id")), item.get("output")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _trace_of(span: Any) -> int:
    return int(span.get_span_context().trace_id) if getattr(span, "parent", None) is not None else 0
