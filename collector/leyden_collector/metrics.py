"""What `/metrics` tells: what became of requests, what waits, how far behind the store is, what processors did."""

from __future__ import annotations

from collections.abc import Iterator

from leyden_collector.exposition import Family, Sample
from leyden_collector.intake import Counts, Intake
from leyden_collector.lanes import Lanes
from leyden_collector.processors import Pipeline
from leyden_collector.processors.tail import Tail
from leyden_collector.tasks.queue import TaskQueue

_P = "leyden_collector_"


def families(
    intake: Intake, lanes: Lanes, pipeline: Pipeline | None, tail: Tail | None, tasks: TaskQueue
) -> Iterator[Family]:
    """Every metric of a collector, now."""
    yield from _requests(intake.counts)
    yield from _ways(lanes)
    yield from _tasks(tasks)
    if pipeline is not None:
        yield from _processors(pipeline)
    if tail is not None:
        yield from _tail(tail)


def _requests(counts: Counts) -> Iterator[Family]:
    for name, said in (("spans", "Spans"), ("log_records", "Log records")):
        yield Family.one(f"{_P}{name}_accepted_total", "counter", f"{said} acknowledged.", counts[f"accepted_{name}"])
        prefix = f"rejected_{name}:"
        reasons = [(key.removeprefix(prefix), n) for key, n in sorted(counts.items()) if key.startswith(prefix)]
        yield Family(
            f"{_P}{name}_rejected_total", "counter", f"{said} told their sender to be never stored, by reason.",
            tuple(Sample(n, {"reason": reason}) for reason, n in reasons),
        )  # fmt: skip
    yield Family.one(f"{_P}requests_accepted_total", "counter", "Requests acknowledged.", counts["accepted_requests"])
    refused = [
        (name[8:], n) for name, n in sorted(counts.items()) if name.startswith("refused_") and name[8:].isdigit()
    ]
    yield Family(
        f"{_P}requests_refused_total", "counter", "Requests refused, by HTTP status or gRPC's equal of it.",
        tuple(Sample(n, {"status": status}) for status, n in refused),
    )  # fmt: skip


def _ways(lanes: Lanes) -> Iterator[Family]:
    each = [({"signal": lane.signal}, lane) for lane in lanes.all]
    yield Family.one(f"{_P}spool_bytes", "gauge", "Bytes acknowledged that the store has not taken yet.", lanes.bytes)
    yield Family(
        f"{_P}oldest_unsent_seconds", "gauge", "Age of the oldest acknowledged request that is not stored yet.",
        tuple(Sample(lane.spool.oldest_s(), labels) for labels, lane in each),
    )  # fmt: skip
    yield Family(
        f"{_P}insert_lag_seconds", "histogram", "From the first acknowledgement in a segment until it is readable.",
        tuple(sample for labels, lane in each for sample in lane.spool.lag.samples(labels)),
    )  # fmt: skip
    stored = sum(lane.flusher.stored_segments for lane in lanes.all)
    yield Family.one(f"{_P}segments_stored_total", "counter", "Spool segments stored, each by one insert.", stored)
    yield Family.one(
        f"{_P}store_failing_seconds",
        "gauge",
        "For how long the store has taken nothing; 0 while it takes.",
        lanes.failing_s(),
    )
    yield Family.one(f"{_P}quarantined_total", "counter", "Requests set aside since the start.", lanes.quarantined)
    kept = [(labels, [path.stat().st_size for path in lane.quarantine.glob("*.pb")]) for labels, lane in each]
    yield Family(
        f"{_P}quarantine_requests",
        "gauge",
        "Requests in quarantine.",
        tuple(Sample(len(s), labels) for labels, s in kept),
    )
    yield Family(
        f"{_P}quarantine_bytes", "gauge", "Bytes of the requests in quarantine.",
        tuple(Sample(sum(s), labels) for labels, s in kept),
    )  # fmt: skip


def _tasks(tasks: TaskQueue) -> Iterator[Family]:
    states, events = tasks.counts()
    yield Family(
        f"{_P}tasks", "gauge", "Rollouts in the task queue, by state.",
        tuple(Sample(n, {"state": state}) for state, n in sorted(states.items())),
    )  # fmt: skip
    yield Family(
        f"{_P}task_events_total", "counter",
        "What became of rollouts put into the task queue: leased, leases expired, late results refused, ends.",
        tuple(Sample(n, {"event": event}) for event, n in sorted(events.items())),
    )  # fmt: skip


def _processors(pipeline: Pipeline) -> Iterator[Family]:
    for name, said, counts in (
        ("dropped", "Spans and log records that a rule dropped.", pipeline.dropped),
        ("failed", "Spans and log records rejected because a processor failed on them.", pipeline.failed),
    ):
        yield Family(
            f"{_P}processor_{name}_total", "counter", said,
            tuple(Sample(n, {"signal": signal, "rule": rule}) for (signal, rule), n in sorted(counts.items())),
        )  # fmt: skip
    yield Family(
        f"{_P}processor_changes_total", "counter", "What processors changed: secrets, hashes, cuts.",
        tuple(
            Sample(n, {"rule": processor.rule, "kind": kind})
            for processor in pipeline.processors
            for kind, n in sorted(processor.counts.items())
        ),
    )  # fmt: skip


def _tail(tail: Tail) -> Iterator[Family]:
    yield Family.one(
        f"{_P}tail_held_bytes", "gauge", "Bytes acknowledged whose traces are not decided yet.", tail.held_bytes
    )
    for name, said, counts in (
        ("kept", "Spans and log records that tail sampling kept, by rule.", tail.kept),
        ("dropped", "Spans and log records that tail sampling dropped, by rule.", tail.dropped),
    ):
        yield Family(
            f"{_P}tail_{name}_total", "counter", said,
            tuple(Sample(n, {"signal": signal, "rule": rule}) for (signal, rule), n in sorted(counts.items())),
        )  # fmt: skip
