"""pydantic-ai and Logfire: the GenAI convention with habits of their own.

Theirs: OpenAI's usage object whole (`gen_ai.usage.raw`), lists as JSON text, older versions' messages as events in one
`events` attribute or the bodies in `request_data` and `response_data`, and a streamed reply told by a log beside the
call.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leyden_store.dialects import _openai_raw as openai_raw
from leyden_store.dialects import genai, genai_events
from leyden_store.dialects._messages import from_openai
from leyden_store.dialects._tools import params, tools
from leyden_store.dialects._usage import openai_usage
from leyden_store.dialects._values import mapping, parsed, parsed_or_none, text
from leyden_store.spans import Event, Span
from leyden_store.turns import Call

NAME = "pydantic-ai"


def matches(span: Span) -> bool:
    """An LLM span of pydantic-ai or of Logfire's client instrumentations."""
    if not span.scope_name.startswith(("pydantic-ai", "logfire")):
        return False
    if span.attributes.get("gen_ai.operation.name") is not None:
        return genai.matches(span)
    return "gen_ai.request.model" in span.attributes and (
        "request_data" in span.attributes or "events" in span.attributes
    )


def read(span: Span) -> Call:
    """Read the span. Raises Unreadable where content is broken."""
    attributes = span.attributes
    if "gen_ai.input.messages" in attributes:
        call = genai.read(span)
    elif "events" in attributes:
        call = genai_events.read(replace(span, events=_events(parsed(attributes, "events"))))
    else:
        call = _bodies(span)
    raw = mapping(parsed_or_none(attributes, "gen_ai.usage.raw"))
    return replace(
        call,
        dialect=NAME,
        usage=openai_usage(raw) if raw else call.usage,
        continues=attributes.get("logfire.span_type") == "log",
    )


def _events(raw: Any) -> tuple[Event, ...]:
    items = [mapping(item) for item in raw] if isinstance(raw, list) else []
    return tuple(Event(i, str(item.get("event.name") or ""), item) for i, item in enumerate(items))


def _bodies(span: Span) -> Call:
    request = mapping(parsed(span.attributes, "request_data"))
    reply = mapping(parsed(span.attributes, "response_data"))
    call = genai.read(span)
    asked = openai_raw.read_request(request) if "messages" in request or "input" in request else None
    said = reply.get("message")
    if said is None and text(reply.get("combined_chunk_content")):
        said = {"content": reply["combined_chunk_content"]}
    return replace(
        call,
        messages=asked.messages if asked else call.messages,
        tools=tools(asked.tools, "request_data") if asked else call.tools,
        params=params(asked.params) if asked else call.params,
        response=from_openai({**mapping(said), "role": "assistant"}, "response_data") if said else None,
        usage=openai_usage(mapping(reply.get("usage"))) if reply.get("usage") else call.usage,
        streamed=request.get("stream") is True,
        notes=() if asked else call.notes,
    )
