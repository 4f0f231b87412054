"""Training runs, their checkpoints, and data sets: what was made, from which spans, with which result."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from leyden_store import audit, run_spans
from leyden_store.audit import Action
from leyden_store.checkpoints import Checkpoint, Checkpoints
from leyden_store.connection import Connection
from leyden_store.errors import LeydenError
from leyden_store.span_sets import SpanKey, SpanSet

STALE = timedelta(seconds=90)
"""A run that has not been heard of for so long is lost: its process was killed."""


class RunNotFound(LeydenError):
    """No run has that id."""


class RunStatus(StrEnum):
    """How far a run is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """It was told to end."""
    LOST = "lost"
    """Its process was killed: told when it is read, by a heart that stopped. Nothing writes it."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training run.

    metrics:   the last of each; report: kept and dropped
    out:       where the checkpoint goes; what is unfinished stands beside it
    policy_version: the checkpoint's, by which a policy server names the weights on the spans of its replies
    rows_hash: SHA-256 of the rows it trains on; progress: share of its steps that are done
    """

    run_id: str
    trainer: str
    model: str
    status: str = RunStatus.RUNNING
    query: str = ""
    query_version: int = 0
    sql: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    spans: int = 0
    spans_hash: str = ""
    checkpoint: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    code_version: str = ""
    out: str = ""
    policy_version: str = ""
    rows_hash: str = ""
    seed: int = 0
    progress: float = 0.0
    started_at: datetime | None = None
    heartbeat_at: datetime | None = None
    ended_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """What `leyden runs --json` prints."""
        return {
            "run_id": self.run_id,
            "status": str(self.status),
            "trainer": self.trainer,
            "model": self.model,
            "query": self.query,
            "query_version": self.query_version,
            "sql": self.sql,
            "config": dict(self.config),
            "report": dict(self.report),
            "spans": self.spans,
            "spans_hash": self.spans_hash,
            "checkpoint": self.checkpoint,
            "metrics": dict(self.metrics),
            "error": self.error,
            "code_version": self.code_version,
            "out": self.out,
            "policy_version": self.policy_version,
            "rows_hash": self.rows_hash,
            "seed": self.seed,
            "progress": self.progress,
            "trace_id": run_spans.trace_of(self.run_id),
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "heartbeat_at": self.heartbeat_at.isoformat() if self.heartbeat_at else None,
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
        }


class Runs:
    """The runs of a store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def announce(self, run: Run) -> Run:
        """Record a run whose process is about to begin, so that it can be looked at from now on."""
        return self._write(replace(run, started_at=datetime.now(UTC)))

    def start(self, run: Run, spans: Sequence[SpanKey]) -> Run:
        """Record a run that begins, and the spans it uses."""
        used = SpanSet.of(spans)
        run = replace(run, spans=len(used), spans_hash=used.hash)
        used.record(self._connection, "run", run.run_id)
        run = self._write(replace(run, started_at=run.started_at or datetime.now(UTC)))
        asked = run.query or run.sql
        audit.done(self._connection, Action.TRAIN, f"run {run.run_id}, {run.trainer}, of {asked}", run.spans)
        return run

    def uses(self, run: Run, spans: Sequence[SpanKey]) -> Run:
        """Record the spans of a run that makes its own while it trains: all of them, at its end."""
        used = SpanSet.of(spans)
        if not len(used) or run.spans_hash == used.hash:
            return run
        used.record(self._connection, "run", run.run_id)
        return replace(run, spans=len(used), spans_hash=used.hash)

    def beat(self, run: Run) -> Run:
        """Record that a run lives, and how far it is."""
        return self._write(run)

    def metrics(self, run_id: str, steps: Iterable[tuple[int, Mapping[str, float]]]) -> None:
        """Record the metrics of some steps."""
        now = datetime.now(UTC)
        self._connection.insert(
            "run_metrics",
            [
                {"RunId": run_id, "Step": step, "Name": name, "Value": float(value), "Timestamp": now}
                for step, values in steps
                for name, value in values.items()
            ],
        )

    def succeed(
        self, run: Run, checkpoint: str, sha256: str, metrics: Mapping[str, float], *, size: int = 0, step: int = 0
    ) -> Run:
        """Record that a run ended well, and its checkpoint. size: of its files, in bytes; step: of the last update."""
        made = Checkpoint(
            f"{run.run_id}-{step}", run.run_id, checkpoint, sha256, sha256[:16], size, step, dict(metrics)
        )
        Checkpoints(self._connection).record(made)
        run = replace(run, status=RunStatus.SUCCEEDED, error="", progress=1.0, ended_at=datetime.now(UTC))
        return self._end(replace(run, checkpoint=checkpoint, policy_version=made.policy_version, metrics=dict(metrics)))

    def fail(self, run: Run, error: str, *, status: RunStatus = RunStatus.FAILED) -> Run:
        """Record that a run failed or was cancelled, and why."""
        return self._end(replace(run, status=status, error=error, ended_at=datetime.now(UTC)))

    def _end(self, run: Run) -> Run:
        run = replace(run, started_at=run.started_at or run.ended_at)
        run_spans.write_run(self._connection, run)
        return self._write(run)

    def all(self) -> list[Run]:
        """Every run, newest first."""
        return self._read("", {})

    def get(self, run_id: str) -> Run:
        """One run, by its id or an unambiguous beginning of it. Raises RunNotFound."""
        found = self._read("WHERE startsWith(RunId, {run:String})", {"run": run_id})
        exact = [run for run in found if run.run_id == run_id]
        if exact or len(found) == 1:
            return (exact or found)[0]
        if found:
            raise RunNotFound(f"{len(found)} runs begin with {run_id!r}: {', '.join(r.run_id for r in found[:5])}")
        raise RunNotFound(f"no run is called {run_id!r}; list them with: leyden runs")

    def curve(self, run_id: str) -> list[dict[str, Any]]:
        """A run's metrics: step, name, value, in order."""
        return self._connection.rows(
            "SELECT Step AS step, Name AS name, Value AS value FROM run_metrics FINAL"
            " WHERE RunId = {run:String} ORDER BY Name, Step",
            {"run": run_id},
        )

    def _read(self, where: str, parameters: Mapping[str, Any]) -> list[Run]:
        rows = self._connection.rows(f"SELECT * FROM runs FINAL {where} ORDER BY StartedAt DESC, RunId", parameters)
        now = datetime.now(UTC)
        return [_heard(_run(row), now) for row in rows]

    def _write(self, run: Run) -> Run:
        now = datetime.now(UTC)
        self._connection.insert(
            "runs",
            [
                {
                    "RunId": run.run_id,
                    "Trainer": run.trainer,
                    "Status": run.status,
                    "Query": run.query,
                    "QueryVersion": run.query_version,
                    "Sql": run.sql,
                    "Model": run.model,
                    "Config": _json(run.config),
                    "Report": _json(run.report),
                    "Spans": run.spans,
                    "SpansHash": run.spans_hash,
                    "Checkpoint": run.checkpoint,
                    "Metrics": _json(run.metrics),
                    "Error": run.error,
                    "CodeVersion": run.code_version,
                    "Out": run.out,
                    "PolicyVersion": run.policy_version,
                    "RowsHash": run.rows_hash,
                    "Seed": run.seed,
                    "Progress": run.progress,
                    "StartedAt": run.started_at,
                    "HeartbeatAt": now,
                    "EndedAt": run.ended_at,
                    "UpdatedAt": now,
                }
            ],
        )
        return replace(run, heartbeat_at=now)


def new_id() -> str:
    """A run's or data set's id: sorts by time, is unique."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"


def _run(row: Mapping[str, Any]) -> Run:
    return Run(
        run_id=row["RunId"],
        trainer=row["Trainer"],
        model=row["Model"],
        status=row["Status"],
        query=row["Query"],
        query_version=row["QueryVersion"],
        sql=row["Sql"],
        config=json.loads(row["Config"]),
        report=json.loads(row["Report"]),
        spans=row["Spans"],
        spans_hash=row["SpansHash"],
        checkpoint=row["Checkpoint"],
        metrics=json.loads(row["Metrics"]),
        error=row["Error"],
        code_version=row["CodeVersion"],
        out=row["Out"],
        policy_version=row["PolicyVersion"],
        rows_hash=row["RowsHash"],
        seed=row["Seed"],
        progress=round(row["Progress"], 6),
        started_at=row["StartedAt"],
        heartbeat_at=row["HeartbeatAt"],
        ended_at=row["EndedAt"],
    )


def _heard(run: Run, now: datetime) -> Run:
    """The run, lost if it was not heard of for long. One that only slept says so with its next heartbeat."""
    if run.status != RunStatus.RUNNING or run.heartbeat_at is None or now - run.heartbeat_at <= STALE:
        return run
    said = f"its process was killed: not heard of since {run.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC"
    return replace(run, status=RunStatus.LOST, error=f"{said}; go on with: leyden train --resume {run.run_id}")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), sort_keys=True, default=str)
