"""OTLP over gRPC is answered as its specification says, and stores what OTLP over HTTP would."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from leyden_store.otlp import encode_traces
from tests.support.collector import Collector
from tests.support.memory import peak_memory
from tests.support.otlp_making import make, request_of

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
FULL_SPOOL = "import leyden_collector.spool as s; s.Limits.__init__.__defaults__ = (100, 8 << 20, 0.2)"
COMPRESSIONS = [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate]


@pytest.fixture
def channel(collector: Collector) -> Iterator[grpc.Channel]:
    with connect(collector) as connected:
        yield connected


def connect(collector: Collector) -> grpc.Channel:
    return grpc.insecure_channel(collector.grpc.removeprefix("http://"))


def export(channel: grpc.Channel, body: bytes, method: str = EXPORT, **options: object) -> bytes:
    answer: bytes = channel.unary_unary(method)(body, timeout=30, **options)
    return answer


def refusal(channel: grpc.Channel, body: bytes, method: str = EXPORT) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as refused:
        export(channel, body, method)
    return refused.value


def stored(collector: Collector, trace: int) -> list[str]:
    """The names of the trace's spans, once all is stored."""
    assert collector.flush().status == 200
    text = collector.query(f"SELECT SpanName FROM otel_traces WHERE TraceId = '{trace:032x}' ORDER BY 1").body.decode()
    return text.splitlines()


@pytest.mark.parametrize("compression", COMPRESSIONS, ids=lambda c: c.name)
def test_the_python_sdks_exporter_delivers(collector: Collector, compression: grpc.Compression) -> None:
    provider = TracerProvider(resource=Resource({"service.name": f"grpc-{compression.name}"}))
    exporter = OTLPSpanExporter(collector.grpc, insecure=True, compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("root", attributes={"n": 0, "ok": False, "x": [0.5, 1.0]}):
        pass
    provider.shutdown()
    collector.flush()
    columns = "SpanAttributes['n'], SpanAttributes['ok'], SpanAttributes['x']"
    sql = f"SELECT {columns} FROM otel_traces WHERE ServiceName = 'grpc-{compression.name}'"
    assert collector.query(sql).body == b"0\tfalse\t[0.5,1.0]\n"


@pytest.mark.parametrize("compression", COMPRESSIONS, ids=lambda c: c.name)
def test_a_batch_far_over_grpcs_own_limit_is_taken(
    collector: Collector, channel: grpc.Channel, compression: grpc.Compression
) -> None:
    """grpc's default of 4 MB is 8 KB a span at 512 spans a batch, which long agent calls exceed."""
    trace = 700 + COMPRESSIONS.index(compression)
    spans = [make(n, trace=trace, attributes={"gen_ai.input.messages": f"{n} " * 50_000}) for n in range(1, 101)]
    body = encode_traces(spans)
    assert len(body) > 10 << 20
    assert export(channel, body, compression=compression) == b""
    assert len(stored(collector, trace)) == 100


def test_an_empty_request_is_taken(channel: grpc.Channel) -> None:
    assert export(channel, b"") == b""


@pytest.mark.parametrize(
    "body",
    [
        b"\xff" * 20,
        encode_traces([make(1)])[:-3],
        gzip.compress(encode_traces([make(1)]))[:-9],
        b"\x1f\x8bno gzip",
        zlib.compress(b"no request"),
    ],
    ids=["noise", "cut", "cut gzip", "no gzip", "no request"],
)
def test_a_malformed_message_is_an_invalid_argument(channel: grpc.Channel, body: bytes) -> None:
    refused = refusal(channel, body)
    assert refused.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.details()


def test_spans_without_ids_are_rejected_by_count_and_the_rest_is_stored(
    collector: Collector, channel: grpc.Channel
) -> None:
    request = request_of([make(1, trace=711), make(2, trace=711), make(3, trace=711)])
    spans = request.resource_spans[0].scope_spans[0].spans
    spans[0].trace_id, spans[1].span_id = b"", b"\0" * 8
    said = ExportTraceServiceResponse.FromString(export(channel, request.SerializeToString())).partial_success
    assert (said.rejected_spans, said.error_message) == (2, "2 spans have no valid trace id and span id")
    assert stored(collector, 711) == ["span 3"]


def test_a_message_over_the_limit_is_resource_exhausted_for_good(channel: grpc.Channel) -> None:
    refused = refusal(channel, b"\0" * ((64 << 20) + 1))
    assert refused.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "google.rpc.retryinfo-bin" not in dict(refused.trailing_metadata() or ())


@pytest.mark.parametrize("window", [16 + zlib.MAX_WBITS, zlib.MAX_WBITS], ids=["gzip", "deflate"])
def test_a_bomb_is_resource_exhausted_and_costs_no_memory(
    collector: Collector, channel: grpc.Channel, window: int
) -> None:
    packed = zlib.compressobj(9, zlib.DEFLATED, window)
    bomb = b"".join(packed.compress(b"\0" * (1 << 20)) for _ in range(1024)) + packed.flush()
    before = peak_memory(collector)
    assert refusal(channel, bomb).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert peak_memory(collector) - before < 300 << 20


def test_a_full_spool_is_unavailable_and_says_when_to_retry(tmp_path: Path) -> None:
    with (
        Collector(f"chdb://{tmp_path}/store", tmp_path, program=FULL_SPOOL) as collector,
        connect(collector) as channel,
    ):
        refused = refusal(channel, encode_traces([make(1, attributes={"pad": "x" * 500})]))
        assert refused.code() == grpc.StatusCode.UNAVAILABLE
        told = dict(refused.trailing_metadata() or ())
        assert RetryInfo.FromString(told["google.rpc.retryinfo-bin"]).retry_delay.seconds == 1
        (detail,) = Status.FromString(told["grpc-status-details-bin"]).details
        assert detail.Is(RetryInfo.DESCRIPTOR)
        assert collector.metrics()['leyden_collector_requests_refused_total{status="503"}'] == 1


@pytest.mark.parametrize("service", ["metrics.v1.MetricsService", "profiles.v1.ProfilesService"])
def test_what_is_not_stored_is_unimplemented(channel: grpc.Channel, service: str) -> None:
    refused = refusal(channel, b"", f"/opentelemetry.proto.collector.{service}/Export")
    assert refused.code() == grpc.StatusCode.UNIMPLEMENTED


def test_it_says_that_it_serves(channel: grpc.Channel) -> None:
    name = b"opentelemetry.proto.collector.trace.v1.TraceService"
    check = "/grpc.health.v1.Health/Check"
    assert export(channel, b"", check) == export(channel, b"\n" + bytes([len(name)]) + name, check) == b"\x08\x01"
    assert refusal(channel, b"\n\x05other", check).code() == grpc.StatusCode.NOT_FOUND


def test_a_taken_port_is_one_line_and_exit_1(collector: Collector, tmp_path: Path) -> None:
    port = collector.grpc.rpartition(":")[2]
    second = Collector(f"chdb://{tmp_path}/other", tmp_path, "--grpc-port", port)
    with pytest.raises(AssertionError, match=f"cannot listen on 127.0.0.1:{port}; choose another with --grpc-port"):
        second.start()
    assert second.process is not None
    assert second.process.wait() == 1
    assert "Traceback" not in second.log


def test_it_can_be_left_out(tmp_path: Path) -> None:
    with Collector(f"chdb://{tmp_path}/store", tmp_path, "--no-grpc") as collector:
        assert "OTLP/gRPC" not in collector.log
        assert collector.stop() == 0
