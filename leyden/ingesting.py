"""`leyden ingest`: OTLP files into the store, through the collector where one holds it."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from leyden_store.errors import OtlpInvalid, StoreError
from leyden_store.ingest import OtlpWriter, delimited
from leyden_store.lightning import LightningStore
from leyden_store.otlp import decode_traces, json_to_protobuf

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
    """
    done = Ingested()
    for path in paths:
        for file in sorted(f for f in path.iterdir() if f.suffix in _SUFFIXES) if path.is_dir() else [path]:
            try:
                requests = list(_requests(file))
                spans = sum(len(decode_traces(request)) for request in requests)
                _into_store(store, requests)
            except OSError as error:
                done.failures.append(f"{file}: {error.strerror}")
            except OtlpInvalid as error:
                done.failures.append(f"{file}: {error}")
            else:
                done.files, done.spans = done.files + 1, done.spans + spans
    return done


def _requests(file: Path) -> Iterator[bytes]:
    """The export requests in a file, as protobuf."""
    if file.name.endswith(".logs.pb"):
        raise OtlpInvalid("log records are not stored; give traces")
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


def _into_store(store: LightningStore, requests: Sequence[bytes]) -> None:
    """Store requests: in the engine this process holds, on the server, or by posting them to the collector."""
    gateway = store.connection.gateway
    if gateway is not None:
        collector = gateway.url.removesuffix("/clickhouse")
        for body in requests:
            _post(f"{collector}/v1/traces", body)
        _post(f"{collector}/api/flush", b"")
        return
    writer = OtlpWriter(store.connection)
    segment = delimited(requests)
    try:
        writer.write(segment, token=hashlib.sha256(segment).hexdigest())
    finally:
        writer.close()


def _post(url: str, body: bytes) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - the collector's own URL
    try:
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        raise OtlpInvalid(f"the collector answered {error.code}: {error.read()[:200]!r}") from error
    except OSError as error:
        raise StoreError(f"the collector does not answer at {url}: {error}") from error
