"""Every way to read gives every span once, however it came: twice, in other batches, out of order, a day late."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pyarrow.parquet as pq

from leyden_exporters.span_formats import write_otlp, write_spans
from leyden_store.lightning import LightningStore
from leyden_store.listing import TraceFilter
from leyden_store.otlp import decode_traces, encode_traces
from leyden_store.selection import Selection
from leyden_store.spans import Event, Span
from tests.support.otlp_making import DAY_NS, NOW_NS, by_id, chat, differences, make, put


def trees() -> list[Span]:
    """Ten rollouts in five sessions: a root with a reward, a call, a tool that fails; the last spans a day later."""
    spans = []
    for trace in range(1, 11):
        at = NOW_NS + trace * 10**9
        score = Event(at, "gen_ai.evaluation.result", {"gen_ai.evaluation.score.value": trace / 10})
        who = {"rollout_id": f"r{trace}", "session_id": f"s{trace % 5}"}
        spans += [
            make(1, trace=trace, at_ns=at, events=(score,), **who),  # type: ignore[arg-type]
            chat(2, trace=trace, parent=1, at_ns=at, said=f"harpsichord {trace}", **who),
            make(3, trace=trace, parent=1, at_ns=at + DAY_NS, status="Error", **who),
        ]
    return spans


def said(store: LightningStore, folder: Path) -> dict[str, object]:
    """What every path says."""
    folder.mkdir()
    everything = Selection()
    write_otlp(store, everything, folder / "a.pb")
    write_spans(store, everything, folder / "a.parquet")
    parquet = pq.read_table(folder / "a.parquet", columns=["TraceId", "SpanId"]).to_pylist()
    stats = store.stats()
    return {
        "traces": store.traces(),
        "list": store.list_traces().rows,
        "errors": store.list_traces(TraceFilter(status="error")).rows,
        "sessions": store.list_sessions().rows,
        "search": [row["span_id"] + row["trace_id"] for row in store.search("harpsichord", limit=99).rows],
        "trace": [len(store.trace(f"{n:032x}").spans) for n in range(1, 11)],
        "turns": [turn.response for turn in store.turns()],
        "rollouts": [(r.rollout_id, len(r.turns), r.reward()) for r in store.rollouts()],
        "stats": {name: stats[name] for name in ("spans", "traces", "rollouts", "rewards")},
        "projects": [(row["spans"], row["traces"]) for row in store.stats_by("projects")],
        "otlp": sorted((s.trace_id, s.span_id) for s in decode_traces((folder / "a.pb").read_bytes())),
        "parquet": sorted((row["TraceId"], row["SpanId"]) for row in parquet),
        "summary": store.sql(
            "SELECT TraceId, uniqMerge(Spans) AS spans, uniqIfMerge(LlmSpans) AS calls, uniqIfMerge(Errors) AS errors,"
            " min(Start) AS start, max(End) AS end FROM traces GROUP BY TraceId ORDER BY TraceId"
        ).to_pylist(),
    }


def test_a_span_that_comes_again_changes_nothing_anywhere(store: LightningStore, tmp_path: Path) -> None:
    spans = trees()
    put(store, spans)
    once = said(store, tmp_path / "once")
    assert once["stats"] == {"spans": 30, "traces": 10, "rollouts": 10, "rewards": 10}
    assert len(once["otlp"]) == len(once["parquet"]) == 30  # type: ignore[arg-type]
    shuffled = Random(7).sample(spans, len(spans))
    put(store, spans, reversed(spans), *[shuffled[i : i + 4] for i in range(0, len(spans), 4)], spans[::3])
    assert said(store, tmp_path / "again") == once
    store.compact()
    assert said(store, tmp_path / "merged") == once


def test_the_order_and_the_batches_say_nothing(store: LightningStore, tmp_path: Path) -> None:
    """Children a day before their parents are told, and one span a request."""
    spans = trees()
    late = [span for span in spans if span.start_ns > NOW_NS + DAY_NS]
    put(store, late, [span for span in reversed(spans) if span not in late], late)
    assert differences(by_id(decode_traces(encode_traces(spans))), by_id(store.spans())) == []
    assert [len(store.trace(f"{n:032x}").spans) for n in range(1, 11)] == [3] * 10
    assert {(t["spans"], t["errors"]) for t in store.list_traces().rows} == {(3, 1)}
    assert said(store, tmp_path / "x")["stats"] == {"spans": 30, "traces": 10, "rollouts": 10, "rewards": 10}
