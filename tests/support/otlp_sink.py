"""A sink for OTLP/HTTP traces: keeps what it is sent, decoded, for tests to look at. Not a collector."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from leyden_instrumentation.packing import unpack


@dataclass
class SinkSpan:
    """One span as it was received: ids in hex, times in nanoseconds, attribute values as Python values."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    scope: str
    status: str
    status_message: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    dropped_attributes: int = 0


class OtlpSink:
    """Listens on a free port of 127.0.0.1 as a context manager; `spans` is what has come in so far, by start time.

    port: the one to listen on, where it matters
    headers, bodies: of each request, the body as sent before compression
    """

    def __init__(self, port: int = 0) -> None:
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self._spans: list[SinkSpan] = []
        self._lock = threading.Lock()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                with sink._lock:
                    sink.headers.append({k.lower(): v for k, v in self.headers.items()} | {":path": self.path})
                    sink.bodies.append(body)
                    sink._spans.extend(_decode(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> list[SinkSpan]:
        with self._lock:
            return sorted(self._spans, key=lambda s: (s.start, s.end))

    def clear(self) -> None:
        with self._lock:
            self._spans.clear()

    def wait_for(self, condition: Callable[[list[SinkSpan]], object], timeout: float = 15.0) -> list[SinkSpan]:
        """The spans, once the condition holds of them."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if condition(spans := self.spans):
                return spans
            time.sleep(0.05)
        raise TimeoutError(f"after {timeout} s only: {[s.name for s in self.spans]}")

    def __enter__(self) -> OtlpSink:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _decode(body: bytes) -> list[SinkSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        SinkSpan(
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            start=span.start_time_unix_nano,
            end=span.end_time_unix_nano,
            scope=scope.scope.name,
            status={0: "Unset", 1: "Ok", 2: "Error"}[span.status.code],
            status_message=span.status.message,
            attributes=_attributes(span.attributes),
            resource=_attributes(resource.resource.attributes),
            events=[(e.name, _attributes(e.attributes)) for e in span.events],
            links=[link.trace_id.hex() for link in span.links],
            dropped_attributes=span.dropped_attributes_count,
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _attributes(pairs: Any) -> dict[str, Any]:
    """Token ids are lists here, however they came."""
    found = {pair.key: _value(pair.value) for pair in pairs}
    packed = {k: unpack(v) for k, v in found.items() if k.endswith("token_ids.packed")}
    return {k: v for k, v in found.items() if k not in packed} | {
        k.removesuffix(".packed"): v for k, v in packed.items()
    }


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(v) for v in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind) if kind else None
