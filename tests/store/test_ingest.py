"""What ClickHouse parses from OTLP is what the Python decoder reads, to the bit, embedded and on a server."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest

from leyden_store import ingest
from leyden_store.errors import OtlpInvalid
from leyden_store.ingest import OtlpWriter, delimited, varint
from leyden_store.lightning import LightningStore
from leyden_store.otlp import decode_traces, encode_traces
from leyden_store.selection import Selection
from leyden_store.spans import Event
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
    return Selection(
        "SELECT DISTINCT TraceId FROM traces WHERE TraceId IN {ids:Array(String)}", {"ids": list(trace_ids)}
    )


def test_packed_token_ids_are_stored_as_the_same_list(store: LightningStore) -> None:
    """Three bytes an id, little-endian, in base64; beside a list, or where it is none, it stays an attribute."""
    ids = [0, 1, 255, 256, 151_643, 2**24 - 1]
    packed = base64.b64encode(b"".join(i.to_bytes(3, "little") for i in ids)).decode()
    both = {"leyden.prompt_token_ids.packed": packed, "leyden.response_token_ids.packed": packed}
    request = encode_traces([make(1, attributes=both), make(2, attributes={**both, "leyden.prompt_token_ids": [7]})])
    odd = {"leyden.prompt_token_ids.packed": "AAA", "leyden.response_token_ids.packed": 5}
    request += encode_traces([make(3, attributes=odd)])
    put(store, request)
    first, second, third = sorted(store.spans(), key=lambda span: span.span_id)
    assert (first.prompt_token_ids, first.response_token_ids, dict(first.attributes)) == (ids, ids, {})
    assert (second.prompt_token_ids, second.response_token_ids) == ([7], ids)
    assert second.attributes == {"leyden.prompt_token_ids.packed": packed}
    assert (third.prompt_token_ids, third.response_token_ids, third.attributes) == (None, None, odd)
    decoded = sorted(decode_traces(request), key=lambda span: span.span_id)
    assert [(s.prompt_token_ids, s.response_token_ids, s.attributes) for s in decoded] == [
        (s.prompt_token_ids, s.response_token_ids, s.attributes) for s in (first, second, third)
    ]


def test_token_ids_and_logprobs_are_bit_identical(store: LightningStore) -> None:
    random = Random(5)
    ids = [random.randrange(2**31) for _ in range(20_000)]
    logprobs = [-random.expovariate(1.0) for _ in ids] + [-0.0, float("-inf"), -5e-324]
    put(store, [make(1, prompt_token_ids=ids, response_token_ids=ids, response_logprobs=logprobs)])
    (read,) = store.spans()
    assert read.prompt_token_ids == ids
    assert read.response_token_ids == ids
    assert exact(read.response_logprobs) == exact(logprobs)


def test_whole_logprobs_are_doubles(store: LightningStore) -> None:
    put(store, [make(1, attributes={"leyden.response_logprobs": [-1, 0]})])
    (read,) = store.spans()
    assert exact(read.response_logprobs) == exact([-1.0, 0.0])


def test_a_long_string_comes_back_whole(store: LightningStore) -> None:
    text = "漢\0" * (4 << 20)
    put(store, [make(1, attributes={"a": text, "gen_ai.input.messages": text})])
    (read,) = store.spans()
    assert read.attributes == {"a": text, "gen_ai.input.messages": text}


def test_a_span_that_ends_before_it_starts_has_no_duration(store: LightningStore) -> None:
    put(store, [make(1, start_ns=NOW_NS, end_ns=NOW_NS - 5)])
    (read,) = store.spans()
    assert (read.start_ns, read.end_ns) == (NOW_NS, NOW_NS)


@pytest.mark.parametrize(
    "start_ns", [0, 4_500_000_000 * 10**9, 2**63 - 1, 2**64 - 1], ids=["1970", "2112", "2262", "max"]
)
def test_a_span_of_an_impossible_time_is_found_again(store: LightningStore, start_ns: int) -> None:
    """Clocks go wrong, and microseconds are taken for nanoseconds: such a span is odd, but it is not lost."""
    put(store, [make(1, start_ns=start_ns, end_ns=start_ns)])
    (read,) = store.spans()
    assert read.start_ns == min(start_ns, 2**63 - 1)
    assert store.trace(read.trace_id).spans
    assert [t["trace_id"] for t in store.traces()] == [read.trace_id]


def test_an_empty_value_on_the_span_does_not_hide_the_resources(store: LightningStore) -> None:
    resource = {"leyden.rollout.id": "r", "leyden.project": "p"}
    put(store, [make(1, project="p", resource=resource, attributes={"leyden.rollout.id": ""})])
    (read,) = store.spans()
    assert (read.rollout_id, read.project) == ("r", "p")


def test_what_is_no_token_array_stays_an_attribute(store: LightningStore) -> None:
    odd = {"leyden.prompt_token_ids": "1 2 3", "leyden.response_token_ids": [1, "2"], "leyden.response_logprobs": []}
    request = encode_traces([make(1, attributes=odd)])
    put(store, request)
    assert differences(by_id(decode_traces(request)), by_id(store.spans())) == []


def test_token_arrays_of_events_are_attributes_like_others(store: LightningStore) -> None:
    request = encode_traces([make(1, events=(Event(NOW_NS, "e", {"leyden.prompt_token_ids": [1], "n": 1}),))])
    put(store, request)
    assert differences(by_id(decode_traces(request)), by_id(store.spans())) == []


def test_spans_of_many_days_go_in_at_once(store: LightningStore) -> None:
    put(store, [make(n, trace=n + 1, at_ns=NOW_NS - n * DAY_NS) for n in range(150)])
    assert store.stats()["spans"] == 150


def test_the_same_segment_again_is_stored_once(store: LightningStore) -> None:
    segment = delimited([encode_traces([make(1)])])
    writer = OtlpWriter(store.connection)
    for _ in range(3):
        writer.write(segment, token="t")
    writer.close()
    assert store.sql("SELECT count() AS n FROM otel_traces").to_pylist() == [{"n": 1}]


def large_requests() -> list[bytes]:
    """Requests of twelve MiB together: more than an insert takes at a time."""
    return [encode_traces([make(n, attributes={"text": "x" * (3 << 20)})]) for n in range(1, 5)]


def test_a_large_segment_again_is_stored_once(store: LightningStore) -> None:
    segment = delimited(large_requests())
    writer = OtlpWriter(store.connection)
    for _ in range(3):
        writer.write(segment, token="t")
    writer.close()
    for table, rows in (("otel_traces", 4), ("traces", 1), ("otel_traces_trace_id_ts", 1)):
        assert store.sql(f"SELECT count() AS n FROM {table}").to_pylist() == [{"n": rows}], table


def test_poison_behind_a_large_part_of_a_segment_keeps_all_of_it_out(store: LightningStore) -> None:
    writer = OtlpWriter(store.connection)
    with pytest.raises(OtlpInvalid):
        writer.write(delimited([*large_requests(), b"\xff" * 40]), token="t")
    writer.close()
    assert store.stats()["spans"] == 0


def test_the_landing_table_takes_the_same_requests_to_the_same_rows(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For who inserts there: a collector's gateway, a queue that ClickHouse reads."""
    random = Random(7)
    requests = [encode_traces(any_span(random) for _ in range(100)) for _ in range(3)]
    segment = delimited([*requests, *(capture.read_bytes() for capture in sorted(CASES.glob("*/input.pb")))])
    with LightningStore.open(dsn) as store:
        everything = "SELECT cityHash64(*) AS row FROM otel_traces ORDER BY row"  # NaN is none of its equals
        with monkeypatch.context() as landing:
            landing.setattr(ingest, "Flattening", lambda connection: None)
            write(store, segment)
        landed = store.sql(everything)
        for table in ("otel_traces", "traces", "otel_traces_trace_id_ts"):
            store.connection.command(f"TRUNCATE TABLE {table}")
        write(store, segment)
        assert landed.num_rows > 400
        assert store.sql(everything).equals(landed)


def write(store: LightningStore, segment: bytes) -> None:
    writer = OtlpWriter(store.connection)
    writer.write(segment, token=secrets.token_hex())
    writer.close()


@pytest.mark.parametrize(
    "poison",
    [b"\xff" * 40, varint(200) + b"short", encode_traces([make(1)])[:-7]],
    ids=["noise", "cut", "torn request"],
)
def test_malformed_bytes_are_refused_whole(store: LightningStore, poison: bytes) -> None:
    writer = OtlpWriter(store.connection)
    good = encode_traces([make(2)])
    with pytest.raises(OtlpInvalid, match="cannot read the OTLP bytes"):
        writer.write(delimited([good]) + (poison if poison[0] == 0xC8 else delimited([poison])), token="t")
    assert store.stats()["spans"] == 0
    writer.write(delimited([good]), token="u")
    writer.close()
    assert store.stats()["spans"] == 1


def test_nothing_is_nothing(store: LightningStore) -> None:
    writer = OtlpWriter(store.connection)
    writer.write(b"", token="t")
    writer.write(delimited([b"", request_of([]).SerializeToString()]), token="u")
    writer.close()
    assert store.stats()["spans"] == 0
