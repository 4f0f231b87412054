"""A long request is checked piece by piece: the same spans, little memory, whatever it holds."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from leyden_collector import piecewise
from leyden_collector.intake import checked
from leyden_collector.piecewise import pieces
from leyden_store.errors import OtlpInvalid
from leyden_store.ingest import varint

spans = st.builds(
    Span, trace_id=st.binary(min_size=16, max_size=16), span_id=st.binary(min_size=8, max_size=8), name=st.text()
)
scopes = st.builds(
    lambda name, spans: ScopeSpans(scope=InstrumentationScope(name=name), spans=spans),
    st.text(),
    st.lists(spans, max_size=9),
)
requests = st.builds(
    lambda batches: ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(resource=Resource(attributes=[KeyValue(key=key)]), scope_spans=found, schema_url=key)
            for key, found in batches
        ]
    ),
    st.lists(st.tuples(st.text(max_size=4), st.lists(scopes, max_size=3)), max_size=4),
)


def flat(request: ExportTraceServiceRequest) -> list[tuple[str | bytes, ...]]:
    """Every span under its resource and scope."""
    return [
        (batch.schema_url, *(part.SerializeToString() for part in (batch.resource, scope.scope, span)))
        for batch in request.resource_spans
        for scope in batch.scope_spans
        for span in scope.spans
    ]


@settings(max_examples=60)
@given(requests, st.integers(1, 300))
def test_pieces_are_the_request(request: ExportTraceServiceRequest, most: int) -> None:
    body = request.SerializeToString()
    before, piecewise.PIECE_BYTES = piecewise.PIECE_BYTES, most
    try:
        found = list(pieces(body))
    finally:
        piecewise.PIECE_BYTES = before
    joined = ExportTraceServiceRequest()
    for piece in found:
        joined.MergeFromString(piece)
    assert flat(joined) == flat(request)


def field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def test_of_a_long_request_spans_without_ids_are_rejected_and_the_rest_is_taken() -> None:
    good = Span(trace_id=b"t" * 16, span_id=b"s" * 8, name="n" * 1000).SerializeToString()
    bad = Span(span_id=b"s" * 8).SerializeToString()
    body = field(1, field(2, field(1, b"\x0a\x01x") + b"".join(field(2, one) for one in (good, bad)) * 2000))
    kept, accepted, rejected = checked(body)
    assert (accepted, rejected) == (2000, 2000)
    stored = flat(ExportTraceServiceRequest.FromString(kept))
    assert {(scope, span) for _, _, scope, span in stored} == {(b"\x0a\x01x", good)}
    assert checked(field(1, field(2, field(2, good) * 3000))) == (field(1, field(2, field(2, good) * 3000)), 3000, 0)


EMPTY = 15 << 20


def test_millions_of_empty_messages_are_refused_in_little_memory() -> None:
    """A parser would make two gigabytes of 64 MiB of them, wherever they are."""
    program = (
        "import resource\n"
        "from leyden_collector.intake import checked\n"
        "from leyden_store.errors import OtlpInvalid\n"
        "from tests.collector.test_piecewise import EMPTY, field\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
        "for inside in ((), (1, 2), (1, 2, 2, 9, 2, 5)):\n"
        "    body = field(1, b'') * EMPTY\n"
        "    for number in reversed(inside):\n"
        "        body = field(number, body)\n"
        "    before = peak()\n"
        "    try:\n"
        "        print('taken', checked(body)[1:])\n"
        "    except OtlpInvalid as error:\n"
        "        print('several' in str(error) and peak() - before < 150, error, peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["True"] * 3, done.stdout


def test_a_long_request_that_is_none_is_refused() -> None:
    span = Span(trace_id=b"t" * 16, span_id=b"s" * 8, name="n" * (2 << 20)).SerializeToString()
    body = field(1, field(2, field(2, span)))
    assert checked(body) == (body, 1, 0)
    for spoiled in (body[:-1], body[:9] + b"\x07" + body[9:], b"\xff" * (2 << 20), body + b"\x0a"):
        with pytest.raises(OtlpInvalid):
            checked(spoiled)
