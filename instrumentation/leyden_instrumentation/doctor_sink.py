"""A sink for OTLP/HTTP traces, in place of a collector while a command is tried."""

from __future__ import annotations

import gzip
import threading
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue


@dataclass(frozen=True, slots=True)
class Received:
    """One span as it came; ids in hex."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    scope: str
    dropped_attributes: int
    attributes: dict[str, Any] = field(default_factory=dict)
    events: tuple[str, ...] = ()


class Sink:
    """Listens on a free port of 127.0.0.1, from `with` to its end. url: for OTEL_EXPORTER_OTLP_ENDPOINT."""

    def __init__(self) -> None:
        self._spans: list[Received] = []
        self._lock = threading.Lock()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                encoding = self.headers.get("content-encoding")
                if encoding in ("gzip", "deflate"):
                    body = gzip.decompress(body) if encoding == "gzip" else zlib.decompress(body)
                if self.path == "/v1/traces":
                    received = _decode(body)
                    with sink._lock:
                        sink._spans.extend(received)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> list[Received]:
        with self._lock:
            return list({s.span_id: s for s in self._spans}.values())

    def __enter__(self) -> Sink:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _decode(body: bytes) -> list[Received]:
    return [
        Received(
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            scope=scope.scope.name,
            dropped_attributes=span.dropped_attributes_count,
            attributes={pair.key: _value(pair.value) for pair in span.attributes},
            events=tuple(event.name for event in span.events),
        )
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(v) for v in value.array_value.values]
    return getattr(value, kind) if kind and kind != "kvlist_value" else str(value)
