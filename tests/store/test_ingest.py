"""What ClickHouse parses from OTLP is what the Python decoder reads, to the bit, embedded and on a server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from leyden_store.errors import OtlpInvalid
from leyden_store.ingest import OtlpWriter, delimited, varint
from leyden_store.lightning import LightningStore
from leyden_store.otlp import decode_traces, encode_traces
from leyden_store.selection import Selection
from leyden_store.spans import Event, Link, Span
from tests.support.otlp_making import DAY_NS, NOW_NS, any_span, by_id, differences, exact, make, put, request_of

CASES = Path(__file__).parent / "dialects" / "cases"


def test_every_capture_is_stored_as_the_decoder_reads_it(store: LightningStore) -> None:
    captures = [capture.read_bytes() for capture in sorted(CASES.glob("*/input.pb"))]
    put(store, b"".join(captures))  # concatenated, they are one request
    sent = {(s.trace_id, s.span_id): s for capture in captures for s in decode_traces(capture)}
    assert len(sent) > 100
    assert differences(by_id(sent.values()), by_id(store.spans())) == []


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_sent_is_stored_as_the_decoder_reads_it(store: LightningStore, seed: int) -> None:
    random = Random(seed)
    request = encode_traces(any_span(random) for _ in range(400))
    put(store, request)
    sent = decode_traces(request)
    assert differences(by_id(sent), by_id(store.spans(_traces(s.trace_id for s in sent)))) == []


def _traces(trace_ids: Iterable[str]) -> Selection:
    return Selection("SELECT DISTINCT TraceId FROM traces WHERE TraceId IN {ids:Array(String)}", {"ids": list(trace_ids)})
