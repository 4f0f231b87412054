"""pydantic-ai and Logfire: the GenAI convention with habits of their own.

Theirs: OpenAI's usage object whole (`gen_ai.usage.raw`), lists as JSON text, older versions' messages as events in one
`events` attribute or the bodies in `request_data` and `response_data`, and a streamed reply told by a log beside the
call.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leyden_store.dialects import _logfire, genai
from leyden_store.dialects._tools import tools
from leyden_store.dialects._usage import openai_usage
from leyden_store.dialects._values import listed, mapping, parsed_or_none
from leyden_store.spans import Attributes, Span
from leyden_store.turns import Call

NAME = "pydantic-ai"

_PENDING = "pending_span"
"""Logfire tells of a span that is not ended yet by one of its own, which says nothing the span itself will not."""


def matches(span: Span) -> bool:
    """An LLM span of pydantic-ai or of Logfire's client instrumentations."""
    attributes = span.attributes
    if not span.scope_name.startswith(("pydantic-ai", "logfire")) or attributes.get("logfire.span_type") == _PENDING:
        return False
    if attributes.get("gen_ai.operation.name") is not None:
        return genai.matches(span)
    if "gen_ai.request.model" in attributes:
        return "request_data" in attributes or "events" in attributes
    return _logfire.is_request(attributes)


def read(span: Span) -> Call:
    """Read the span. Raises Unreadable where content is broken."""
    attributes = span.attributes
    if "gen_ai.input.messages" in attributes:
        call = genai.read(span)
    elif "events" in attributes:
        call = _logfire.told_by_events(span)
    else:
        call = _logfire.told_by_bodies(span)
    raw = mapping(parsed_or_none(attributes, "gen_ai.usage.raw"))
    called = call.response is not None and bool(call.response.get("tool_calls"))
    return replace(
        call,
        dialect=NAME,
        tools=call.tools or _offered(attributes),
        finish_reason=call.finish_reason or ("tool_calls" if called else None),
        usage=openai_usage(raw) if raw else call.usage,
        continues=attributes.get("logfire.span_type") == "log",
    )


def _offered(attributes: Attributes) -> list[dict[str, Any]]:
    """The tools older versions wrote among the request's parameters, in words of their own."""
    asked = mapping(parsed_or_none(attributes, "model_request_parameters"))
    found = [
        {"name": tool.get("name"), "description": tool.get("description"), "parameters": tool["parameters_json_schema"]}
        for tool in map(mapping, listed(asked.get("function_tools")))
        if "parameters_json_schema" in tool
    ]
    return tools(found, "model_request_parameters")
