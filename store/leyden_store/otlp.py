"""OTLP ⇄ `Span`: export requests read into Python values and written back.

ClickHouse parses OTLP on the way into the store; this module is the oracle for it, the way in for OTLP/JSON, and the
way out for exports. Format: https://github.com/open-telemetry/opentelemetry-proto (trace.proto, common.proto).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogRecordPb
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanPb

from leyden_store import _json_wire
from leyden_store._columns import TOKEN_ARRAYS, columns_of, columns_to_attributes, spelled
from leyden_store.errors import OtlpInvalid
from leyden_store.spans import Attributes, AttributeValue, Event, Link, LogRecord, Span

_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_STATUSES = ("Unset", "Ok", "Error")


def decode_traces(body: bytes) -> list[Span]:
    """Read an ExportTraceServiceRequest (several concatenated read as one).

    Columns (project, rollout, token ids, …) come from the span's attributes, else its resource's.
    Raises OtlpInvalid when the bytes are no such message.
    """
    request = ExportTraceServiceRequest()
    _parse(request, body, "trace")
    spans: list[Span] = []
    for resource_spans in request.resource_spans:
        resource = _read_attributes(resource_spans.resource.attributes)
        around = {
            "resource": resource,
            "resource_dropped_attributes": resource_spans.resource.dropped_attributes_count,
            "resource_schema_url": resource_spans.schema_url,
            "service": _text(resource.get("service.name")),
        }
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope
            around |= {
                "scope_name": scope.name,
                "scope_version": scope.version,
                "scope_attributes": _read_attributes(scope.attributes),
                "scope_dropped_attributes": scope.dropped_attributes_count,
                "scope_schema_url": scope_spans.schema_url,
            }
            spans.extend(_read_span(pb, around) for pb in scope_spans.spans)
    return spans


def decode_logs(body: bytes) -> list[LogRecord]:
    """Read an ExportLogsServiceRequest. Raises OtlpInvalid when the bytes are no such message."""
    request = ExportLogsServiceRequest()
    _parse(request, body, "logs")
    return [
        _read_log(pb, scope_logs.scope.name)
        for resource_logs in request.resource_logs
        for scope_logs in resource_logs.scope_logs
        for pb in scope_logs.log_records
    ]


def encode_traces(spans: Iterable[Span]) -> bytes:
    """Write spans as one ExportTraceServiceRequest; what a `Span` holds comes back equal from `decode_traces`."""
    request = ExportTraceServiceRequest()
    resources: dict[str, Any] = {}
    scopes: dict[tuple[str, str], Any] = {}
    for span in spans:
        resource_key = repr((span.service, span.resource, span.resource_dropped_attributes, span.resource_schema_url))
        if resource_key not in resources:
            resource_spans = request.resource_spans.add()
            resource = dict(span.resource)
            if span.service and _text(resource.get("service.name")) != span.service:
                resource["service.name"] = span.service
            _write_attributes(resource_spans.resource.attributes, resource)
            resource_spans.resource.dropped_attributes_count = span.resource_dropped_attributes
            resource_spans.schema_url = span.resource_schema_url
            resources[resource_key] = resource_spans
        scope = (span.scope_name, span.scope_version, span.scope_attributes, span.scope_dropped_attributes)
        scope_key = (resource_key, repr((scope, span.scope_schema_url)))
        if scope_key not in scopes:
            scope_spans = resources[resource_key].scope_spans.add()
            scope_spans.scope.name, scope_spans.scope.version = span.scope_name, span.scope_version
            scope_spans.scope.dropped_attributes_count = span.scope_dropped_attributes
            _write_attributes(scope_spans.scope.attributes, span.scope_attributes)
            scope_spans.schema_url = span.scope_schema_url
            scopes[scope_key] = scope_spans
        _write_span(scopes[scope_key].spans.add(), span)
    return bytes(request.SerializeToString())


def json_to_protobuf(document: str | bytes | Mapping[str, Any], signal: Literal["traces", "logs"] = "traces") -> bytes:
    """Turn an OTLP/JSON export request into the protobuf one.

    Ids are hex, enums integers, 64-bit integers strings or numbers; unknown fields are ignored
    (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). Raises OtlpInvalid saying where.
    """
    if isinstance(document, str | bytes):
        document = _read_json(document)
    if not isinstance(document, Mapping):
        raise OtlpInvalid(f"OTLP/JSON is a {type(document).__name__}, not an object with resourceSpans")
    if signal == "traces":
        with suppress(_json_wire.Unusual):
            return _json_wire.traces(document)
    request = ExportTraceServiceRequest() if signal == "traces" else ExportLogsServiceRequest()
    try:
        ParseDict(_hex_to_base64(document, ""), request, ignore_unknown_fields=True)
    except (ParseError, ValueError, TypeError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise OtlpInvalid(f"OTLP/JSON is no export request: {why}") from None
    return bytes(request.SerializeToString())


def _read_json(text: str | bytes) -> Any:
    from pydantic_core import from_json  # takes two thirds of the time

    with suppress(ValueError, TypeError):  # the latter for half a surrogate pair
        return from_json(text, cache_strings="keys")
    try:
        return json.loads(text)  # reads what else there is, or says what is wrong
    except (ValueError, RecursionError) as error:
        raise OtlpInvalid(f"OTLP/JSON does not parse: {error}; send one JSON object per request") from None


def _parse(request: ExportTraceServiceRequest | ExportLogsServiceRequest, body: bytes, what: str) -> None:
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise OtlpInvalid(f"the {len(body)} bytes are no OTLP {what} export request: {error}") from None


def _read_span(pb: SpanPb, around: Mapping[str, Any]) -> Span:
    """A span; `around` holds the fields that its resource and scope give."""
    attributes = _read_attributes(pb.attributes)
    columns = columns_of(attributes, around["resource"])
    for key in TOKEN_ARRAYS:
        if columns[key] is not None:
            # The list is what was read where there is one; a list that is none, or empty, has been passed over.
            attributes.pop(spelled(attributes, f"leyden.{key}"), None)
    return Span(
        trace_id=pb.trace_id.hex(),
        span_id=pb.span_id.hex(),
        parent_span_id=pb.parent_span_id.hex(),
        name=pb.name,
        start_ns=pb.start_time_unix_nano,
        end_ns=pb.end_time_unix_nano,
        kind=_KINDS[pb.kind] if 0 <= pb.kind < len(_KINDS) else "Unspecified",
        trace_state=pb.trace_state,
        status=_STATUSES[pb.status.code] if 0 <= pb.status.code < len(_STATUSES) else "Unset",
        status_message=pb.status.message,
        attributes=attributes,
        events=tuple(
            Event(e.time_unix_nano, e.name, _read_attributes(e.attributes), e.dropped_attributes_count)
            for e in pb.events
        ),
        links=tuple(
            Link(
                e.trace_id.hex(),
                e.span_id.hex(),
                e.trace_state,
                _read_attributes(e.attributes),
                e.dropped_attributes_count,
                e.flags,
            )
            for e in pb.links
        ),
        dropped_attributes=pb.dropped_attributes_count,
        dropped_events=pb.dropped_events_count,
        dropped_links=pb.dropped_links_count,
        flags=pb.flags,
        **around,
        **columns,
    )


def _write_span(pb: SpanPb, span: Span) -> None:
    pb.trace_id, pb.span_id = bytes.fromhex(span.trace_id), bytes.fromhex(span.span_id)
    pb.parent_span_id = bytes.fromhex(span.parent_span_id)
    pb.name, pb.trace_state = span.name, span.trace_state
    pb.start_time_unix_nano, pb.end_time_unix_nano = span.start_ns, span.end_ns
    pb.kind = _KINDS.index(span.kind)  # type: ignore[assignment]
    pb.status.code = _STATUSES.index(span.status)  # type: ignore[assignment]
    pb.status.message = span.status_message
    pb.dropped_attributes_count = span.dropped_attributes
    pb.dropped_events_count, pb.dropped_links_count = span.dropped_events, span.dropped_links
    pb.flags = span.flags
    _write_attributes(pb.attributes, {**span.attributes, **columns_to_attributes(span)})
    for event in span.events:
        written = pb.events.add(
            name=event.name, time_unix_nano=event.time_ns, dropped_attributes_count=event.dropped_attributes
        )
        _write_attributes(written.attributes, event.attributes)
    for link in span.links:
        linked = pb.links.add(
            trace_id=bytes.fromhex(link.trace_id),
            span_id=bytes.fromhex(link.span_id),
            trace_state=link.trace_state,
            dropped_attributes_count=link.dropped_attributes,
            flags=link.flags,
        )
        _write_attributes(linked.attributes, link.attributes)


def _read_log(pb: LogRecordPb, scope_name: str) -> LogRecord:
    attributes = _read_attributes(pb.attributes)
    return LogRecord(
        time_ns=pb.time_unix_nano or pb.observed_time_unix_nano,
        name=pb.event_name or _text(attributes.get("event.name")),
        trace_id=pb.trace_id.hex(),
        span_id=pb.span_id.hex(),
        scope_name=scope_name,
        body=read_value(pb.body),
        attributes=attributes,
    )


def _read_attributes(pairs: Iterable[KeyValue]) -> dict[str, AttributeValue]:
    return {pair.key: read_value(pair.value) for pair in pairs}


def read_value(value: AnyValue) -> AttributeValue:
    """An AnyValue as a Python value: arrays are lists, kvlists dicts, an unset one None."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [read_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _read_attributes(value.kvlist_value.values)
    return getattr(value, kind)  # type: ignore[no-any-return]


def _write_attributes(pairs: Any, attributes: Attributes) -> None:
    for key, value in attributes.items():
        pair = pairs.add(key=key)
        pair.value.SetInParent()  # an empty value is a value
        _write_value(pair.value, value)


def _write_value(pb: AnyValue, value: AttributeValue) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        pb.bool_value = value
    elif isinstance(value, str):
        pb.string_value = value
    elif isinstance(value, int):
        pb.int_value = value
    elif isinstance(value, float):
        pb.double_value = value
    elif isinstance(value, bytes):
        pb.bytes_value = value
    elif isinstance(value, Mapping):
        pb.kvlist_value.SetInParent()
        _write_attributes(pb.kvlist_value.values, value)
    elif isinstance(value, Sequence):
        pb.array_value.SetInParent()
        for item in value:
            _write_value(pb.array_value.values.add(), item)


# OTLP/JSON writes ids in hex where protobuf's own JSON has base64; everything else is protobuf's.
_ID_DIGITS = {
    "traceId": 32, "trace_id": 32, "spanId": 16, "span_id": 16, "parentSpanId": 16, "parent_span_id": 16,
}  # fmt: skip


def _hex_to_base64(node: Any, where: str) -> Any:
    if isinstance(node, Mapping):
        return {
            key: _id_to_base64(value, _ID_DIGITS[key], f"{where}{key}")
            if key in _ID_DIGITS
            else _hex_to_base64(value, f"{where}{key}.")
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_hex_to_base64(item, f"{where[:-1]}[{i}].") for i, item in enumerate(node)]
    return node


def _id_to_base64(value: Any, digits: int, where: str) -> str:
    if value is None or value == "":
        return ""
    try:
        raw = bytes.fromhex(value)
    except (TypeError, ValueError):
        raw = b""
    if len(raw) * 2 != digits:
        raise OtlpInvalid(f"{where}: {value!r} is not {digits} hex digits; OTLP/JSON writes ids in hex")
    return base64.b64encode(raw).decode()


def _text(value: AttributeValue) -> str:
    return value if isinstance(value, str) else ""
