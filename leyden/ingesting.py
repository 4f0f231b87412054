"""`leyden ingest`: OTLP files, and what other tools export, into the store; by the collector where one holds it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from leyden.importing import Bad, Source, sniff, spans_of
from leyden.posting import Collector
from leyden_collector.intake import REASONS, Signal
from leyden_collector.log_records import checked
from leyden_collector.processors import Pipeline
from leyden_store.errors import CallRefused, OtlpInvalid
from leyden_store.ingest import OtlpWriter, delimited
from leyden_store.lightning import LightningStore
from leyden_store.otlp import decode_traces, encode_traces, json_to_protobuf
from leyden_store.spans import Span

_SUFFIXES = (".pb", ".json", ".jsonl")

_AT_ONCE = 4096
"""Spans of another tool's export that are stored at once."""


@dataclass(slots=True)
class Ingested:
    """What was stored, and one line for every file that was not."""

    files: int = 0
    spans: int = 0
    log_records: int = 0
    failures: list[str] = field(default_factory=list)


def ingest(
    store: LightningStore, paths: Sequence[Path], pipeline: Pipeline | None = None, source: Source | None = None
) -> Ingested:
    """Store every span and GenAI log record of the files; a file that cannot be read is named and the others go on.

    A folder means the OTLP files in it. A file is stored whole or not at all; storing it again changes nothing.
    Log records (`.logs.pb`, `.logs.json`, `.logs.jsonl`) join their spans by ids when they are read, whichever came
    first. The pipeline's processors run where no collector does it.

    source: the tool whose export the files are; None finds out. Of those, records that are none are named by line, and
    the others are stored; ids stay the same, so that a file folds when it comes again.
    """
    done = Ingested()
    for file in (file for path in paths for file in _files(path)):
        with _noted(file, done):
            origin = source or sniff(file)
            if origin is not None:
                done.spans += _store_foreign(store, file, origin, pipeline, done)
            elif _is_logs(file):
                done.log_records += _store_logs(store, file, pipeline, done)
            else:
                done.spans += _store_spans(store, file, pipeline)
    return done


def _store_spans(store: LightningStore, file: Path, pipeline: Pipeline | None) -> int:
    requests, spans = [], 0
    for request in _requests(file):
        found = decode_traces(request)
        _check_ids(found)
        requests.append(request)
        spans += len(found)
    _into_store(store, "traces", [r for r in (_processed(r, "traces", pipeline) for r in requests) if r])
    return spans


def _store_foreign(store: LightningStore, file: Path, source: Source, pipeline: Pipeline | None, done: Ingested) -> int:
    """Store the spans of another tool's export, some thousand at a time; how many."""
    stored, waiting = 0, list[Span]()

    def store_waiting() -> int:
        request = _processed(encode_traces(waiting), "traces", pipeline) if waiting else b""
        if request:
            _into_store(store, "traces", [request])
        return len(waiting)

    for found in spans_of(file, source):
        if isinstance(found, Bad):
            done.failures.append(f"{file}: {found.where}: {found.why}")
            continue
        waiting.append(found)
        if len(waiting) == _AT_ONCE:
            stored += store_waiting()
            waiting.clear()
    return stored + store_waiting()


def _store_logs(store: LightningStore, file: Path, pipeline: Pipeline | None, done: Ingested) -> int:
    """Store a file's GenAI events; how many. Other records are named as left out."""
    requests, taken = [], 0
    for request in _requests(file):
        body, accepted, rejected = checked(request)
        if accepted:
            requests.append(body)
        taken += accepted
        done.failures += [f"{file}: {n} log records {REASONS[reason]}" for reason, n in rejected.items()]
    _into_store(store, "logs", [r for r in (_processed(r, "logs", pipeline) for r in requests) if r])
    return taken


def _processed(request: bytes, signal: Signal, pipeline: Pipeline | None) -> bytes:
    if pipeline is None:
        return request
    processed = pipeline.traces(request) if signal == "traces" else pipeline.logs(request)
    if processed.rejected:
        raise OtlpInvalid(f"{processed.rejected} of its {signal} are not stored: {processed.reason}")
    return processed.body


@contextmanager
def _noted(file: Path, done: Ingested) -> Iterator[None]:
    """What goes wrong with a file is noted under its name."""
    try:
        yield
    except OSError as error:
        done.failures.append(f"{file}: {error.strerror}")
    except OtlpInvalid as error:
        done.failures.append(f"{file}: {error}")
    else:
        done.files += 1


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix in (*_SUFFIXES, ".parquet"))
    return [path]


def _is_logs(file: Path) -> bool:
    return re.search(r"(^|\.)logs\.(pb|json|jsonl)$", file.name) is not None


def _requests(file: Path) -> Iterator[bytes]:
    """The export requests in a file, as protobuf."""
    signal: Signal = "logs" if _is_logs(file) else "traces"
    match file.suffix:
        case ".pb":
            yield file.read_bytes()
        case ".json":
            yield json_to_protobuf(file.read_bytes(), signal)
        case ".jsonl":
            for number, line in enumerate(file.read_bytes().splitlines(), start=1):
                if line.strip():
                    try:
                        yield json_to_protobuf(line, signal)
                    except OtlpInvalid as error:
                        raise OtlpInvalid(f"line {number}: {error}") from error
        case suffix:
            raise OtlpInvalid(f"{suffix or 'no suffix'} is no OTLP file's; give {', '.join(_SUFFIXES)}, or say --from")


def _check_ids(spans: Sequence[Span]) -> None:
    for span in spans:
        if len(span.trace_id) != 32 or len(span.span_id) != 16:
            raise OtlpInvalid(f"the span {span.name!r} has no valid trace id and span id")


def _into_store(store: LightningStore, signal: Signal, requests: Sequence[bytes]) -> None:
    """Store requests: in the engine this process holds, on the server, or by posting them to the collector."""
    gateway = store.connection.gateway
    if gateway is not None:
        collector = Collector.holding(gateway)
        try:
            for body in requests:
                collector.take(body, signal)
            collector.flush()
        except CallRefused as error:
            raise OtlpInvalid(str(error)) from error
        return
    writer = OtlpWriter(store.connection, signal)
    segment = delimited(requests)
    try:
        writer.write(segment, token=hashlib.sha256(segment).hexdigest())
    finally:
        writer.close()
