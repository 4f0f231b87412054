"""The intake: what becomes of an export request, whichever protocol brought it. Checked, processed, then spooled."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from leyden_collector import log_records
from leyden_collector.piecewise import pieces
from leyden_collector.processors import Pipeline, Processed
from leyden_store.errors import OtlpInvalid

Signal = Literal["traces", "logs"]

NO_IDS, PROCESSOR_FAILED = "no_ids", "processor_failed"

REASONS = {
    NO_IDS: "have no valid trace id and span id",
    log_records.OTHER_LOG: "are no GenAI events (`gen_ai.*`), which are the only log records stored",
    log_records.NO_SPAN: "name no span by valid trace and span ids",
    PROCESSOR_FAILED: "were refused because a processor failed on them",
}
_ITEMS = {"traces": "spans", "logs": "log records"}


class Sink(Protocol):
    """Where requests go: a spool, or what stands before one."""

    def append(self, request: bytes) -> Future[None]:
        """Take a request; the future is done when it is on disk. Raises SpoolFull, from here or from the future."""


class Counts(Counter[str]):
    """What became of spans, records and requests.

    accepted_spans, accepted_log_records, accepted_requests, refused_requests; `rejected_spans` and
    `rejected_log_records`, both also with `:REASON`; `refused_STATUS`.
    """


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that is taken once `spooled` is done; None when there was nothing to spool.

    rejected: how many of its spans or records can never be stored, by reason
    """

    signal: Signal
    accepted: int
    rejected: Mapping[str, int]
    spooled: Future[None] | None

    def answer(self) -> ExportTraceServiceResponse | ExportLogsServiceResponse:
        """What the sender is told: nothing, or how many can never be stored and why."""
        said = "; ".join(f"{n} {_ITEMS[self.signal]} {REASONS[reason]}" for reason, n in self.rejected.items())
        count = sum(self.rejected.values())
        if self.signal == "logs":
            logs = ExportLogsServiceResponse()
            if count:
                logs.partial_success.rejected_log_records, logs.partial_success.error_message = count, said
            return logs
        traces = ExportTraceServiceResponse()
        if count:
            traces.partial_success.rejected_spans, traces.partial_success.error_message = count, said
        return traces


class Intake:
    """Takes export requests into spools, one a signal. The pipeline runs before the first byte is on disk."""

    def __init__(self, spool: Sink, logs: Sink, pipeline: Pipeline | None = None) -> None:
        self.counts = Counts()
        self._lock = threading.Lock()
        self._spool = spool
        self._logs = logs
        self._pipeline = pipeline

    @property
    def slow(self) -> bool:
        """Whether taking a request may be more than a check: a pipeline looks into it."""
        return self._pipeline is not None

    def traces(self, body: bytes) -> Taken:
        """Take an encoded ExportTraceServiceRequest. Raises OtlpInvalid, or SpoolFull (also from the future)."""
        body, accepted, without_ids = checked(body)
        rejected = {NO_IDS: without_ids} if without_ids else {}
        if accepted and self._pipeline is not None:
            processed = [self._pipeline.traces(piece) for piece in pieces(body)]
            body, accepted = _left(processed, accepted, rejected)
        return Taken("traces", accepted, rejected, self._spool.append(body) if accepted and body else None)

    def logs(self, body: bytes) -> Taken:
        """Take an encoded ExportLogsServiceRequest: GenAI's events. Raises as `traces` does."""
        body, accepted, rejected = log_records.checked(body)
        if accepted and self._pipeline is not None:
            body, accepted = _left([self._pipeline.logs(body)], accepted, rejected)
        return Taken("logs", accepted, rejected, self._logs.append(body) if accepted and body else None)

    def take(self, signal: Signal, body: bytes) -> Taken:
        """Take an encoded export request of a signal."""
        return self.traces(body) if signal == "traces" else self.logs(body)

    def taken(self, taken: Taken) -> None:
        """Count a request whose future is done."""
        items = _ITEMS[taken.signal].replace(" ", "_")
        with self._lock:
            self.counts.update({"accepted_requests": 1, f"accepted_{items}": taken.accepted})
            for reason, count in taken.rejected.items():
                self.counts.update({f"rejected_{items}": count, f"rejected_{items}:{reason}": count})

    def refused(self, status: int) -> None:
        """Count a request that was refused with this HTTP status."""
        with self._lock:
            self.counts.update({"refused_requests": 1, f"refused_{status}": 1})


def _left(processed: Sequence[Processed], accepted: int, rejected: dict[str, int]) -> tuple[bytes, int]:
    """What the pipeline left of a request's pieces; what a processor failed on is rejected."""
    if failed := sum(piece.rejected for piece in processed):
        rejected[PROCESSOR_FAILED] = failed
    return b"".join(piece.body for piece in processed), accepted - failed


def checked(body: bytes) -> tuple[bytes, int, int]:
    """Parse before acknowledging (upb reads 800,000 spans a second): bytes, accepted and rejected spans.

    A span without a 16-byte trace id and an 8-byte span id, not all zeros, has no key: it is rejected.
    """
    found = [_checked(piece) for piece in pieces(body)]
    rejected = sum(piece[2] for piece in found)
    return b"".join(piece[0] for piece in found) if rejected else body, sum(piece[1] for piece in found), rejected


def _checked(body: bytes) -> tuple[bytes, int, int]:
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
