"""How fast an embedded store answers, and how much disk it takes, when it holds many spans.

    python benchmarks/bench_store.py [--spans 10000000] [--folder DIR] [--text-index] [--json]

The first 200,000 spans are OTLP requests, parsed by ClickHouse as the collector has them parsed. The rest are copies of
those rows, made by INSERT … SELECT for speed, with ids and times of their own (filled/copies.sql): the last day holds a
fifth, the 29 days before it the rest. A copy has the texts of the original, but a trace's copies lie in hours and
places of the key that are by chance. With --folder the store is kept and a later run goes on from it, this one's or
bench_dashboards.py's. Every figure is of what a caller waits for, Python included.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from filled.store import fill

from leyden_store import searching
from leyden_store.lightning import LightningStore
from leyden_store.listing import TraceFilter


def main() -> None:
    """Fill, measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="keep the store here (default: a temporary folder)")
    parser.add_argument("--compact", action="store_true", help="merge all parts first")
    parser.add_argument("--text-index", action="store_true", help="build the text index too, and say what it costs")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop filling after so long; run again to go on")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leyden-bench-") as temporary:
        folder = args.folder or Path(temporary)
        with LightningStore.open(f"chdb://{folder.absolute()}/store") as store:
            figures = fill(store, args.spans, args.seconds)
            if args.compact:
                store.compact()
            figures |= measure(store, figures["OTLP bytes a span"], args.text_index)
    if args.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<44} {value:>14,.4g}" if isinstance(value, float) else f"{name:<44} {value:>14,}")


def measure(store: LightningStore, otlp_bytes: float, text_index: bool) -> dict[str, Any]:
    """Times in milliseconds, sizes in bytes."""
    rng = random.Random(1)
    some = "SELECT TraceId FROM traces ORDER BY cityHash64(TraceId) LIMIT 300"
    ids = [row["TraceId"] for row in store.connection.rows(some)]
    found: dict[str, Any] = {"traces": store.connection.rows("SELECT uniqExact(TraceId) AS n FROM traces")[0]["n"]}
    found["parts"] = store.connection.rows(
        "SELECT count() AS n FROM system.parts WHERE active AND table = 'otel_traces'"
    )[0]["n"]
    found |= _times("a trace by id", lambda: store.trace(rng.choice(ids)), 200)
    sample = store.list_traces(limit=1).rows[0]
    for name, chosen in (
        ("latest 100 traces", TraceFilter()),
        ("latest 100 of an agent", TraceFilter(agent=sample["agent"])),
        ("latest 100 with an error", TraceFilter(status="error")),
        ("latest 100 over 1 s", TraceFilter(min_ns=10**9)),
        ("the traces of a session", TraceFilter(session=sample["session_id"])),
    ):
        found |= _times(name, lambda chosen=chosen: store.list_traces(chosen, limit=100), 20)  # type: ignore[misc]
    size = "SELECT sum(bytes_on_disk) AS n FROM system.parts WHERE active AND database = currentDatabase()"
    found["bytes on disk a span"] = store.connection.rows(size)[0]["n"] / _held(store)
    found["disk / OTLP bytes"] = found["bytes on disk a span"] / otlp_bytes
    if text_index:
        found |= _times("search, scanning", lambda: store.search("refund zebra"), 2)
        before = time.perf_counter()
        searching.index_on(store.connection)
        found["text index built in s"] = time.perf_counter() - before
        found |= _times("search, by index", lambda: store.search("refund zebra"), 10)
        found["text index bytes a span"] = searching.index_bytes(store.connection) / _held(store)
    return found


def _held(store: LightningStore) -> int:
    return int(store.connection.rows("SELECT count() AS n FROM otel_traces")[0]["n"])


def _times(name: str, call: Callable[[], object], times: int) -> dict[str, float]:
    call()
    took = []
    for _ in range(times):
        before = time.perf_counter()
        call()
        took.append((time.perf_counter() - before) * 1000)
    took.sort()
    return {f"{name}, p50 ms": took[len(took) // 2], f"{name}, p99 ms": took[min(len(took) - 1, int(len(took) * 0.99))]}


if __name__ == "__main__":
    main()
