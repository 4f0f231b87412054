"""The intake: what becomes of an export request, whichever protocol brought it. Checked, processed, then spooled."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from leyden_collector.spool import Spool
from leyden_store.errors import OtlpInvalid

Processor = Callable[[bytes], bytes]
"""A valid export request in, the one to store out; empty when nothing of it is to be stored."""


class Counts(Counter[str]):
    """What became of spans and requests: accepted_spans, rejected_spans, accepted_requests, refused_requests."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that is taken once `spooled` is done; None when there was nothing to spool."""

    accepted: int
    rejected: int
    spooled: Future[None] | None

    def answer(self) -> ExportTraceServiceResponse:
        """What the sender is told: nothing, or how many spans can never be stored and why."""
        answer = ExportTraceServiceResponse()
        if self.rejected:
            answer.partial_success.rejected_spans = self.rejected
            answer.partial_success.error_message = f"{self.rejected} spans have no valid trace id and span id"
        return answer


class Intake:
    """Takes trace requests into a spool. `process` may change what is stored, before its first byte is on disk."""

    def __init__(self, spool: Spool, process: Processor | None = None) -> None:
        self.counts = Counts()
        self._lock = threading.Lock()
        self._spool = spool
        self._process = process

    def traces(self, body: bytes) -> Taken:
        """Take an encoded ExportTraceServiceRequest. Raises OtlpInvalid, or SpoolFull (also from the future)."""
        body, accepted, rejected = checked(body)
        if accepted and self._process is not None:
            body = self._process(body)
        return Taken(accepted, rejected, self._spool.append(body) if accepted and body else None)

    def taken(self, taken: Taken) -> None:
        """Count a request whose future is done."""
        with self._lock:
            self.counts.update(accepted_requests=1, accepted_spans=taken.accepted, rejected_spans=taken.rejected)

    def refused(self, status: int) -> None:
        """Count a request that was refused with this HTTP status."""
        with self._lock:
            self.counts.update({"refused_requests": 1, f"refused_{status}": 1})


def checked(body: bytes) -> tuple[bytes, int, int]:
    """Parse before acknowledging (upb reads 800,000 spans a second): bytes, accepted and rejected spans.

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
            bad = [i for i, span in enumerate(spans) if _has_no_key(span.trace_id, span.span_id)]
            accepted += len(spans) - len(bad)
            rejected += len(bad)
            for i in reversed(bad):
                del spans[i]
    return (message.SerializeToString() if rejected else body), accepted, rejected


_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


def _has_no_key(trace_id: bytes, span_id: bytes) -> bool:
    return len(trace_id) != 16 or len(span_id) != 8 or trace_id == _NO_TRACE or span_id == _NO_SPAN
