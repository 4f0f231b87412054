"""Nothing acknowledged is lost or stored twice: not by kill -9, not by a store that is gone, not by poison."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from leyden_store.ingest import delimited
from leyden_store.lightning import LightningStore
from leyden_store.otlp import encode_traces
from tests.support.clickhouse_server import ClickHouseServer, Proxy, server_or_skip
from tests.support.collector import Answer, Collector, ask
from tests.support.otlp_making import make, request_of

POISON = request_of([make(1, trace=66)]).SerializeToString() + b"\x08\x01"
"""What google.protobuf takes (to it a field of another wire type is an unknown one) and ClickHouse does not."""

SMALL_SPOOL = "import leyden_collector.spool as s; s.Limits.__init__.__defaults__ = (20_000, 8 << 20, 0.2)"


def eventually(condition: object, timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.05)


class Load:
    """Agents that send small requests without pause, and note which were acknowledged."""

    def __init__(self, collector: Collector, agents: int = 4) -> None:
        self.acknowledged: list[tuple[int, int]] = []
        self._collector = collector
        self._stop = threading.Event()
        self._number = 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send) for _ in range(agents)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                self._number += 1
                trace = self._number
            try:
                answer = self._collector.send(encode_traces(make(n, trace=trace) for n in (1, 2, 3)), timeout=5)
            except OSError:
                time.sleep(0.05)
                continue
            if answer.status == 200:
                self.acknowledged.append((trace, 3))


def spans_of(dsn: str) -> dict[int, int]:
    """Trace → how many spans of it the store holds, each row counted."""
    with LightningStore.open(dsn) as store:
        rows = store.sql("SELECT TraceId, count() AS n FROM otel_traces GROUP BY TraceId").to_pylist()
    return {int(row["TraceId"], 16): row["n"] for row in rows}


LONG = [pytest.mark.faults, pytest.mark.timeout(3600)]


@pytest.mark.slow
@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=LONG)])
def test_every_acknowledged_span_is_there_once_after_kills_under_load(dsn: str, tmp_path: Path, kills: int) -> None:
    """Killed at any moment: while it spools, closes a segment, or is in the middle of an insert."""
    random = Random(kills)
    collector = Collector(dsn, tmp_path)
    collector.start()
    try:
        with Load(collector) as load:
            for _ in range(kills):
                time.sleep(random.uniform(0.05, 1.3))
                collector.kill()
                collector.start()
            time.sleep(0.3)
        assert collector.flush().status == 200
        assert collector.stop() == 0
    finally:
        collector.kill()
    found = spans_of(dsn)
    assert len(load.acknowledged) > 50
    assert [trace for trace, spans in load.acknowledged if found.get(trace) != spans] == []
    assert set(found.values()) == {3}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_stores_what_it_took_and_exits_0(tmp_path: Path, number: int) -> None:
    dsn = f"chdb://{tmp_path}/store"
    with Collector(dsn, tmp_path) as collector:
        for trace in range(1, 21):
            assert collector.send(encode_traces([make(1, trace=trace)])).status == 200
        assert collector.stop(number) == 0
        assert "Traceback" not in collector.log
    assert list((collector.spool / "traces").glob("*.seg")) == []
    assert spans_of(dsn) == dict.fromkeys(range(1, 21), 1)


def test_what_a_killed_process_left_is_stored_by_the_next(tmp_path: Path) -> None:
    segments = tmp_path / "spool" / "traces"
    segments.mkdir(parents=True)
    (segments / "000000000001.seg").write_bytes(delimited([encode_traces([make(1, trace=1)])]))
    (segments / "000000000002.seg").write_bytes(delimited(encode_traces([make(1, trace=t)]) for t in (2, 3))[:-5])
    dsn = f"chdb://{tmp_path}/store"
    with Collector(dsn, tmp_path) as collector:
        assert collector.flush().status == 200
        assert collector.stop() == 0
    assert spans_of(dsn) == {1: 1, 2: 1}


@pytest.mark.parametrize("from_disk", [False, True])
def test_poison_is_set_aside_with_its_reason_and_the_rest_is_stored(dsn: str, tmp_path: Path, from_disk: bool) -> None:
    sent = [encode_traces([make(1, trace=trace)]) for trace in range(1, 8)]
    sent[3:3] = [POISON]
    if from_disk:
        segments = tmp_path / "spool" / "traces"
        segments.mkdir(parents=True)
        (segments / "000000000001.seg").write_bytes(delimited([*sent, b"\xff" * 9]))
    with Collector(dsn, tmp_path) as collector:
        if not from_disk:
            assert [collector.send(body).status for body in sent] == [200] * 8
        assert collector.flush().status == 200
        ready = ask(f"{collector.url}/ready")
        assert (ready.status, ready.json()["quarantined"]) == (200, 2 if from_disk else 1)
        assert collector.stop() == 0
        assert "went to quarantine" in collector.log
    assert spans_of(dsn) == dict.fromkeys(range(1, 8), 1)
    aside = sorted((tmp_path / "spool" / "quarantine").glob("*.pb"))
    assert POISON in [path.read_bytes() for path in aside]
    for path in aside:
        reason = json.loads(path.with_suffix(".json").read_text())
        assert "cannot read the OTLP bytes" in reason["reason"]
        assert reason["bytes"] == len(path.read_bytes())


def test_a_segment_that_takes_more_memory_than_there_is_goes_in_by_parts(tmp_path: Path) -> None:
    """What is too much even alone is set aside after some tries; all else of its segment is stored at once."""
    little = (
        "import leyden_store.ingest as i; i._SETTINGS['max_memory_usage'] = 40_000_000\n"
        "import leyden_collector.flusher as f; f._TRIES_FOR_MEMORY = 4"
    )
    heavy = encode_traces(
        [make(n + 1, trace=66, attributes={"pad": os.urandom(500).hex(), "n": n}) for n in range(15_000)]
    )
    sent = [encode_traces([make(1, trace=trace)]) for trace in range(1, 8)]
    segments = tmp_path / "spool" / "traces"
    segments.mkdir(parents=True)
    (segments / "000000000001.seg").write_bytes(delimited([*sent[:3], heavy, *sent[3:]]))
    dsn = f"chdb://{tmp_path}/store"
    with Collector(dsn, tmp_path, program=little) as collector:
        assert collector.flush().status == 200
        assert collector.stop() == 0
    assert spans_of(dsn) == dict.fromkeys(range(1, 8), 1)
    (aside,) = (tmp_path / "spool" / "quarantine").glob("*.pb")
    assert aside.read_bytes() == heavy
    assert "too little memory" in json.loads(aside.with_suffix(".json").read_text())["reason"]


@pytest.fixture
def flickering(tmp_path: Path) -> Iterator[tuple[ClickHouseServer, Proxy]]:
    """A server of this test's own that may go away, behind a port that stays."""
    if "LEYDEN_TEST_CLICKHOUSE" in os.environ:
        pytest.skip("this server is not ours to stop")
    with server_or_skip(tmp_path / "clickhouse") as server, Proxy(server.port) as proxy:
        yield server, proxy


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("outages", [2, pytest.param(10, marks=LONG)])
def test_a_server_that_goes_away_costs_nothing(
    flickering: tuple[ClickHouseServer, Proxy], tmp_path: Path, outages: int
) -> None:
    random = Random(outages)
    server, proxy = flickering
    dsn = server.dsn(port=proxy.port)
    with Collector(dsn, tmp_path) as collector:
        with Load(collector, agents=2) as load:
            for _ in range(outages):
                time.sleep(random.uniform(0.1, 1.0))
                server.kill()
                eventually(lambda: not ask(f"{collector.url}/ready").json()["ready"])
                before = len(load.acknowledged)
                time.sleep(0.5)
                assert len(load.acknowledged) > before  # agents do not notice
                assert ask(f"{collector.url}/ready").status == 503
                server.start()
                proxy.target = server.port
                eventually(lambda: ask(f"{collector.url}/ready").status == 200)
        assert collector.flush().status == 200
        assert collector.stop() == 0
    found = spans_of(dsn)
    assert [trace for trace, spans in load.acknowledged if found.get(trace) != spans] == []
    assert set(found.values()) == {3}


@pytest.mark.server
@pytest.mark.slow
def test_a_full_spool_is_503_with_retry_after_and_recovers(
    flickering: tuple[ClickHouseServer, Proxy], tmp_path: Path
) -> None:
    server, proxy = flickering
    with Collector(server.dsn(port=proxy.port), tmp_path, program=SMALL_SPOOL) as collector:
        server.kill()
        taken: list[int] = []
        refused: Answer | None = None
        for trace in range(1, 200):
            answer = collector.send(encode_traces([make(1, trace=trace, attributes={"pad": "x" * 500})]))
            if answer.status != 200:
                refused = answer
                break
            taken.append(trace)
        assert refused is not None
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert len(taken) > 10
        assert ask(f"{collector.url}/api/flush?timeout_s=0.2", b"", method="POST").status == 503
        server.start()
        proxy.target = server.port
        eventually(lambda: collector.send(encode_traces([make(1, trace=1000)])).status == 200)
        assert collector.flush().status == 200
        assert collector.stop() == 0
    assert spans_of(server.dsn()) == dict.fromkeys([*taken, 1000], 1)


@pytest.mark.server
@pytest.mark.slow
def test_told_to_stop_while_the_server_is_gone_it_ends_soon_and_keeps_all(
    flickering: tuple[ClickHouseServer, Proxy], tmp_path: Path
) -> None:
    server, proxy = flickering
    with Collector(server.dsn(port=proxy.port), tmp_path) as collector:
        server.kill()
        assert collector.send(encode_traces([make(1, trace=5)])).status == 200
        eventually(lambda: ask(f"{collector.url}/ready").status == 503)
        started = time.monotonic()
        assert collector.stop() == 0
        assert time.monotonic() - started < 8
        assert "stored at the next start" in collector.log
        server.start()
        proxy.target = server.port
        collector.start()
        assert collector.flush().status == 200
        assert collector.stop() == 0
    assert spans_of(server.dsn()) == {5: 1}


def test_a_disk_that_takes_no_more_is_503_and_what_was_acknowledged_is_stored(tmp_path: Path) -> None:
    """A file may grow to 20 kB in this process, as a quota would have it: the write that passes it is cut and fails."""
    limited = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); import leyden_collector.spool as s\n"
        "def limit(folder):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY)); real(folder)\n"
        "real, s._sync_folder = s._sync_folder, limit\n"
        "s.Limits.__init__.__defaults__ = (1 << 30, 8 << 20, 60.0)"
    )
    dsn = f"chdb://{tmp_path}/store"
    with Collector(dsn, tmp_path, program=limited) as collector:
        answers = [
            (trace, collector.send(encode_traces([make(1, trace=trace, attributes={"pad": "x" * 3000})])).status)
            for trace in range(1, 12)
        ]
        assert {status for _, status in answers} == {200, 503}
        taken = [trace for trace, status in answers if status == 200]
        assert taken == list(range(1, len(taken) + 1))
        collector.kill()
    with Collector(dsn, tmp_path) as collector:
        assert collector.flush().status == 200
        assert collector.stop() == 0
    assert spans_of(dsn) == dict.fromkeys(taken, 1)
    assert not list((tmp_path / "spool" / "quarantine").glob("*.pb"))


def test_flushing_under_load_ends(tmp_path: Path) -> None:
    with Collector(f"chdb://{tmp_path}/store", tmp_path) as collector, Load(collector):
        time.sleep(0.3)
        for _ in range(3):
            assert collector.flush().status == 200


def test_a_held_store_and_a_taken_port_are_one_line_and_exit_1(tmp_path: Path) -> None:
    with Collector(f"chdb://{tmp_path}/store", tmp_path) as collector:
        port = collector.url.rpartition(":")[2]
        taken = Collector(f"chdb://{tmp_path}/other", tmp_path, "--http-port", port)
        with pytest.raises(AssertionError, match=f"cannot listen on 127.0.0.1:{port}"):
            taken.start()
        assert taken.process is not None
        assert taken.process.wait() == 1
        second = Collector(collector.dsn, tmp_path)
        with pytest.raises(AssertionError, match=r"another collector .*at http"):
            second.start()
        assert second.process is not None
        assert second.process.wait() == 1
        assert "Traceback" not in second.log
