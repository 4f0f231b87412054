"""Langfuse: observations of type `generation`, their input and output as JSON text.

https://langfuse.com/integrations/native/opentelemetry
"""

from __future__ import annotations

from typing import Any

from leyden_store.dialects._messages import finish_reason, from_openai, message
from leyden_store.dialects._tools import params, tools
from leyden_store.dialects._usage import openai_usage
from leyden_store.dialects._values import Unreadable, first, integer, mapping, parsed_or_none, parsed_or_text, text
from leyden_store.spans import Attributes, Span
from leyden_store.turns import Call, Usage

NAME = "langfuse"

_INPUT = "langfuse.observation.input"
_OUTPUT = "langfuse.observation.output"


def matches(span: Span) -> bool:
    """An observation of type generation."""
    return span.attributes.get("langfuse.observation.type") == "generation"


def read(span: Span) -> Call:
    """Read the span. Raises Unreadable where content is broken."""
    attributes = span.attributes
    asked = parsed_or_text(attributes, _INPUT)
    response = _response(parsed_or_text(attributes, _OUTPUT))
    finish = finish_reason(parsed_or_text(attributes, "langfuse.observation.metadata.finish_reason"))
    if finish is None and response and response.get("tool_calls"):
        finish = "tool_calls"
    messages = _messages(mapping(asked).get("messages", asked))
    notes = [] if messages else ["no content captured"]
    if finish is None and response is not None:
        notes.append("finish reason not captured")
    return Call(
        dialect=NAME,
        messages=messages,
        response=response,
        tools=tools(mapping(asked).get("tools"), _INPUT),
        finish_reason=finish,
        usage=_usage(attributes),
        params=params(_parameters(attributes)),
        model=text(first(attributes, "langfuse.observation.model.name", "gen_ai.request.model")),
        session_id=text(first(attributes, "langfuse.session.id", "session.id")),
        notes=notes,
    )


def _messages(asked: Any) -> list[dict[str, Any]]:
    if asked is None:
        return []
    if isinstance(asked, str):
        return [message("user", asked)]
    if isinstance(asked, dict):
        asked = [asked] if "role" in asked else []
    if not isinstance(asked, list):
        raise Unreadable(_INPUT, f"the input is a {type(asked).__name__}, neither text nor messages")
    return [message("user", item) if isinstance(item, str) else from_openai(item, _INPUT) for item in asked]


def _response(said: Any) -> dict[str, Any] | None:
    if isinstance(said, list) and said:
        said = said[0]
    if isinstance(said, str):
        return message("assistant", said)
    if not isinstance(said, dict):
        return None
    if "role" in said or "content" in said or "tool_calls" in said:
        return from_openai({**said, "role": "assistant"}, _OUTPUT)
    return message("assistant", [said])


def _parameters(attributes: Attributes) -> dict[str, Any]:
    raw = mapping(parsed_or_none(attributes, "langfuse.observation.model.parameters"))
    # Its client writes the token limit "Infinity" where none was set.
    return {key: value for key, value in raw.items() if value != "Infinity"}


def _usage(attributes: Attributes) -> Usage:
    raw = mapping(parsed_or_none(attributes, "langfuse.observation.usage_details"))
    if "prompt_tokens" in raw or "input_tokens" in raw:
        return openai_usage(raw)
    return Usage(
        input=integer(raw.get("input")),
        output=integer(raw.get("output")),
        reasoning=integer(raw.get("output_reasoning_tokens", raw.get("output_reasoning"))),
        cached=integer(raw.get("input_cached_tokens", raw.get("input_cache_read"))),
    )
