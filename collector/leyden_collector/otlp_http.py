"""OTLP over HTTP: `POST /v1/traces`, protobuf or JSON, answered as the specification says.

https://opentelemetry.io/docs/specs/otlp/#otlphttp: a body over the limit is 413, a full spool is 503 with Retry-After
(retryable), everything malformed 400, and every error body is a `google.rpc.Status` in the request's own encoding.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from fastapi import APIRouter, Request, Response
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from leyden_collector.inflate import BodyCorrupt, BodyTooLarge, EncodingUnsupported, read_body
from leyden_collector.spool import Spool, SpoolFull
from leyden_store.errors import OtlpInvalid
from leyden_store.otlp import json_to_protobuf

PROTOBUF, JSON = "application/x-protobuf", "application/json"

# google.rpc.Code
_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED, _UNIMPLEMENTED, _UNAVAILABLE = 3, 8, 12, 14


class Counts(Counter[str]):
    """What became of spans and requests: accepted_spans, rejected_spans, accepted_requests, refused_requests."""


def router(spool: Spool, counts: Counts) -> APIRouter:
    """The OTLP routes over a spool."""
    routes = APIRouter(tags=["otlp"])

    @routes.post("/v1/traces", summary="Take spans (OTLP/HTTP)")
    async def traces(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in (PROTOBUF, JSON):
            return _refuse(counts, PROTOBUF, 415, _INVALID_ARGUMENT, f"send {PROTOBUF} or {JSON}, not {kind!r}")
        try:
            body = await read_body(request.stream(), request.headers.get("content-encoding", ""))
            if kind == JSON:
                body = json_to_protobuf(body) if body else b""
            body, accepted, rejected = _checked(body)
            if accepted:
                await asyncio.wrap_future(spool.append(body))
        except BodyTooLarge as error:
            return _refuse(counts, kind, 413, _RESOURCE_EXHAUSTED, str(error))
        except EncodingUnsupported as error:
            return _refuse(counts, kind, 415, _INVALID_ARGUMENT, str(error))
        except (BodyCorrupt, OtlpInvalid) as error:
            return _refuse(counts, kind, 400, _INVALID_ARGUMENT, str(error))
        except SpoolFull as error:
            # opentelemetry-python drops on 429 and retries on 503, so overload is 503.
            return _refuse(counts, kind, 503, _UNAVAILABLE, str(error), {"Retry-After": "1"})
        counts.update(accepted_requests=1, accepted_spans=accepted, rejected_spans=rejected)
        answer = ExportTraceServiceResponse()
        if rejected:
            answer.partial_success.rejected_spans = rejected
            answer.partial_success.error_message = f"{rejected} spans have no valid trace id and span id"
        return _answer(kind, 200, answer)

    @routes.post("/v1/logs", include_in_schema=False)
    @routes.post("/v1/metrics", include_in_schema=False)
    async def unimplemented(request: Request) -> Response:
        kind = JSON if JSON in request.headers.get("content-type", "") else PROTOBUF
        return _refuse(
            counts, kind, 501, _UNIMPLEMENTED, "this collector stores traces; set the other exporters to none"
        )

    return routes


def _checked(body: bytes) -> tuple[bytes, int, int]:
    """Parse before acknowledging (upb does 300,000 spans a second): bytes, accepted and rejected spans.

    A span without a 16-byte trace id and an 8-byte span id, not all zeros, has no key: it is rejected.
    """
    message = ExportTraceServiceRequest()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise OtlpInvalid(f"the {len(body)} bytes are no ExportTraceServiceRequest: {error}") from error
    accepted = rejected = 0
    for resource_spans in message.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            spans = scope_spans.spans
            bad = [
                i
                for i, span in enumerate(spans)
                if len(span.trace_id) != 16 or len(span.span_id) != 8 or not any(span.trace_id) or not any(span.span_id)
            ]
            accepted += len(spans) - len(bad)
            rejected += len(bad)
            for i in reversed(bad):
                del spans[i]
    return (message.SerializeToString() if rejected else body), accepted, rejected


def _refuse(
    counts: Counts, kind: str, http_status: int, code: int, message: str, headers: dict[str, str] | None = None
) -> Response:
    counts["refused_requests"] += 1
    counts[f"refused_{http_status}"] += 1
    return _answer(kind, http_status, Status(code=code, message=message), headers)


def _answer(kind: str, http_status: int, message: Message, headers: dict[str, str] | None = None) -> Response:
    content = MessageToJson(message).encode() if kind == JSON else message.SerializeToString()
    return Response(content, http_status, headers, media_type=kind)
