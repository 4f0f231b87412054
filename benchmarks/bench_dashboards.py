"""How long every query of the Grafana pages takes on an embedded store that holds many spans.

    python benchmarks/bench_dashboards.py [--spans 10000000] [--folder DIR] [--days 7] [--only WORD] [--read] [--json]

Each panel's statement is asked as the data source asks it: macros expanded, every variable at All, the page's own time
range before the newest span (24 hours; 7 days for Training), or --days of it. The store is filled/store.py's: of ten
million spans two lie in the last day, and all in thirty days. The figure is the best of --times runs: what the query
costs once its files are in memory. Work is on all cores, and tells on a busy machine. --read says what each reads.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from filled.store import NEWEST_S, fill

from leyden_collector.reader_settings import DEFAULTS
from leyden_dashboards.model import Dashboard
from leyden_dashboards.pages import PAGES
from leyden_dashboards.sql import statement
from leyden_store.lightning import LightningStore
from tests.support.grafana_queries import ALL, Asked, Value, expand

_HOURS = {"now-24h": 24, "now-7d": 7 * 24}
_POINTS = 800
"""Of a graph as wide as a page: what Grafana makes its interval from."""


def main() -> None:
    """Fill, measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="keep the store here (default: a temporary folder)")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop filling after so long; run again to go on")
    parser.add_argument("--days", type=int, default=0, help="the time range (default: each page's own)")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--only", default="", help="queries whose name holds this")
    parser.add_argument("--read", action="store_true", help="say too how many rows each query reads")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leyden-bench-") as temporary:
        folder = args.folder or Path(temporary)
        with LightningStore.open(f"chdb://{folder.absolute()}/store") as store:
            held = fill(store, args.spans, args.seconds)["spans"]
            found = dict(sorted(measure(store, args), key=lambda pair: -pair[1]["ms"]))
    slow = [name for name, took in found.items() if took["ms"] >= 1000]
    if args.json:
        print(json.dumps({"spans": held, "queries": found}))
        return
    for name, took in found.items():
        print(
            f"{name:<32} {took['ms']:>10,.0f} ms {took['cpu_ms']:>10,.0f} ms of work"
            + (f" {took['rows']:>14,} rows read" if args.read else "")
        )
    print(f"{held:,} spans; {len(slow)} of {len(found)} queries took a second or more: {', '.join(slow) or 'none'}")


def measure(store: LightningStore, args: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every query's name and its best time in milliseconds."""
    newest = datetime.fromtimestamp(NEWEST_S, UTC)
    trace = store.list_traces(limit=1).rows[0]["trace_id"]
    asked = [(page, name) for page in PAGES for name in sorted(_queries(page)) if args.only in name]
    for page, name in asked:
        span = timedelta(hours=args.days * 24 or _HOURS[page.since])
        interval_s = max(1, int(span.total_seconds()) // _POINTS)
        text = expand(statement(name), Asked(newest - span, newest, interval_s, _everything(trace)))
        best, work = min(_timed(store, text) for _ in range(args.times))
        yield (
            f"{page.uid.removeprefix('leyden-')}: {name}",
            {"ms": best * 1000, "cpu_ms": work * 1000} | ({"rows": _rows_read(store, text)} if args.read else {}),
        )


def _queries(page: Dashboard) -> set[str]:
    asked = {query.sql for panel in page.panels() for query in panel.queries}
    return asked | {variable.sql for variable in page.variables if variable.sql}


def _everything(trace: str) -> dict[str, Value]:
    many = ("project", "service", "agent", "model", "group", "collector")
    return {name: [ALL] for name in many} | {
        "run": "", "metric": "loss", "search": "", "min_duration": "", "trace": trace,
    }  # fmt: skip


def _timed(store: LightningStore, text: str) -> tuple[float, float]:
    """Seconds that passed, and seconds of work on all cores: the engine is in this process."""
    began, worked = time.perf_counter(), time.process_time()
    store.connection.table(text, settings=DEFAULTS)
    return time.perf_counter() - began, time.process_time() - worked


def _rows_read(store: LightningStore, text: str) -> int:
    return sum(int(row["rows"]) for row in store.connection.rows(f"EXPLAIN ESTIMATE {text}"))


if __name__ == "__main__":
    main()
