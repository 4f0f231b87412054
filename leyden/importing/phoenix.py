"""Phoenix: the data frame of `get_spans_dataframe()` saved as Parquet: OpenInference, its attributes a column each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leyden.importing._values import attribute, named, nanoseconds, span_id, trace_id
from leyden_store.spans import AttributeValue, Event, Span

COLUMNS = {"context.trace_id", "context.span_id", "start_time"}
"""What such a file has at least."""


def span(record: Mapping[str, Any]) -> Span:
    """A row as the span OpenInference would have sent. Raises Unusable."""
    start = nanoseconds(record.get("start_time"), "start_time")
    end, parent = record.get("end_time"), record.get("parent_id")
    attributes: dict[str, AttributeValue] = {}
    for column, value in record.items():
        if column.startswith("attributes."):
            _flatten(column.removeprefix("attributes."), value, attributes)
    if kind := named(record, "span_kind"):
        attributes.setdefault("openinference.span.kind", str(kind))
    status = str(record.get("status_code") or "UNSET").capitalize()
    return Span(
        trace_id=trace_id(record.get("context.trace_id")),
        span_id=span_id(record.get("context.span_id")),
        parent_span_id=span_id(parent) if parent else "",
        name=str(record.get("name") or "span"),
        start_ns=start,
        end_ns=max(start, nanoseconds(end, "end_time")) if end is not None else start,
        status=status if status in ("Ok", "Error") else "Unset",
        status_message=str(record.get("status_message") or ""),
        scope_name="openinference.instrumentation.phoenix",
        service="phoenix",
        resource={"service.name": "phoenix"},
        attributes=attributes,
        events=tuple(_event(event, start) for event in record.get("events") or ()),
    )


def _flatten(key: str, value: Any, into: dict[str, AttributeValue]) -> None:
    """Phoenix nests what OpenInference sent flat: `llm.input_messages` is a list of objects again."""
    if value is None:
        return
    if isinstance(value, Mapping):
        if key.endswith(("metadata", "invocation_parameters")):
            into[key] = attribute(dict(value))
            return
        for name, inner in value.items():
            _flatten(f"{key}.{name}", inner, into)
    elif isinstance(value, list) and value and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            _flatten(f"{key}.{number}", item, into)
    else:
        into[key] = attribute(value)


def _event(event: Mapping[str, Any], start: int) -> Event:
    at = event.get("timestamp")
    attributes = {key: attribute(value) for key, value in (event.get("attributes") or {}).items() if value is not None}
    return Event(
        nanoseconds(at, "event time") if at is not None else start, str(event.get("name") or "event"), attributes
    )
