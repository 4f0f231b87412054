"""Langfuse: observations of type `generation`, their input and output as JSON text.

https://langfuse.com/integrations/native/opentelemetry
"""

from __future__ import annotations

from typing import Any

from leyden_store.dialects._messages import finish_reason, from_openai, message
from leyden_store.dialects._responses import from_response_items, is_response_item
from leyden_store.dialects._tools import params, tools
from leyden_store.dialects._usage import openai_usage
from leyden_store.dialects._values import Unreadable, first, integer, mapping, parsed_or_none, parsed_or_text, text
from leyden_store.spans import Attributes, Span
from leyden_store.turns import Call, Usage

NAME = "langfuse"

_INPUT = "langfuse.observation.input"
_OUTPUT = "langfuse.observation.output"
_MEDIA = "@@@langfuseMedia:"


def matches(span: Span) -> bool:
    """An observation of type generation."""
    return span.attributes.get("langfuse.observation.type") == "generation"


def read(span: Span) -> Call:
    """Read the span. Raises Unreadable where content is broken."""
    attributes = span.attributes
    asked = parsed_or_text(attributes, _INPUT)
    request = mapping(asked)
    outputs = _outputs(parsed_or_text(attributes, _OUTPUT))
    finish = finish_reason(parsed_or_text(attributes, "langfuse.observation.metadata.finish_reason"))
    if finish is None and outputs and outputs[0].get("tool_calls"):
        finish = "tool_calls"
    messages = _messages(request.get("messages", request.get("input", asked)))
    if instructions := text(request.get("instructions")):
        messages.insert(0, message("system", instructions))
    notes = [] if messages else ["no content captured"]
    if _MEDIA in str(attributes.get(_INPUT)):
        notes.append("media was put elsewhere by Langfuse: a reference stands in its place")
    return Call(
        dialect=NAME,
        messages=messages,
        response=outputs[0] if outputs else None,
        choices=outputs[1:],
        tools=tools(request.get("tools") or request.get("functions"), _INPUT),
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
    if any(is_response_item(item) for item in asked):
        return from_response_items(asked, _INPUT)
    return [message("user", item) if isinstance(item, str) else from_openai(item, _INPUT) for item in asked]


def _outputs(said: Any) -> list[dict[str, Any]]:
    """The reply: a message, several for as many choices, or the Responses API's items, which are one."""
    if isinstance(said, str):
        return [message("assistant", said)]
    many = said if isinstance(said, list) else [said]
    if any(is_response_item(item) for item in many):
        return from_response_items(many, _OUTPUT)[:1]
    return [_output(item) for item in many if isinstance(item, dict)]


def _output(said: dict[str, Any]) -> dict[str, Any]:
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
