"""Fill a store: the generator's spans by way of OTLP, then copies of them by SQL, and what stands beside spans."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ingest.spans import make_load

from leyden_store.ingest import OtlpWriter, delimited
from leyden_store.lightning import LightningStore

_COPIES = Path(__file__).with_name("copies.sql")
_REQUESTS, _SPANS = 400, 512
FIRST_NS = 1_790_000_000 * 10**9
"""Where the generator's spans begin, an hour of them; copies lie before."""
NEWEST_S = FIRST_NS // 10**9 + 3600
DAYS = 30
"""What 49 copies, ten million spans, spread over. Every fifth lies in the last day."""

_REWARDS = """
INSERT INTO rewards (Project, RolloutId, Name, Source, Value, Timestamp)
SELECT Project, RolloutId, 'reward', 'bench', cityHash64(RolloutId) % 100 / 100, max(End)
FROM traces WHERE RolloutId NOT IN (SELECT RolloutId FROM rewards) AND RolloutId != '' GROUP BY Project, RolloutId
"""
_METRICS = f"""
INSERT INTO collector_metrics
SELECT toDateTime64({NEWEST_S} - number * 15, 3), 'host:1', arrayJoin(series) AS Name, map(),
       if(endsWith(Name, '_total') OR endsWith(Name, '_sum') OR endsWith(Name, '_count'), {DAYS * 5760} - number,
          number % 7)
FROM (SELECT number, [
    'leyden_collector_spans_accepted_total', 'leyden_collector_spans_rejected_total',
    'leyden_collector_requests_accepted_total', 'leyden_collector_requests_refused_total',
    'leyden_collector_insert_lag_seconds_sum', 'leyden_collector_insert_lag_seconds_count',
    'leyden_collector_oldest_unsent_seconds', 'leyden_collector_store_failing_seconds',
    'leyden_collector_spool_bytes', 'leyden_collector_quarantine_requests', 'leyden_collector_quarantined_total',
    'leyden_collector_inserts_total', 'leyden_collector_inserts_failed_total', 'leyden_collector_spans_dropped_total'
] AS series FROM numbers({DAYS * 5760}))
SETTINGS max_partitions_per_insert_block = 0
"""


def fill(store: LightningStore, spans: int, seconds: float) -> dict[str, Any]:
    """Bring the store to at least so many spans, or go on for so many seconds; what the OTLP bytes of a span are."""
    load = make_load(_REQUESTS, _SPANS, templates=_REQUESTS)
    held = _held(store)
    if held == 0:
        writer = OtlpWriter(store.connection)
        for start in range(0, _REQUESTS, 10):
            writer.write(delimited(load.bodies[start : start + 10]), token=str(start))
        writer.close()
        held = _held(store)
        # Its rows are as old as the generator's spans: merges would drop them.
        store.connection.command("ALTER TABLE collector_metrics REMOVE TTL")
        store.connection.command(_METRICS)
    began, copied = time.perf_counter(), 0
    copying = _COPIES.read_text()
    for copy in range(held // load.spans, spans // load.spans + 1):
        if held >= spans or time.perf_counter() > began + seconds:
            break
        start, width = _hours(copy)
        store.connection.command(copying.format(copy=copy, start=start, width=width, first_ns=FIRST_NS))
        held, copied = held + load.spans, copied + load.spans
    if copied:
        store.connection.command(_REWARDS)
        _merge_old(store)
    took = time.perf_counter() - began
    return {"spans": held, "OTLP bytes a span": load.bytes / load.spans} | (
        {"copied spans/s": copied / took} if copied else {}
    )


def _merge_old(store: LightningStore) -> None:
    """What the engine does once a day or week is a day old (migrations 0022, 0024)."""
    found = store.connection.rows(
        "SELECT table, partition FROM system.parts WHERE active AND database = currentDatabase() "
        "AND table IN ('otel_traces', 'traces', 'otel_traces_trace_id_ts') "
        f"AND toDate(partition) < if(table = 'otel_traces', toDate({NEWEST_S}), toMonday(toDate({NEWEST_S}))) "
        "GROUP BY table, partition HAVING count() > 1 OR max(level) = 0 ORDER BY table, partition"
    )
    for row in found:
        store.connection.command(f"OPTIMIZE TABLE {row['table']} PARTITION '{row['partition']}' FINAL")


def _hours(copy: int) -> tuple[int, int]:
    """How many hours before the generator's hour a copy lies, and over how many it spreads: as time went by, so that
    parts overlap no more than a collector's would."""
    if copy % 5 == 0:
        return 1 + copy // 5 % 9 * 5 // 2, 3
    lot = copy - copy // 5 - 1
    return 24 + lot % 40 * 87 // 5, 18


def _held(store: LightningStore) -> int:
    return int(store.connection.rows("SELECT count() AS n FROM otel_traces")[0]["n"])
