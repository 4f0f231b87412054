"""A key for one project stores into that project alone, whatever its spans say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, MutableSequence
from typing import Any, Literal

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from leyden_collector.piecewise import pieces
from leyden_store.errors import OtlpInvalid

_NAME = "leyden.project"


def bound(signal: Literal["traces", "logs"], body: bytes, project: str) -> bytes:
    """An encoded request of a signal, all of it in `project`; untouched when that is "". Raises OtlpInvalid."""
    return bind_traces(body, project) if signal == "traces" else bind_logs(body, project)


def bind_traces(body: bytes, project: str) -> bytes:
    """An encoded ExportTraceServiceRequest, all of it in `project`; untouched when that is "". Raises OtlpInvalid."""
    if not project:
        return body
    return b"".join(_bound(piece, project, ExportTraceServiceRequest()) for piece in pieces(body))


def bind_logs(body: bytes, project: str) -> bytes:
    """An encoded ExportLogsServiceRequest, likewise."""
    return _bound(body, project, ExportLogsServiceRequest()) if project else body


def _bound(body: bytes, project: str, message: Any) -> bytes:
    """Sets the resource's attribute, and takes every other from what could speak against it."""
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise OtlpInvalid(f"the {len(body)} bytes are no {type(message).__name__}: {error}") from error
    for resource, items in _parts(message):
        _take(resource.attributes)
        resource.attributes.add(key=_NAME).value.string_value = project
        for item in items:
            _take(item.attributes)
    encoded: bytes = message.SerializeToString()
    return encoded


def _parts(message: Any) -> Iterable[tuple[Any, list[Any]]]:
    """Every resource, with the spans or log records that are its own."""
    if isinstance(message, ExportTraceServiceRequest):
        for one in message.resource_spans:
            yield one.resource, [span for scope in one.scope_spans for span in scope.spans]
    else:
        for one in message.resource_logs:
            yield one.resource, [record for scope in one.scope_logs for record in scope.log_records]


def _take(attributes: MutableSequence[Any]) -> None:
    for at in reversed(range(len(attributes))):
        if attributes[at].key == _NAME:
            del attributes[at]
