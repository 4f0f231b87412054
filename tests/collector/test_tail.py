"""Tail sampling: a trace waits on disk until it is whole, then stays or goes as a whole, and every span is counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leyden_collector.processors.config import TailTable
from leyden_collector.processors.verdicts import Verdicts
from leyden_store.otlp import encode_traces
from leyden_store.spans import Event, Span
from tests.collector.test_logs import asked, llm_span
from tests.support.collector import Collector, ask
from tests.support.otlp_making import make, request_of

REWARD = (Event(1, "gen_ai.evaluation.result", {"gen_ai.evaluation.score.value": 1.0}),)


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def seeing(**rules: Any) -> tuple[Verdicts, Clock, Callable[..., None]]:
    clock = Clock()
    verdicts = Verdicts(TailTable(**rules), clock)

    def see(*spans: Span) -> None:
        for group in request_of(spans).resource_spans:
            for span in (span for scope in group.scope_spans for span in scope.spans):
                verdicts.see(span.trace_id, span, None, group.resource)

    return verdicts, clock, see


def trace(number: int) -> bytes:
    return number.to_bytes(16)


def test_a_trace_is_decided_when_its_root_has_ended_and_stragglers_had_their_time() -> None:
    verdicts, clock, see = seeing(settle_s=2, wait_s=30)
    see(make(2, parent=1))
    clock.now += 20
    assert verdicts.of(trace(1)) is None
    see(make(1))
    assert verdicts.of(trace(1)) is None
    clock.now += 1
    see(make(3, parent=1, status="Error"))
    clock.now += 1.5
    assert verdicts.of(trace(1)) is None
    clock.now += 0.5
    assert verdicts.of(trace(1)) == (True, "error")


def test_a_trace_without_a_root_is_decided_at_the_deadline() -> None:
    verdicts, clock, see = seeing(wait_s=30)
    see(make(2, parent=1))
    clock.now += 29.9
    see(make(3, parent=1))
    assert verdicts.of(trace(1)) is None
    clock.now += 0.2
    assert verdicts.of(trace(1)) == (False, "not_sampled")


def test_what_comes_late_shares_the_verdict() -> None:
    verdicts, _, see = seeing(settle_s=0)
    see(make(1))
    assert verdicts.of(trace(1)) == (False, "not_sampled")
    see(make(2, parent=1, status="Error"))
    assert verdicts.of(trace(1)) == (False, "not_sampled")


def test_errors_rewards_and_slow_traces_stay_as_told() -> None:
    verdicts, _, see = seeing(settle_s=0, keep_slow_s=1)
    see(make(1, trace=1, status="Error"), make(1, trace=2, events=REWARD), make(1, trace=4))
    see(make(1, trace=3, start_ns=10**18, end_ns=10**18 + 2 * 10**9))
    assert [verdicts.of(trace(n)) for n in (1, 2, 3, 4)] == [
        (True, "error"),
        (True, "rewarded"),
        (True, "slow"),
        (False, "not_sampled"),
    ]
    verdicts, _, see = seeing(settle_s=0, keep_errors=False, keep_rewarded=False)
    see(make(1, trace=1, status="Error"), make(1, trace=2, events=REWARD))
    assert [verdicts.of(trace(n)) for n in (1, 2)] == [(False, "not_sampled")] * 2


def test_a_rollout_stays_or_goes_whole() -> None:
    verdicts, _, see = seeing(settle_s=0, wait_s=30)
    see(make(2, trace=1, parent=1))  # not yet known to be of the rollout
    see(make(1, trace=1, attributes={"leyden.rollout.id": "r"}))
    see(make(2, trace=2, parent=1, resource={"leyden.rollout.id": "r"}))
    assert verdicts.of(trace(1)) is None
    see(make(1, trace=2, status="Error", resource={"leyden.rollout.id": "r"}))
    assert verdicts.of(trace(1)) == verdicts.of(trace(2)) == (True, "error")


def test_the_rest_is_sampled_by_trace_id() -> None:
    verdicts, _, see = seeing(settle_s=0, sample=0.25)
    ids = [n << 40 for n in range(1, 2**16, 97)]
    for number in ids:
        see(make(1, trace=number))
    kept = sum(verdicts.of(trace(number)) == (True, "sampled") for number in ids)
    assert 0.2 < kept / len(ids) < 0.3


CONFIG = """
[tail]
sample = 0.0
wait_s = 3
settle_s = 0.5
"""


def names(collector: Collector) -> list[str]:
    collector.flush()
    return collector.query("SELECT SpanName FROM otel_traces ORDER BY TraceId, SpanId").body.decode().splitlines()


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.1)


def test_a_held_trace_survives_a_kill_and_is_counted_by_rule(tmp_path: Path) -> None:
    (tmp_path / "leyden.toml").write_text(CONFIG)
    with Collector(f"chdb://{tmp_path}/store", tmp_path, "--config", "leyden.toml") as running:
        running.send(encode_traces([make(2, trace=1, parent=1)]))
        running.send(encode_traces([make(1, trace=2), make(2, trace=2, parent=1)]))
        running.send(llm_span(3, 1))
        assert ask(f"{running.url}/v1/logs", asked(3, 1, "of a dropped trace").SerializeToString()).status == 200
        assert running.metrics()["leyden_collector_tail_held_bytes"] > 0
        running.kill()
        running.start()
        running.send(encode_traces([make(1, trace=1, status="Error")]))
        wait_until(lambda: running.metrics()["leyden_collector_tail_held_bytes"] == 0)
        assert names(running) == ["span 1", "span 2"]
        assert running.query("SELECT count() FROM otel_logs").body == b"0\n"
        told = running.metrics()
        assert told['leyden_collector_tail_kept_total{signal="traces",rule="error"}'] == 2
        assert told['leyden_collector_tail_dropped_total{signal="traces",rule="not_sampled"}'] == 3
        assert told['leyden_collector_tail_dropped_total{signal="logs",rule="not_sampled"}'] == 1
