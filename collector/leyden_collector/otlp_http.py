"""OTLP over HTTP: `POST /v1/traces` and `/v1/logs`, protobuf or JSON, answered as the specification says.

https://opentelemetry.io/docs/specs/otlp/#otlphttp: a body over the limit is 413, a full spool is 503 with Retry-After
(retryable), everything malformed 400, and every error body is a `google.rpc.Status` in the request's own encoding.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from starlette.concurrency import run_in_threadpool

from leyden_collector.access import Access, AccessDenied
from leyden_collector.door import grant_of, headers_of
from leyden_collector.inflate import BodyCorrupt, BodyTooLarge, EncodingUnsupported, read_body
from leyden_collector.intake import Intake, Signal, Taken
from leyden_collector.projects import bound
from leyden_collector.spool import SpoolFull
from leyden_store.errors import OtlpInvalid, StoreError
from leyden_store.keys import Scope
from leyden_store.otlp import json_to_protobuf

PROTOBUF, JSON = "application/x-protobuf", "application/json"

_QUICK_BYTES = 256 << 10
"""Protobuf that parses in less than a millisecond; JSON takes some thirty times as long."""

# google.rpc.Code
_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED, _UNIMPLEMENTED, _UNAVAILABLE = 3, 8, 12, 14
_PERMISSION = {401: 16, 403: 7, 429: 8}


def router(intake: Intake, access: Access) -> APIRouter:
    """The OTLP routes over an intake, for senders whose key lets them."""
    routes = APIRouter(tags=["otlp"])

    @routes.post("/v1/traces", summary="Take spans (OTLP/HTTP)")
    async def traces(request: Request) -> Response:
        return await _export(request, intake, access, "traces")

    @routes.post("/v1/logs", summary="Take GenAI's log events (OTLP/HTTP)")
    async def logs(request: Request) -> Response:
        return await _export(request, intake, access, "logs")

    @routes.post("/v1/metrics", include_in_schema=False)
    async def unimplemented(request: Request) -> Response:
        kind = JSON if JSON in request.headers.get("content-type", "") else PROTOBUF
        return _refuse(
            intake,
            kind,
            501,
            _UNIMPLEMENTED,
            "this collector stores traces and GenAI's log events; export no metrics to it",
        )

    return routes


async def _export(request: Request, intake: Intake, access: Access, signal: Signal) -> Response:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (PROTOBUF, JSON):
        return _refuse(intake, PROTOBUF, 415, _INVALID_ARGUMENT, f"send {PROTOBUF} or {JSON}, not {kind!r}")
    try:
        grant = await grant_of(request, access)
        grant.require(Scope.INGEST)
        body = await read_body(request.stream(), request.headers.get("content-encoding", ""))

        def take() -> Taken:
            request = json_to_protobuf(body, signal) if body and kind == JSON else body
            return intake.take(signal, bound(signal, request, grant.project))

        # What takes its time (processors, a long body) does so in a thread: others are answered meanwhile.
        is_quick = not intake.slow and len(body) <= (_QUICK_BYTES if kind == PROTOBUF else _QUICK_BYTES >> 5)
        taken = take() if is_quick else await run_in_threadpool(take)
        if taken.spooled is not None:
            await asyncio.wrap_future(taken.spooled)
    except AccessDenied as error:
        # 401 and 403 are final for an exporter: it says so and drops, which a wrong key's owner will see.
        return _refuse(intake, kind, error.status, _PERMISSION[error.status], str(error), headers_of(error))
    except StoreError as error:
        return _refuse(intake, kind, 503, _UNAVAILABLE, str(error), {"Retry-After": "1"})
    except BodyTooLarge as error:
        return _refuse(intake, kind, 413, _RESOURCE_EXHAUSTED, str(error))
    except EncodingUnsupported as error:
        return _refuse(intake, kind, 415, _INVALID_ARGUMENT, str(error))
    except (BodyCorrupt, OtlpInvalid) as error:
        return _refuse(intake, kind, 400, _INVALID_ARGUMENT, str(error))
    except SpoolFull as error:
        # opentelemetry-python drops on 429 and retries on 503, so overload is 503.
        return _refuse(intake, kind, 503, _UNAVAILABLE, str(error), {"Retry-After": "1"})
    intake.taken(taken)
    return _answer(kind, 200, taken.answer())


def _refuse(
    intake: Intake, kind: str, http_status: int, code: int, message: str, headers: dict[str, str] | None = None
) -> Response:
    intake.refused(http_status)
    return _answer(kind, http_status, Status(code=code, message=message), headers)


def _answer(kind: str, http_status: int, message: Message, headers: dict[str, str] | None = None) -> Response:
    content = MessageToJson(message).encode() if kind == JSON else message.SerializeToString()
    return Response(content, http_status, headers, media_type=kind)
