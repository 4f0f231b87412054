"""How fast, how soon and in how much memory the collector takes spans, against rotel on the same ClickHouse server.

    python benchmarks/bench_ingest.py [--requests 200] [--rounds 3] [--rotel-python /tmp/rotel/bin/python] [--json]

    python -m venv /tmp/rotel && /tmp/rotel/bin/pip install rotel        the peer, in an environment of its own

A span counts as durable when it was acknowledged (by Leyden: fsynced) and a SELECT on the store counts it; the clock
runs from the first byte sent until all are. Each side writes its own schema: rotel the OpenTelemetry exporter's with
its indexes, Leyden its own with its views. The sides take turns, and every ratio is of medians of one run. The server
is the one the tests use (tests/support/clickhouse_server.py, or LEYDEN_TEST_CLICKHOUSE). What is missing here is said,
and what needs it is left out. Senders, collector and server share this machine's cores. `cpu_us` is the CPU time of
collector and server until the spans are durable, in microseconds a span: it says more than the clock where others work
on the machine too. (It needs a server that was started here.)
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1])]

import clickhouse_connect  # noqa: E402
import psutil  # noqa: E402
from ingest import rotel  # noqa: E402
from ingest.leyden import Endpoints, Leyden, count_embedded  # noqa: E402
from ingest.sending import JSON, Sent, send_grpc, send_http  # noqa: E402
from ingest.spans import Load, as_json, make_load  # noqa: E402

from tests.support.clickhouse_server import ClickHouseServer, Unavailable, drop_database, new_database  # noqa: E402

_WAIT_S = 180.0
_SMALL_RATE = 200.0
"""Requests a second of a few spans each: many agents at work."""


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200, help="of 512 spans, in each measurement (default: 200)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side (default: 3)")
    parser.add_argument("--rotel-python", type=Path, default=Path(sys.executable), metavar="PATH")
    parser.add_argument("--only", nargs="*", choices=["server", "embedded", "json", "grpc", "rotel", "ack", "memory"])
    parser.add_argument("--memory-s", type=float, default=60.0, help="how long the memory is watched (default: 60)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    chosen = set(args.only or ["server", "embedded", "json", "grpc", "rotel", "ack", "memory"])

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leyden-bench-")))
        figures: dict[str, Any] = {}
        started = _server(stack, folder) if chosen & {"server", "rotel", "json", "grpc", "memory"} else None
        agent = rotel.program(args.rotel_python) if "rotel" in chosen else None
        if "rotel" in chosen and agent is None:
            print(f"rotel is not measured: {args.rotel_python} has no package rotel", file=sys.stderr)
        server, pid = started or (None, None)
        sides = _sides(chosen, server, pid, agent, folder)
        found: dict[str, list[Durable]] = {name: [] for name in sides}
        for number in range(args.rounds):
            load = make_load(args.requests, 512, seed=number)
            for name, measure in sides.items():
                one = measure(load)
                found[name].append(one)
                cpu = f"{one.cpu_us:>8.1f} us of CPU a span" if one.cpu_us else ""
                print(f"round {number + 1}: {name:<12}{one.rate:>10,.0f} durable spans/s{cpu}", file=sys.stderr)
        for name, all_ in found.items():
            figures[f"{name}_spans_per_s"] = round(statistics.median(one.rate for one in all_))
            if all_[0].cpu_us:
                figures[f"{name}_cpu_us"] = round(statistics.median(one.cpu_us for one in all_), 1)
        _ratios(figures)
        if "ack" in chosen:
            figures.update(_acknowledgements(folder))
        if "memory" in chosen:
            figures.update(_memory(server, folder, args.memory_s))
    if args.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<32}{value:>12,}")


@dataclass(frozen=True, slots=True)
class Durable:
    """rate: durable spans a second. cpu_us: of CPU a span, collector's and server's; 0 where it is not known."""

    rate: float
    cpu_us: float


def _sides(
    chosen: set[str], server: str | None, pid: int | None, agent: Path | None, folder: Path
) -> dict[str, Callable[[Load], Durable]]:
    sides: dict[str, Callable[[Load], Durable]] = {}
    if server is not None:
        if agent is not None:
            sides["rotel"] = lambda load: _rotel(agent, server, pid, folder, load)
        if "server" in chosen:
            sides["server"] = lambda load: _on_server(server, pid, folder, load, lambda at, x: send_http(at.http, x))
        if "grpc" in chosen:
            sides["grpc"] = lambda load: _on_server(server, pid, folder, load, lambda at, x: send_grpc(at.grpc, x))
        if "json" in chosen:

            def send_json(at: Endpoints, load: Load) -> Sent:
                return send_http(at.http, load, kind=JSON)

            sides["json"] = lambda load: _on_server(server, pid, folder, as_json(_part(load, 3)), send_json)
    if "embedded" in chosen:
        sides["embedded"] = lambda load: _embedded(folder, load)
    return sides


def _ratios(figures: dict[str, Any]) -> None:
    for name, of in (("server", "rotel"), ("embedded", "rotel"), ("json", "server"), ("grpc", "server")):
        if f"{name}_spans_per_s" in figures and f"{of}_spans_per_s" in figures:
            figures[f"{name}_to_{of}"] = round(figures[f"{name}_spans_per_s"] / figures[f"{of}_spans_per_s"], 2)
        if f"{name}_cpu_us" in figures and f"{of}_cpu_us" in figures:
            figures[f"{name}_to_{of}_by_cpu"] = round(figures[f"{of}_cpu_us"] / figures[f"{name}_cpu_us"], 2)


def _server(stack: ExitStack, folder: Path) -> tuple[str, int | None] | None:
    if named := os.environ.get("LEYDEN_TEST_CLICKHOUSE"):
        return named, None
    try:
        server = ClickHouseServer(folder / "clickhouse")
        server.start()
    except Unavailable as error:
        print(f"nothing is measured on a server: {error}", file=sys.stderr)
        return None
    stack.callback(server.kill)
    return server.dsn(), server.pid


@contextmanager
def _database(server: str) -> Iterator[str]:
    dsn = new_database(server)
    try:
        yield dsn
    finally:
        drop_database(dsn)


def _on_server(
    server: str, pid: int | None, folder: Path, load: Load, send: Callable[[Endpoints, Load], Sent]
) -> Durable:
    with tempfile.TemporaryDirectory(dir=folder) as own, _database(server) as dsn:
        collector = Leyden(dsn, Path(own))
        with collector as at:
            return _durable(load, lambda: send(at, load), lambda: _count(dsn), _both(pid, collector.pid))


def _embedded(folder: Path, load: Load) -> Durable:
    with tempfile.TemporaryDirectory(dir=folder) as own:
        collector = Leyden(f"chdb://{own}/store", Path(own))
        with collector as at:
            return _durable(load, lambda: send_http(at.http, load), lambda: count_embedded(at), (collector.pid,))


def _rotel(agent: Path, server: str, pid: int | None, folder: Path, load: Load) -> Durable:
    """The better of its two ways to insert."""
    found = []
    for asynchronous in (True, False):
        with tempfile.TemporaryDirectory(dir=folder) as own, _database(server) as dsn:
            host, _, database = dsn.removeprefix("clickhouse://").rpartition("@")[2].partition("/")
            with rotel.running(agent, Path(own), f"http://{host}", database, asynchronous=asynchronous) as (url, its):
                send, count = partial(send_http, url, load), partial(_count, dsn)
                found.append(_durable(load, send, count, _both(pid, its)))
    return Durable(max(one.rate for one in found), min(one.cpu_us for one in found))


def _durable(
    load: Load, send: Callable[[], Sent], count: Callable[[], int], processes: tuple[int, ...] | None
) -> Durable:
    """Spans a second, from the first byte until all are acknowledged and can be read; the CPU of these processes."""
    count()  # connections are made before the clock starts
    start, before = time.perf_counter(), _cpu_s(processes)
    sent = send()
    if sent.answers["ok"] != len(load.bodies):
        raise RuntimeError(f"not everything was taken: {dict(sent.answers)}")
    while (seen := count()) < load.spans:
        if time.perf_counter() - start > _WAIT_S:
            raise RuntimeError(f"only {seen} of {load.spans} spans can be read after {_WAIT_S:.0f} s")
        time.sleep(0.02)
    took = time.perf_counter() - start
    return Durable(load.spans / took, (_cpu_s(processes) - before) / load.spans * 1e6)


def _both(server: int | None, collector: int) -> tuple[int, ...] | None:
    return None if server is None else (server, collector)


def _cpu_s(processes: tuple[int, ...] | None) -> float:
    """Seconds of CPU they have used."""
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in processes or ())


def _count(dsn: str) -> int:
    with clickhouse_connect.get_client(dsn=dsn) as client:
        return int(client.query("SELECT count() FROM otel_traces").result_rows[0][0])


def _part(load: Load, share: int) -> Load:
    bodies = load.bodies[: max(1, len(load.bodies) // share)]
    return Load(bodies, load.spans * len(bodies) // len(load.bodies))


def _acknowledgements(folder: Path) -> dict[str, Any]:
    """How long a sender waits, at 200 requests a second of about 9 spans each, for 15 seconds."""
    load = make_load(int(_SMALL_RATE * 15), 9, seed=7)
    with tempfile.TemporaryDirectory(dir=folder) as own, Leyden(f"chdb://{own}/store", Path(own)) as at:
        send_http(at.http, make_load(200, 9, seed=8), rate=_SMALL_RATE)
        found = sorted(send_http(at.http, load, connections=16, rate=_SMALL_RATE).latencies)
    return {f"ack_p{p}_ms": round(found[len(found) * p // 100] * 1000, 1) for p in (50, 99)}


def _memory(server: str | None, folder: Path, seconds: float) -> dict[str, Any]:
    """Resident megabytes while batches of 512 spans come steadily, in the first and the last quarter of the time."""
    if server is None:
        return {}
    rate = 40.0
    load = make_load(int(rate * 5), 512, seed=9)
    with tempfile.TemporaryDirectory(dir=folder) as own, _database(server) as dsn:
        collector = Leyden(dsn, Path(own))
        with collector as at:
            found: list[tuple[float, int]] = []
            start = time.perf_counter()
            while (passed := time.perf_counter() - start) < seconds:
                send_http(at.http, load, rate=rate)
                found.append((passed / seconds, collector.resident()))
    first = [size for at_, size in found if at_ <= 0.25]
    last = [size for at_, size in found if at_ >= 0.75] or first
    return {
        "memory_requests": len(found) * len(load.bodies),
        "memory_first_mb": round(max(first) / 1e6),
        "memory_last_mb": round(max(last) / 1e6),
    }


if __name__ == "__main__":
    main()
