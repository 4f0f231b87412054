"""Whatever bytes come, the collector answers as OTLP says, stays alive, stays small, and goes on taking spans."""

from __future__ import annotations

import gzip
import http.client
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from leyden_collector.intake import checked
from leyden_store.otlp import encode_traces
from tests.support.collector import PROTOBUF, Collector
from tests.support.memory import peak_memory
from tests.support.otlp_making import any_span, make, request_of

JSON = "application/json"
_SENDERS = 16

ids = st.one_of(st.binary(max_size=20), st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8))
requests = st.builds(
    lambda batches: ExportTraceServiceRequest(
        resource_spans=[{"scope_spans": [{"spans": spans} for spans in scopes]} for scopes in batches]
    ),
    st.lists(
        st.lists(
            st.lists(st.builds(Span, trace_id=ids, span_id=ids, name=st.text(max_size=5)), max_size=4), max_size=2
        ),
        max_size=3,
    ),
)


def spans_of(body: bytes) -> Iterator[Span]:
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            yield from scope_spans.spans


@given(requests)
def test_every_span_is_accepted_or_rejected_and_what_is_accepted_has_a_key(request: ExportTraceServiceRequest) -> None:
    body = request.SerializeToString()
    kept, accepted, rejected = checked(body)
    assert accepted + rejected == len(list(spans_of(body)))
    assert accepted == len(list(spans_of(kept)))
    for span in spans_of(kept):
        assert (len(span.trace_id), len(span.span_id)) == (16, 8)
        assert any(span.trace_id)
        assert any(span.span_id)
    assert checked(kept) == (kept, accepted, 0)
    if not rejected:
        assert kept == body


class Mutations:
    """Requests gone wrong: real ones, cut, spliced, flipped, nested, and packed in every encoding; or noise."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._real = [encode_traces(any_span(random) for _ in range(n)) for n in (1, 1, 2, 3, 8)]
        self._json = [json.dumps(MessageToDict(request_of(map(any_span, [random] * n)))).encode() for n in (1, 2)]

    def one(self) -> tuple[bytes, dict[str, str]]:
        """A body and its headers."""
        random = self._random
        is_json = random.random() < 0.3
        body = self._spoiled(random.choice(self._json if is_json else self._real))
        headers = {"Content-Type": JSON if is_json else PROTOBUF}
        match random.randrange(8):
            case 0:
                body, headers["Content-Encoding"] = self._spoiled(gzip.compress(body, 1)), "gzip"
            case 1:
                body, headers["Content-Encoding"] = self._spoiled(zlib.compress(body, 1)), "deflate"
            case 2:
                headers["Content-Encoding"] = random.choice(["gzip", "zstd", "lz4", "br", "", "identity, gzip"])
            case 3:
                headers["Content-Type"] = random.choice(
                    [JSON, PROTOBUF, "text/plain", "", "application/json;;", "\xff"]
                )
        return body, headers

    def _spoiled(self, body: bytes) -> bytes:
        random = self._random
        for _ in range(random.choice((0, 1, 1, 2, 5))):
            at, to = sorted(random.randrange(len(body) + 1) for _ in range(2))
            match random.randrange(7):
                case 0:
                    body = body[:at]
                case 1:
                    body = body[:at] + body[to:]
                case 2:
                    body = body[:at] + random.randbytes(random.randrange(1, 9)) + body[at:]
                case 3:
                    body = body[:to] + body[at:]
                case 4 if body:
                    flipped = bytearray(body)
                    flipped[at - 1] ^= 1 << random.randrange(8)
                    body = bytes(flipped)
                case 5:
                    body = random.choice((b"[", b'{"a":', b"\n\xff\xff\xff\xff\x07", b"\n\0")) * random.randrange(300)
                case _:
                    body = random.randbytes(random.randrange(200))
        return body


@pytest.mark.parametrize(
    "bodies", [2_000, pytest.param(100_000, marks=[pytest.mark.faults, pytest.mark.timeout(3600)])]
)
def test_no_body_brings_it_down(tmp_path: Path, bodies: int) -> None:
    with Collector(f"chdb://{tmp_path}/store", tmp_path) as collector, ThreadPoolExecutor(_SENDERS) as senders:
        answered(collector, seed=0, bodies=200)
        before = peak_memory(collector)
        answers: Counter[int] = Counter()
        for found in senders.map(lambda n: answered(collector, n + 1, bodies // _SENDERS), range(_SENDERS)):
            answers += found
        assert set(answers) <= {200, 400, 413, 415}
        assert min(answers[200], answers[400], answers[415]) > bodies // 100
        assert peak_memory(collector) - before < 300 << 20
        assert collector.send(encode_traces([make(1, trace=77)])).status == 200
        assert collector.process is not None
        assert collector.process.poll() is None
        assert "Traceback" not in collector.log


def answered(collector: Collector, seed: int, bodies: int) -> Counter[int]:
    """Post so many over one connection; how often each status was answered."""
    made, answers = Mutations(Random(seed)), Counter[int]()
    target = urlsplit(collector.url)
    with closing(http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)) as connection:
        for _ in range(bodies):
            connection.request("POST", "/v1/traces", *made.one())
            response = connection.getresponse()
            response.read()
            answers[response.status] += 1
    return answers
