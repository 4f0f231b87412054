"""What Logfire's client instrumentations and older pydantic-ai write instead of the convention's messages.

Chat completions have the bodies in `request_data` and `response_data`; the Responses API has one `events` attribute.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leyden_store.dialects import _openai_raw as openai_raw
from leyden_store.dialects import genai, genai_events
from leyden_store.dialects._messages import content_part, from_openai, message
from leyden_store.dialects._responses import from_response_item, join_assistant
from leyden_store.dialects._tools import params, tools
from leyden_store.dialects._usage import openai_usage
from leyden_store.dialects._values import mapping, parsed, parsed_or_none, text
from leyden_store.spans import Attributes, Event, Span
from leyden_store.turns import Call

_UNKNOWN = "gen_ai.unknown"


def is_request(attributes: Attributes) -> bool:
    """Whether a span that has nothing of the convention yet (Logfire 3) records a call to a model."""
    request = attributes.get("request_data")
    if not isinstance(request, str) or str(attributes.get("logfire.msg_template")).startswith("Image"):
        return False
    return '"messages":' in request or '"prompt":' in request or attributes.get("url") == "/responses"


def told_by_events(span: Span) -> Call:
    """Read older events. Those of the Responses API have no choice: what the assistant said last is the reply."""
    events = _events(parsed(span.attributes, "events"))
    call = genai_events.read(replace(span, events=tuple(event for event in events if event.name != _UNKNOWN)))
    if call.response is not None or not span.scope_name.startswith("logfire"):
        return call
    told = _told(events)
    asked = len(told)
    while asked and told[asked - 1]["role"] == "assistant":
        asked -= 1
    replies = join_assistant(told[asked:])
    response = replies[0] if replies else None
    calls = response is not None and bool(response.get("tool_calls"))
    return replace(
        call,
        messages=join_assistant(told[:asked]),
        response=response,
        finish_reason="tool_calls" if calls else call.finish_reason,
        streamed=mapping(parsed_or_none(span.attributes, "request_data")).get("stream") is True,
        notes=() if told else call.notes,
    )


def _events(raw: Any) -> tuple[Event, ...]:
    items = [mapping(item) for item in raw] if isinstance(raw, list) else []
    return tuple(Event(i, str(item.get("event.name") or ""), item) for i, item in enumerate(items))


def _told(events: tuple[Event, ...]) -> list[dict[str, Any]]:
    """The messages of the Responses API's events; items and parts that have no event of their own are kept whole."""
    told: list[dict[str, Any]] = []
    asked: list[Any] = []
    for event in events:
        item = mapping(event.attributes.get("data"))
        if event.name == _UNKNOWN and str(item.get("type")).startswith("input_"):
            asked.append(content_part(item))
            continue
        if asked:
            told.append(message("user", asked))
            asked = []
        if event.name == _UNKNOWN:
            told.append(from_response_item(item, "events"))
        elif event.name in genai_events.ROLES:
            told.append(genai_events.message_of(event, genai_events.ROLES[event.name]))
    return [*told, message("user", asked)] if asked else told


def told_by_bodies(span: Span) -> Call:
    """Read the request's body and what was kept of the reply's."""
    request = mapping(parsed(span.attributes, "request_data"))
    reply = mapping(parsed(span.attributes, "response_data"))
    call = genai.read(span)
    known = any(key in request for key in ("messages", "input", "prompt"))
    asked = openai_raw.read_request(request) if known else None
    spoken = text(reply.get("text")) or text(reply.get("combined_chunk_content"))
    said = mapping(reply.get("message")) or ({"content": spoken} if spoken else {})
    reasons = parsed_or_none(span.attributes, "gen_ai.response.finish_reasons")
    notes = [] if asked else list(call.notes)
    if said and isinstance(reasons, list) and len(reasons) > 1:
        notes.append(f"the first of {len(reasons)} choices captured")
    return replace(
        call,
        messages=asked.messages if asked else call.messages,
        tools=tools(asked.tools, "request_data") if asked else call.tools,
        params=params(asked.params) if asked else call.params,
        response=from_openai({**said, "role": "assistant"}, "response_data") if said else None,
        finish_reason=call.finish_reason or ("tool_calls" if said.get("tool_calls") else None),
        usage=openai_usage(mapping(reply.get("usage"))) if reply.get("usage") else call.usage,
        model=call.model or text(request.get("model")),
        request_model=call.request_model or text(request.get("model")),
        streamed=request.get("stream") is True,
        notes=notes,
    )
