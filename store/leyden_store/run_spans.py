"""A run as a span: one trace of one span, whose events are the steps that were logged.

It is found by its trace id, like any trace. It belongs to a project of its own, which the summary that lists and
selections read leaves out (schema/views/traces.sql): agents' traces are not to be mixed with those of training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from leyden_store.connection import Connection
from leyden_store.ingest import OtlpWriter, delimited
from leyden_store.otlp import encode_traces
from leyden_store.spans import Event, Span

if TYPE_CHECKING:
    from leyden_store.runs import Run

PROJECT = "leyden-runs"

_MOST_EVENTS = 500
"""Steps beyond are thinned out evenly: all of them are in `run_metrics`."""


def trace_of(run_id: str) -> str:
    """The trace id of a run."""
    return _digest(run_id)[:32]


def write_run(connection: Connection, run: Run) -> None:
    """Store a run that has ended as a span; again changes nothing. Raises StoreError."""
    points = connection.rows(
        "SELECT Step AS step, Name AS name, Value AS value, Timestamp AS at FROM run_metrics FINAL"
        " WHERE RunId = {run:String} ORDER BY Step, Name",
        {"run": run.run_id},
    )
    segment = delimited([encode_traces([span_of(run, points)])])
    writer = OtlpWriter(connection)
    try:
        writer.write(segment, token=hashlib.sha256(segment).hexdigest())
    finally:
        writer.close()


def span_of(run: Run, points: Iterable[Mapping[str, Any]]) -> Span:
    """The span. points: step, name, value and `at`, in the order of the steps."""
    assert run.started_at is not None
    start = _ns(run.started_at)
    told: dict[str, str | int | float] = {
        "leyden.run.id": run.run_id,
        "leyden.run.status": str(run.status),
        "leyden.run.trainer": run.trainer,
        "leyden.run.model": run.model,
        "leyden.run.query": run.query,
        "leyden.run.query_version": run.query_version,
        "leyden.run.spans": run.spans,
        "leyden.run.spans_hash": run.spans_hash,
        "leyden.run.rows_hash": run.rows_hash,
        "leyden.run.seed": run.seed,
        "leyden.run.code": run.code_version,
        "leyden.run.checkpoint": run.checkpoint,
        "leyden.run.policy_version": run.policy_version,
        **{f"leyden.run.metric.{name}": value for name, value in run.metrics.items()},
    }
    return Span(
        trace_id=trace_of(run.run_id),
        span_id=_digest(run.run_id)[32:48],
        name=f"train {run.trainer}",
        start_ns=start,
        end_ns=_ns(run.ended_at) if run.ended_at else start,
        status="Ok" if run.status == "succeeded" else "Error",
        status_message=run.error,
        service="leyden-trainers",
        scope_name="leyden_trainers",
        project=PROJECT,
        attributes={name: value for name, value in told.items() if value != ""},
        events=_events(points),
    )


def _events(points: Iterable[Mapping[str, Any]]) -> tuple[Event, ...]:
    steps: dict[int, tuple[datetime, dict[str, float]]] = {}
    for point in points:
        steps.setdefault(point["step"], (point["at"], {}))[1][point["name"]] = point["value"]
    every = max(1, -(-len(steps) // _MOST_EVENTS))
    last = max(steps, default=0)
    return tuple(
        Event(_ns(at), "step", {"step": step, **values})
        for place, (step, (at, values)) in enumerate(steps.items())
        if place % every == 0 or step == last
    )


def _ns(moment: datetime) -> int:
    return round(moment.timestamp() * 1000) * 1_000_000


def _digest(run_id: str) -> str:
    return hashlib.sha256(f"leyden run {run_id}".encode()).hexdigest()
