"""OpenTelemetry's GenAI events: a call's content in events beside the span, attributes on the span.

Older ones are an event per message (`gen_ai.user.message`, `gen_ai.choice`, …), newer ones one event with everything
(`gen_ai.client.inference.operation.details`). Mostly they are log records: `join_logs` puts those on their spans, as
the span events they once were.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from leyden_store.dialects import genai
from leyden_store.dialects._messages import finish_reason, from_openai
from leyden_store.dialects._values import mapping, plain, text
from leyden_store.spans import AttributeValue, Event, LogRecord, Span
from leyden_store.turns import Call

NAME = "genai-events"

_DETAILS = "gen_ai.client.inference.operation.details"
_CHOICE = "gen_ai.choice"
_WHOLE = (_DETAILS, "gen_ai.content.prompt", "gen_ai.content.completion")
"""Events that carry what attributes would: the first today's, the others the oldest."""

ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
"""Event → the role it speaks in."""

_BODY = "body"


def join_logs(spans: Iterable[Span], logs: Iterable[LogRecord]) -> list[Span]:
    """Give each span the named log records that point at it, as events in order of time.

    A record's body that is an object joins its attributes; any other stands under `body`. A record that is told twice,
    or that the span has as an event already (an export of both, read again), counts once.
    """
    found: dict[tuple[str, str], list[Event]] = {}
    for record in logs:
        if record.name and record.span_id:
            found.setdefault((record.trace_id, record.span_id), []).append(_event(record))
    if not found:
        return list(spans)
    return [_with_events(span, found.get((span.trace_id, span.span_id), ())) for span in spans]


def _event(record: LogRecord) -> Event:
    body: Mapping[str, AttributeValue] = {}
    if isinstance(record.body, Mapping):
        body = record.body
    elif record.body is not None:
        body = {_BODY: record.body}
    return Event(record.time_ns, record.name, {**record.attributes, **body})


def _with_events(span: Span, events: Sequence[Event]) -> Span:
    if not events:
        return span
    told = list(span.events)
    for event in events:
        if event not in told:
            told.append(event)
    return replace(span, events=tuple(sorted(told, key=lambda event: event.time_ns)))


def matches(span: Span) -> bool:
    """An LLM span of the convention whose content is in its events."""
    if not genai.matches(span) or "gen_ai.input.messages" in span.attributes:
        return False
    return any(event.name in ROLES or event.name in _WHOLE or event.name == _CHOICE for event in span.events)


def read(span: Span) -> Call:
    """Read the span. Raises Unreadable where content is broken."""
    whole = [event.attributes for event in span.events if event.name in _WHOLE]
    if whole:
        told = {key: value for attributes in whole for key, value in attributes.items()}
        return replace(genai.read(replace(span, attributes={**told, **span.attributes})), dialect=NAME)
    call = genai.read(span)
    messages = [message_of(event, ROLES[event.name]) for event in span.events if event.name in ROLES]
    chosen = [event.attributes for event in span.events if event.name == _CHOICE]
    chosen.sort(key=lambda choice: _index(choice.get("index")))
    outputs = [_choice(choice) for choice in chosen]
    reasons = [finish_reason(choice.get("finish_reason")) for choice in chosen]
    return replace(
        call,
        dialect=NAME,
        messages=messages,
        response=outputs[0] if outputs else None,
        choices=[{**spoken, "finish_reason": reasons[i]} for i, spoken in enumerate(outputs)][1:],
        finish_reason=reasons[0] if reasons and reasons[0] else call.finish_reason,
        notes=() if messages else call.notes,
    )


def _index(value: Any) -> int:
    return value if isinstance(value, int) else 0


def message_of(event: Event, role: str) -> dict[str, Any]:
    """The message of an event that is one. Raises Unreadable where it is broken."""
    attributes = event.attributes
    raw: dict[str, Any] = {"role": text(attributes.get("role")) or role}
    for key in ("content", "tool_calls", "name"):
        raw[key] = _loaded(attributes.get(key), key)
    if role == "tool":
        raw["tool_call_id"] = attributes.get("id")
    return from_openai(raw, event.name)


def _choice(attributes: Mapping[str, Any]) -> dict[str, Any]:
    spoken = mapping(_loaded(attributes.get("message"), "message"))
    if not spoken:
        spoken = {key: _loaded(attributes.get(key), key) for key in ("content", "tool_calls")}
    return from_openai({"role": "assistant", **spoken}, _CHOICE)


def _loaded(value: Any, key: str) -> Any:
    """A span event's attribute cannot hold structure in every SDK: message and calls may be JSON text."""
    if key == "content" or not isinstance(value, str) or not value.startswith(("{", "[")):
        return plain(value)
    try:
        return json.loads(value)
    except ValueError:
        return value
