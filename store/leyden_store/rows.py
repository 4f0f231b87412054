"""Rows of `otel_traces` as `Span`s: the views' text columns and their types, back to the values that were sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

from leyden_store import _arrow
from leyden_store.otlp import read_value
from leyden_store.spans import Attributes, AttributeValue, Event, Link, LogRecord, Span

Pairs = Sequence[tuple[str, str]]


def spans(table: pa.Table) -> Iterator[Span]:
    """Read the result of `queries/spans.sql`, in its order."""
    for batch in table.to_batches(max_chunksize=4096):
        yield from map(_span, *map(_arrow.column, batch.select(_COLUMNS).columns))


def turn_spans(table: pa.Table) -> Iterator[Span]:
    """Read the result of `queries/turn_spans.sql`, in its order: spans as far as turns depend on them."""
    for batch in table.to_batches(max_chunksize=4096):
        yield from map(_span, *map(_arrow.column, batch.select(_TURN_COLUMNS).columns))


def log_records(table: pa.Table) -> Iterator[LogRecord]:
    """Read the result of `queries/logs.sql`, in its order."""
    for row in table.to_pylist():
        yield LogRecord(
            time_ns=row["time_ns"],
            name=row["name"],
            trace_id=row["trace_id"],
            span_id=row["span_id"],
            scope_name=row["scope_name"],
            body=row["body"] if row["body_type"] == "string_value" else _value(row["body"], row["body_type"]),
            attributes=_attributes(row["attributes"], row["types"]),
        )


_TURN_COLUMNS = (
    "TraceId", "SpanId", "ParentSpanId", "SpanName", "StartNs", "Duration", "StatusCode", "StatusMessage",
    "ServiceName", "ScopeName", "Attributes", "SpanAttributeTypes", "EventTimes", "EventNames", "EventAttributes",
    "EventAttributeTypes", "DroppedAttributes", "RolloutId", "GroupId", "Attempt", "SessionId", "PolicyVersion",
    "PromptTokenIds", "ResponseTokenIds", "ResponseLogprobs",
)  # fmt: skip
"""What a turn depends on, in the order `_span` takes it."""

_COLUMNS = (
    *_TURN_COLUMNS, "SpanKind", "TraceState", "ScopeVersion", "ResourceAttributes", "ResourceAttributeTypes",
    "EventDroppedAttributes", "LinkTraceIds", "LinkSpanIds", "LinkTraceStates", "LinkAttributes", "LinkAttributeTypes",
    "LinkDroppedAttributes", "LinkFlags", "Project", "UserId", "Flags", "DroppedEvents", "DroppedLinks",
    "ScopeAttributes", "ScopeAttributeTypes", "ScopeDroppedAttributes", "ScopeSchemaUrl", "ResourceDroppedAttributes",
    "ResourceSchemaUrl",
)  # fmt: skip
"""What a span is made of, in the order `_span` takes it."""


def _span(
    trace_id: str, span_id: str, parent_span_id: str, name: str, start_ns: int, duration: int, status: str,
    status_message: str, service: str, scope_name: str, attributes: Pairs, types: Pairs, event_times: Sequence[int],
    event_names: Sequence[str], event_pairs: Sequence[Pairs], event_types: Sequence[Pairs], dropped_attributes: int,
    rollout_id: str, group_id: str, attempt: int | None, session_id: str, policy_version: str,
    prompt_ids: Sequence[int], response_ids: Sequence[int], logprobs: Sequence[float],
    # A turn depends on nothing that follows.
    kind: str = "Internal", trace_state: str = "", scope_version: str = "", resource: Pairs = (),
    resource_types: Pairs = (), event_dropped: Sequence[int] = (), link_trace_ids: Sequence[str] = (),
    link_span_ids: Sequence[str] = (), link_states: Sequence[str] = (), link_pairs: Sequence[Pairs] = (),
    link_types: Sequence[Pairs] = (), link_dropped: Sequence[int] = (), link_flags: Sequence[int] = (),
    project: str = "default", user_id: str = "", flags: int = 0, dropped_events: int = 0, dropped_links: int = 0,
    scope: Pairs = (), scope_types: Pairs = (), scope_dropped_attributes: int = 0, scope_schema_url: str = "",
    resource_dropped_attributes: int = 0, resource_schema_url: str = "",
) -> Span:  # fmt: skip
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    if event_times:
        dropped = _counts(event_dropped, len(event_times))
        events = tuple(map(_event, event_times, event_names, event_pairs, event_types, dropped))
    if link_trace_ids:
        dropped, flagged = _counts(link_dropped, len(link_trace_ids)), _counts(link_flags, len(link_trace_ids))
        links = tuple(map(_link, link_trace_ids, link_span_ids, link_states, link_pairs, link_types, dropped, flagged))
    # By place, which takes half the time of naming them; the names are the fields'.
    return Span(
        trace_id, span_id, name, start_ns, start_ns + duration, parent_span_id, kind, trace_state, status,
        status_message, service, scope_name, scope_version, _attributes(resource, resource_types),
        _attributes(attributes, types), events, links, dropped_attributes, project, rollout_id, group_id, attempt,
        session_id, policy_version or None, prompt_ids or None, response_ids or None, logprobs or None, user_id, flags,
        dropped_events, dropped_links, _attributes(scope, scope_types), scope_dropped_attributes, scope_schema_url,
        resource_dropped_attributes, resource_schema_url,
    )  # fmt: skip


def _event(time_ns: int, name: str, pairs: Pairs, types: Pairs, dropped: int) -> Event:
    return Event(time_ns, name, _attributes(pairs, types), dropped)


def _link(trace_id: str, span_id: str, state: str, pairs: Pairs, types: Pairs, dropped: int, flags: int) -> Link:
    return Link(trace_id, span_id, state, _attributes(pairs, types), dropped, flags)


def _counts(found: Sequence[int], length: int) -> Sequence[int]:
    """One number an event or link; rows of an earlier schema have none, which means 0."""
    return found or [0] * length


def _attributes(pairs: Pairs, types: Pairs) -> Attributes:
    """The attributes: text, but for those whose type is named."""
    if not pairs:
        return {}
    found: dict[str, AttributeValue] = dict(pairs)
    for key, kind in types:
        text = found.get(key)
        if isinstance(text, str):
            found[key] = _value(text, kind)
    return found


def _value(text: str, kind: str) -> AttributeValue:
    match kind:
        case "int_value":
            return int(text)
        case "bool_value":
            return text == "true"
        case "double_value":
            return float(text)
        case "array_value":
            items = json.loads(text)
            return [_element(item) for item in items] if dict in map(type, items) else items
        case "bytes_value":
            return base64.b64decode(text)
        case "kvlist_value":
            return read_value(AnyValue(kvlist_value=KeyValueList.FromString(base64.b64decode(text))))
        case _:
            return None


def _element(item: Any) -> AttributeValue:
    """An array's element: JSON says its type, except for what was left encoded."""
    if not isinstance(item, dict):
        return item  # type: ignore[no-any-return]
    ((kind, text),) = item.items()
    raw = base64.b64decode(text)
    if kind == "array_value":
        return read_value(AnyValue(array_value=ArrayValue.FromString(raw)))
    return read_value(AnyValue(kvlist_value=KeyValueList.FromString(raw))) if kind == "kvlist_value" else raw
