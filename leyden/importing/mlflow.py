"""MLflow: traces as its `to_json` and `mlflow traces get` write them, of version 2 and 3: `info` and `data.spans`."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

from leyden.importing._values import Unusable, as_text, attribute, named, nanoseconds, span_id, trace_id
from leyden_store.spans import AttributeValue, Event, Span


def is_one(record: Mapping[str, Any]) -> bool:
    """Whether a record is a trace."""
    return isinstance(record.get("info"), Mapping) and isinstance(record.get("data"), Mapping)


def spans(record: Mapping[str, Any]) -> Iterator[Span]:
    """The spans of a trace as MLflow's exporter would have sent them. Raises Unusable."""
    info, data = record["info"], record["data"]
    if isinstance(data, str):
        data = json.loads(data)
    found = data.get("spans")
    if not isinstance(found, list):
        raise Unusable("a trace without data.spans")
    request = named(info, "trace_id", "request_id")
    extra: dict[str, AttributeValue] = {}
    metadata = {
        **(info.get("tags") or {}),
        **(info.get("request_metadata") or {}),
        **(info.get("trace_metadata") or {}),
    }
    if isinstance(metadata, Mapping) and metadata.get("mlflow.trace.session"):
        extra["mlflow.trace.session"] = str(metadata["mlflow.trace.session"])
    for one in found:
        yield _span(one, request, extra)


def _span(record: Mapping[str, Any], request: Any, extra: Mapping[str, AttributeValue]) -> Span:
    if not isinstance(record, Mapping):
        raise Unusable("a span that is no object")
    context = record.get("context") or {}
    start = nanoseconds(named(record, "start_time_unix_nano", "start_time"), "start time")
    end = named(record, "end_time_unix_nano", "end_time")
    parent = named(record, "parent_span_id", "parent_id")
    attributes = {**extra, **_attributes(record.get("attributes") or {})}
    for key, name in (
        ("mlflow.spanInputs", "inputs"),
        ("mlflow.spanOutputs", "outputs"),
        ("mlflow.spanType", "span_type"),
    ):
        if key not in attributes and record.get(name) is not None:
            attributes[key] = json.dumps(record[name], ensure_ascii=False)
    status = record.get("status") or {}
    code = str(status.get("code") if isinstance(status, Mapping) else status).rpartition("_")[2].capitalize()
    code = {"1": "Ok", "2": "Error"}.get(code, code)
    return Span(
        trace_id=_id(named(record, "trace_id") or context.get("trace_id") or request, trace_id, 32),
        span_id=_id(named(record, "span_id") or context.get("span_id"), span_id, 16),
        parent_span_id=_id(parent, span_id, 16) if parent else "",
        name=str(record.get("name") or "span"),
        start_ns=start,
        end_ns=max(start, nanoseconds(end, "end time")) if end else start,
        status=code if code in ("Ok", "Error") else "Unset",
        status_message=str(status.get("message") or "") if isinstance(status, Mapping) else "",
        scope_name="mlflow",
        service="mlflow",
        resource={"service.name": "mlflow"},
        attributes=attributes,
        events=tuple(_event(event, start) for event in record.get("events") or ()),
    )


def _id(value: Any, made: Any, digits: int) -> str:
    """MLflow 3 writes ids as base64 of their bytes; before, as 0x and hex."""
    if isinstance(value, str):
        try:
            raw = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) == digits // 2 and len(value) != digits:
            return raw.hex()
    return str(made(value))


def _attributes(found: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """MLflow's own are JSON text, whichever way the file has them."""
    return {
        key: as_text(value) if isinstance(value, str) or not key.startswith("mlflow.") else json.dumps(value)
        for key, value in found.items()
        if value is not None
    }


def _event(event: Mapping[str, Any], start: int) -> Event:
    at = named(event, "time_unix_nano", "timestamp")
    attributes = {key: attribute(value) for key, value in (event.get("attributes") or {}).items()}
    return Event(nanoseconds(at, "event time") if at else start, str(event.get("name") or "event"), attributes)
