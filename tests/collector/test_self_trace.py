"""The collector traces itself only if asked, to itself or elsewhere, and never its own tracing."""

from __future__ import annotations

import json
import time
from pathlib import Path

from leyden_store.otlp import encode_traces
from tests.support.collector import Collector
from tests.support.otlp_making import make
from tests.support.otlp_sink import OtlpSink

STATUS = "SpanAttributes['http.response.status_code']"
OWN = f"SELECT SpanName, {STATUS} FROM otel_traces WHERE ServiceName = 'leyden-collector'"


def own_spans(collector: Collector) -> list[str]:
    assert collector.flush().status == 200
    return collector.query(OWN).body.decode().splitlines()


def test_every_export_request_leaves_a_span_and_those_that_bring_them_none(tmp_path: Path) -> None:
    with Collector(f"chdb://{tmp_path}/store", tmp_path, "--self-trace", "--log-format", "json") as running:
        for number in range(3):
            running.send(encode_traces([make(number + 1)]))
        running.send(b"\xff")
        time.sleep(2.5)
        expected = ["POST /v1/traces\t200"] * 3 + ["POST /v1/traces\t400"]
        assert sorted(own_spans(running)) == expected
        time.sleep(2.5)
        assert sorted(own_spans(running)) == expected
        running.send(encode_traces([make(9)]))
        assert running.stop() == 0
        assert all(json.loads(line)["level"] for line in running.log.splitlines() if line.startswith("{"))
    with OtlpSink() as sink, Collector(f"chdb://{tmp_path}/store", tmp_path, "--self-trace", sink.url) as running:
        assert len(own_spans(running)) == 5  # the last one was sent on the way out
        running.send(encode_traces([make(10)]))
        assert running.stop() == 0
        assert [span.name for span in sink.spans] == ["POST /v1/traces"]
