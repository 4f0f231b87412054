"""OTLP over HTTP is answered as its specification says, whoever sends and whatever is sent."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.frame
import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from leyden_store.otlp import encode_traces
from tests.support.collector import PROTOBUF, Answer, Collector, ask
from tests.support.memory import peak_memory
from tests.support.otlp_making import make, request_of


def stored(collector: Collector, trace: int) -> list[str]:
    """The names of the trace's spans, once all is stored."""
    assert collector.flush().status == 200
    text = collector.query(f"SELECT SpanName FROM otel_traces WHERE TraceId = '{trace:032x}' ORDER BY 1").body.decode()
    return text.splitlines()


def status_of(answer: Answer) -> Status:
    return Status.FromString(answer.body)


@pytest.mark.parametrize("compression", list(Compression))
def test_the_python_sdks_exporter_delivers(collector: Collector, compression: Compression) -> None:
    provider = TracerProvider(resource=Resource({"service.name": f"sdk-{compression.name}"}))
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{collector.url}/v1/traces", compression=compression))
    )
    with provider.get_tracer("t").start_as_current_span("root", attributes={"n": 0, "ok": False, "x": [0.5, 1.0]}):
        pass
    provider.shutdown()
    collector.flush()
    columns = "SpanAttributes['n'], SpanAttributes['ok'], SpanAttributes['x']"
    sql = f"SELECT {columns} FROM otel_traces WHERE ServiceName = 'sdk-{compression.name}'"
    assert collector.query(sql).body == b"0\tfalse\t[0.5,1.0]\n"


@pytest.mark.parametrize("kind", [PROTOBUF, f"{PROTOBUF}; charset=utf-8", "Application/X-Protobuf"])
@pytest.mark.parametrize(
    ("encoding", "encode"), [("", bytes), ("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_protobuf_in_every_encoding(collector: Collector, kind: str, encoding: str, encode: Any) -> None:
    trace = abs(hash((kind, encoding))) % 2**100 + 1
    headers = {"content_encoding": encoding} if encoding else {}
    answer = collector.send(encode(encode_traces([make(1, trace=trace)])), content_type=kind, **headers)
    assert (answer.status, answer.headers["content-type"]) == (200, PROTOBUF)
    assert ExportTraceServiceResponse.FromString(answer.body) == ExportTraceServiceResponse()
    assert stored(collector, trace) == ["span 1"]


def test_json(collector: Collector) -> None:
    document = MessageToDict(request_of([make(1, trace=77)]))
    for spans in (s for r in document["resourceSpans"] for s in r["scopeSpans"]):
        for span in spans["spans"]:
            span.update(traceId=f"{77:032X}", spanId=f"{1:016x}", kind=2, status={"code": 2}, unheardOf=[1])
    answer = collector.send(json.dumps(document).encode(), content_type="application/json; charset=utf-8")
    assert (answer.status, answer.headers["content-type"], answer.json()) == (200, "application/json", {})
    assert stored(collector, 77) == ["span 1"]


@pytest.mark.parametrize(("kind", "body"), [(PROTOBUF, b""), ("application/json", b"{}"), ("application/json", b"")])
def test_an_empty_request_is_taken(collector: Collector, kind: str, body: bytes) -> None:
    assert collector.send(body, content_type=kind).status == 200


@pytest.mark.parametrize(
    ("kind", "headers", "body"),
    [
        (PROTOBUF, {}, b"\xff" * 20),
        (PROTOBUF, {}, encode_traces([make(1)])[:-3]),
        (PROTOBUF, {"content_encoding": "gzip"}, b"no gzip"),
        (PROTOBUF, {"content_encoding": "gzip"}, gzip.compress(encode_traces([make(1)]))[:-9]),
        (PROTOBUF, {"content_encoding": "gzip"}, gzip.compress(b"") + b"more"),
        (PROTOBUF, {"content_encoding": "deflate"}, b"no deflate"),
    ],
    ids=["noise", "cut", "no gzip", "cut gzip", "more than gzip", "no deflate"],
)
def test_a_malformed_body_is_400_with_a_status(
    collector: Collector, kind: str, headers: dict[str, str], body: bytes
) -> None:
    answer = collector.send(body, content_type=kind, **headers)
    assert (answer.status, answer.headers["content-type"]) == (400, PROTOBUF)
    assert status_of(answer).code == 3
    assert status_of(answer).message


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"null", b'"a"', b'{"resourceSpans": 3}', b"\xff\xfe", b"[" * 5000, b'{"resourceSpans":' * 2000],
)
def test_malformed_json_is_400_in_json(collector: Collector, body: bytes) -> None:
    answer = collector.send(body, content_type="application/json")
    assert (answer.status, answer.headers["content-type"], answer.json()["code"]) == (400, "application/json", 3)


def test_json_of_wrong_ids_says_where(collector: Collector) -> None:
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz", "spanId": "1"}]}]}]}
    answer = collector.send(json.dumps(document).encode(), content_type="application/json")
    assert answer.status == 400
    assert "resourceSpans[0].scopeSpans[0].spans[0].traceId" in answer.json()["message"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "nonsense", ""]
)
def test_another_type_is_415(collector: Collector, kind: str) -> None:
    """What a web page may send across sites without asking (a form, plain text, no type) is among them."""
    answer = collector.send(encode_traces([make(1)]), content_type=kind)
    assert (answer.status, status_of(answer).code) == (415, 3)


def test_another_encoding_is_415(collector: Collector) -> None:
    assert collector.send(b"x", content_encoding="br").status == 415


TEN_GB = 10 << 30


def deflated(wbits: int) -> bytes:
    """Ten gigabytes: a megabyte of zeros, flushed whole so that its block may come again and again."""
    packed = zlib.compressobj(9, zlib.DEFLATED, wbits)
    head = packed.compress(b"\0" * (1 << 20)) + packed.flush(zlib.Z_FULL_FLUSH)
    return head + (packed.compress(b"\0" * (1 << 20)) + packed.flush(zlib.Z_FULL_FLUSH)) * (TEN_GB >> 20)


def zstandard() -> bytes:
    """A frame that declares its ten gigabytes, in blocks of one repeated byte (RFC 8878, 3.1.1)."""
    block = ((128 << 10) << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd\xc0\x38" + TEN_GB.to_bytes(8, "little") + block * (TEN_GB >> 17)


def lz4_frame() -> bytes:
    """Blocks of four megabytes that need no other; lz4 packs zeros 255 to 1 at most."""
    packed = lz4.frame.compress(b"\0" * (4 << 20), block_size=lz4.frame.BLOCKSIZE_MAX4MB, store_size=False)
    head, block = packed[:7], packed[7:-4]
    return head + block * 512


@pytest.mark.parametrize(
    ("encoding", "make_bomb"),
    [
        ("gzip", lambda: deflated(16 + zlib.MAX_WBITS)),
        ("deflate", lambda: deflated(zlib.MAX_WBITS)),
        ("zstd", zstandard),
        ("lz4", lz4_frame),
    ],
)
def test_a_bomb_is_413_and_costs_no_memory(collector: Collector, encoding: str, make_bomb: Callable[[], bytes]) -> None:
    bomb = make_bomb()
    before = peak_memory(collector)
    answer = collector.send(bomb, content_encoding=encoding)
    assert (answer.status, status_of(answer).code) == (413, 8)
    assert peak_memory(collector) - before < 200 << 20


def test_a_body_over_the_limit_is_413_even_uncompressed(collector: Collector) -> None:
    assert collector.send(b"\0" * ((64 << 20) + 1)).status == 413


def test_spans_without_ids_are_rejected_by_count_and_the_rest_is_stored(collector: Collector) -> None:
    request = request_of([make(1, trace=501), make(2, trace=501), make(3, trace=501), make(4, trace=501)])
    spans = request.resource_spans[0].scope_spans[0].spans
    spans[0].trace_id, spans[1].span_id, spans[2].span_id = b"", b"\0" * 8, b"short"
    answer = collector.send(request.SerializeToString())
    assert answer.status == 200
    said = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert (said.rejected_spans, said.error_message) == (3, "3 spans have no valid trace id and span id")
    assert stored(collector, 501) == ["span 4"]


def test_metrics_are_unimplemented(collector: Collector) -> None:
    answer = ask(f"{collector.url}/v1/metrics", b"")
    assert (answer.status, status_of(answer).code) == (501, 12)


def test_metrics_count_what_became_of_requests(collector: Collector) -> None:
    before = collector.metrics()
    collector.send(encode_traces([make(1, trace=601), make(2, trace=601)]))
    collector.send(b"\xff" * 9)
    collector.flush()
    after = collector.metrics()

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert grown("leyden_collector_spans_accepted_total") == 2
    assert grown("leyden_collector_requests_accepted_total") == 1
    assert grown('leyden_collector_requests_refused_total{status="400"}') == 1
    assert grown("leyden_collector_segments_stored_total") == 1
    assert (after["leyden_collector_spool_bytes"], after["leyden_collector_quarantined_total"]) == (0, 0)


def test_it_is_healthy_and_ready(collector: Collector) -> None:
    assert ask(f"{collector.url}/health").json() == {"status": "ok"}
    answer = ask(f"{collector.url}/ready")
    assert (answer.status, answer.json()["ready"]) == (200, True)


PAGE = "https://app.example"


def preflight(collector: Collector, path: str, origin: str = PAGE) -> Answer:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    return ask(f"{collector.url}{path}", method="OPTIONS", **asked)


def test_no_page_may_send_unless_configured(collector: Collector) -> None:
    assert "access-control-allow-origin" not in preflight(collector, "/v1/traces").headers
    answer = collector.send(encode_traces([make(1, trace=801)]), Origin=PAGE)
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("way", ["option", "variable"])
def test_a_configured_page_may_send_spans_and_nothing_else(tmp_path: Path, way: str) -> None:
    arguments = ["--cors-origin", PAGE] if way == "option" else []
    env = {} if way == "option" else {"LEYDEN_CORS_ORIGINS": f"https://other.example, {PAGE}"}
    with Collector(f"chdb://{tmp_path}/store", tmp_path, *arguments, env=env) as collector:
        allowed = preflight(collector, "/v1/traces")
        assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, PAGE)
        sent = collector.send(encode_traces([make(1, trace=802)]), Origin=PAGE)
        assert (sent.status, sent.headers["access-control-allow-origin"]) == (200, PAGE)
        stranger = preflight(collector, "/v1/traces", "https://evil.example")
        assert "access-control-allow-origin" not in stranger.headers
        assert "access-control-allow-origin" not in preflight(collector, "/api/traces").headers
