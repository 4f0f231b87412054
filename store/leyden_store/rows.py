"""Rows of `otel_traces` as `Span`s: the views' text columns and their types, back to the values that were sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

from leyden_store import _arrow
from leyden_store.otlp import read_value
from leyden_store.spans import Attributes, AttributeValue, Event, Link, LogRecord, Span

Pairs = Iterable[tuple[str, str]]


def spans(table: pa.Table) -> Iterator[Span]:
    """Read the result of `queries/spans.sql`, in its order."""
    for batch in table.to_batches(max_chunksize=4096):
        for row in _arrow.rows(batch):
            yield _span(row)


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


def _span(row: Mapping[str, Any]) -> Span:
    return Span(
        trace_id=row["TraceId"],
        span_id=row["SpanId"],
        parent_span_id=row["ParentSpanId"],
        name=row["SpanName"],
        start_ns=row["StartNs"],
        end_ns=row["StartNs"] + row["Duration"],
        kind=row["SpanKind"],
        trace_state=row["TraceState"],
        status=row["StatusCode"],
        status_message=row["StatusMessage"],
        service=row["ServiceName"],
        scope_name=row["ScopeName"],
        scope_version=row["ScopeVersion"],
        resource=_attributes(row["ResourceAttributes"], row["ResourceAttributeTypes"]),
        attributes=_attributes(row["Attributes"], row["SpanAttributeTypes"]),
        events=tuple(_events(row)),
        links=tuple(_links(row)),
        dropped_attributes=row["DroppedAttributes"],
        project=row["Project"],
        rollout_id=row["RolloutId"],
        group_id=row["GroupId"],
        attempt=row["Attempt"],
        session_id=row["SessionId"],
        policy_version=row["PolicyVersion"] or None,
        prompt_token_ids=row["PromptTokenIds"] or None,
        response_token_ids=row["ResponseTokenIds"] or None,
        response_logprobs=row["ResponseLogprobs"] or None,
        user_id=row["UserId"],
        flags=row["Flags"],
        dropped_events=row["DroppedEvents"],
        dropped_links=row["DroppedLinks"],
        scope_attributes=_attributes(row["ScopeAttributes"], row["ScopeAttributeTypes"]),
        scope_dropped_attributes=row["ScopeDroppedAttributes"],
        scope_schema_url=row["ScopeSchemaUrl"],
        resource_dropped_attributes=row["ResourceDroppedAttributes"],
        resource_schema_url=row["ResourceSchemaUrl"],
    )


def _events(row: Mapping[str, Any]) -> Iterator[Event]:
    columns = ("EventTimes", "EventNames", "EventAttributes", "EventAttributeTypes")
    dropped = _counts(row["EventDroppedAttributes"], len(row["EventTimes"]))
    for time, name, pairs, kinds, lost in zip(*(row[c] for c in columns), dropped, strict=True):
        yield Event(time, name, _attributes(pairs, kinds), lost)


def _links(row: Mapping[str, Any]) -> Iterator[Link]:
    columns = ("LinkTraceIds", "LinkSpanIds", "LinkTraceStates", "LinkAttributes", "LinkAttributeTypes")
    dropped = _counts(row["LinkDroppedAttributes"], len(row["LinkTraceIds"]))
    flags = _counts(row["LinkFlags"], len(row["LinkTraceIds"]))
    for trace_id, span_id, state, pairs, kinds, lost, flag in zip(
        *(row[c] for c in columns), dropped, flags, strict=True
    ):
        yield Link(trace_id, span_id, state, _attributes(pairs, kinds), lost, flag)


def _counts(found: Sequence[int], length: int) -> Sequence[int]:
    """One number an event or link; rows of an earlier schema have none, which means 0."""
    return found or [0] * length


def _attributes(pairs: Pairs, types: Pairs) -> Attributes:
    """The attributes: text, but for those whose type is named."""
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
