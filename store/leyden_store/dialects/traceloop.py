"""OpenLLMetry (Traceloop) 0.6 and later: the GenAI convention's messages with habits of its own.

Its habits: finish reason `tool_call`, `gen_ai.usage.reasoning_tokens`, sessions under association properties, and in
the Responses API the item's id (`fc_…`) on a call whose result names the call's (`call_…`).
"""

from __future__ import annotations

from dataclasses import replace

from leyden_store.dialects import genai
from leyden_store.dialects._tool_ids import join_tool_ids
from leyden_store.dialects._values import first, text
from leyden_store.spans import Span
from leyden_store.turns import Call

NAME = "traceloop"

_SPAN_NAMES = ("openai.chat", "openai.completion", "openai.response")
_RAW = "X-Stainless-Raw-Response"
_PROPERTIES = "traceloop.association.properties."


def matches(span: Span) -> bool:
    """An LLM span of OpenLLMetry with JSON messages: by a mark only it leaves, on an LLM operation."""
    attributes = span.attributes
    operation = attributes.get("gen_ai.operation.name")
    if operation is not None and operation not in genai.LLM_OPERATIONS:
        return False
    if span.name in _SPAN_NAMES and "gen_ai.request.model" in attributes:
        return "gen_ai.system" not in attributes or "gen_ai.input.messages" in attributes
    return operation is not None and (
        "gen_ai.is_streaming" in attributes or any(key.startswith("traceloop.") for key in attributes)
    )


def read(span: Span) -> Call:
    """Read the span. Raises Unreadable where content is broken."""
    call = genai.read(span)
    messages, tool_ids = join_tool_ids(call.messages)
    unseen = call.streamed and call.response is None and _RAW in str(span.attributes.get("gen_ai.headers"))
    return replace(
        call,
        dialect=NAME,
        messages=messages,
        unseen=unseen,
        notes=[*call.notes, "reply not captured: a stream taken as a raw response"] if unseen else call.notes,
        tool_ids=tool_ids,
        session_id=call.session_id or session(span),
    )


def session(span: Span) -> str | None:
    """The session of an association property."""
    return text(first(span.attributes, _PROPERTIES + "session_id", _PROPERTIES + "thread_id"))
