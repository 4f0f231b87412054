"""Erasing what waits outside the store: spooled segments and quarantined requests that hold what is erased.

While a collector runs its spool is emptied into the store instead, where the tombstones turn erased spans away; its
quarantine is read here either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from leyden_collector.spool import requests
from leyden_store.erasure import Target
from leyden_store.errors import OtlpInvalid
from leyden_store.ingest import delimited
from leyden_store.otlp import decode_traces, encode_traces
from leyden_store.spans import Span


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """files: how many segments and quarantined requests were rewritten or removed; spans: how many (or log records)
    were taken out, without those of requests that could not be read."""

    spans: int = 0
    files: int = 0


def scrub(folder: Path, target: Target, *, segments: bool) -> Scrubbed:
    """Take a target's spans out of a spool folder's quarantine and, with `segments`, out of what waits for the store.

    A request that does not parse is removed whole when it names the target. Files are replaced, never half written.
    """
    spans = files = 0
    waiting = sorted(folder.glob("*/*.seg")) if segments else []
    for path in (*waiting, *sorted(folder.glob("quarantine/**/*.pb"))):
        before = path.read_bytes()
        logs = any(part in ("logs", "held-logs") for part in path.relative_to(folder).parts)
        if path.suffix == ".seg":
            cleaned = [_without(request, target, logs) for request in requests(before)[0]]
            after = delimited(request for request, _ in cleaned if request)
            taken = sum(n for _, n in cleaned)
        else:
            after, taken = _without(before, target, logs)
        if after == before:
            continue
        spans, files = spans + taken, files + 1
        if after:
            temporary = path.with_suffix(".erasing")
            temporary.write_bytes(after)
            temporary.replace(path)
        else:
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)
    return Scrubbed(spans, files)


def _without(request: bytes, target: Target, logs: bool) -> tuple[bytes, int]:
    """A request without what is the target's, and how much that was; nothing of what names it and cannot be read."""
    if not any(needle in request for needle in _needles(target)):
        return request, 0
    try:
        return _without_records(request, target) if logs else _without_spans(request, target)
    except (OtlpInvalid, DecodeError):
        return b"", 0


def _without_spans(request: bytes, target: Target) -> tuple[bytes, int]:
    spans = decode_traces(request)
    kept = [span for span in spans if not _belongs(span, target)]
    if len(kept) == len(spans):
        return request, 0  # named in passing, in another's message
    return (encode_traces(kept) if kept else b""), len(spans) - len(kept)


def _without_records(request: bytes, target: Target) -> tuple[bytes, int]:
    message = ExportLogsServiceRequest.FromString(request)
    traces = {bytes.fromhex(trace) for trace in _traces(target)}
    taken = kept = 0
    for resource_logs in message.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            left = [record for record in scope_logs.log_records if record.trace_id not in traces]
            taken, kept = taken + len(scope_logs.log_records) - len(left), kept + len(left)
            del scope_logs.log_records[:]
            scope_logs.log_records.extend(left)
    return (bytes(message.SerializeToString()) if kept else b"", taken) if taken else (request, 0)


def _belongs(span: Span, target: Target) -> bool:
    named = {"session": span.session_id, "rollout": span.rollout_id, "user": span.user_id}
    return (
        named.get(target.kind) == target.name
        or span.trace_id in _traces(target)
        or (span.trace_id, span.span_id) in target.spans
    )


def _traces(target: Target) -> set[str]:
    return {*target.traces, *([target.name] if target.kind == "trace" else [])}


def _needles(target: Target) -> Iterator[bytes]:
    if target.kind in ("session", "rollout", "user"):
        yield target.name.encode()
    for trace in _traces(target) | {trace for trace, _ in target.spans}:
        yield bytes.fromhex(trace)
