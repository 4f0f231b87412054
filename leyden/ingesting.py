"""`leyden ingest`: OTLP files into the store, through the collector where one holds it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from leyden.posting import Collector, Refused
from leyden_store.dialects.genai_events import join_logs
from leyden_store.errors import OtlpInvalid
from leyden_store.ingest import OtlpWriter, delimited
from leyden_store.lightning import LightningStore
from leyden_store.otlp import decode_logs, decode_traces, encode_traces, json_to_protobuf
from leyden_store.runs import SpanKey
from leyden_store.spans import LogRecord, Span

_SUFFIXES = (".pb", ".json", ".jsonl")


@dataclass(slots=True)
class Ingested:
    """What was stored, and one line for every file that was not."""

    files: int = 0
    spans: int = 0
    failures: list[str] = field(default_factory=list)


def ingest(store: LightningStore, paths: Sequence[Path]) -> Ingested:
    """Store every span of the files; a file that cannot be read is named and the others go on.

    A folder means the OTLP files in it. A file is stored whole or not at all; storing it again changes nothing.
    Log records (`.logs.pb`) that carry a call's content become events of their spans, which must be among the files.
    """
    done = Ingested()
    files = [file for path in paths for file in _files(path)]
    logs: dict[SpanKey, list[LogRecord]] = {}
    for file in filter(_is_logs, files):
        with _noted(file, done):
            for record in decode_logs(file.read_bytes()):
                logs.setdefault((record.trace_id, record.span_id), []).append(record)
    for file in files:
        if _is_logs(file):
            continue
        with _noted(file, done):
            requests, spans = [], 0
            for request in _requests(file):
                found = decode_traces(request)
                _check_ids(found)
                records = [record for span in found for record in logs.pop((span.trace_id, span.span_id), ())]
                requests.append(encode_traces(join_logs(found, records)) if records else request)
                spans += len(found)
            _into_store(store, requests)
            done.spans += spans
    if logs:
        left = sum(map(len, logs.values()))
        done.failures.append(f"{left} log records belong to no span in these files; give the spans' files with them")
    return done


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
        return sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
    return [path]


def _is_logs(file: Path) -> bool:
    return file.name.endswith(".logs.pb")


def _requests(file: Path) -> Iterator[bytes]:
    """The export requests in a file, as protobuf."""
    match file.suffix:
        case ".pb":
            yield file.read_bytes()
        case ".json":
            yield json_to_protobuf(file.read_bytes())
        case ".jsonl":
            for number, line in enumerate(file.read_bytes().splitlines(), start=1):
                if line.strip():
                    try:
                        yield json_to_protobuf(line)
                    except OtlpInvalid as error:
                        raise OtlpInvalid(f"line {number}: {error}") from error
        case suffix:
            raise OtlpInvalid(f"{suffix or 'no suffix'} is no OTLP file's; give {', '.join(_SUFFIXES)}")


def _check_ids(spans: Sequence[Span]) -> None:
    for span in spans:
        if len(span.trace_id) != 32 or len(span.span_id) != 16:
            raise OtlpInvalid(f"the span {span.name!r} has no valid trace id and span id")


def _into_store(store: LightningStore, requests: Sequence[bytes]) -> None:
    """Store requests: in the engine this process holds, on the server, or by posting them to the collector."""
    gateway = store.connection.gateway
    if gateway is not None:
        collector = Collector.holding(gateway)
        try:
            for body in requests:
                collector.take(body)
            collector.flush()
        except Refused as error:
            raise OtlpInvalid(str(error)) from error
        return
    writer = OtlpWriter(store.connection)
    segment = delimited(requests)
    try:
        writer.write(segment, token=hashlib.sha256(segment).hexdigest())
    finally:
        writer.close()
