"""Training runs, their checkpoints, and data sets: what was made, from which spans, with which result."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from leyden_store import audit
from leyden_store.audit import Action
from leyden_store.connection import Connection
from leyden_store.errors import LeydenError

SpanKey = tuple[str, str]
"""(trace id, span id)."""


class RunNotFound(LeydenError):
    """No run has that id."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training run. status: running, succeeded or failed; metrics: the last of each; report: kept and dropped."""

    run_id: str
    trainer: str
    model: str
    status: str = "running"
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
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """What `leyden runs --json` prints."""
        return {
            "run_id": self.run_id,
            "status": self.status,
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
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
        }


class Runs:
    """The runs of a store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def start(self, run: Run, spans: Sequence[SpanKey]) -> Run:
        """Record a run that begins, and the spans it uses."""
        run = replace(run, started_at=datetime.now(UTC), spans=len(set(spans)), spans_hash=spans_hash(spans))
        record_lineage(self._connection, "run", run.run_id, spans)
        self._write(run)
        asked = run.query or run.sql
        audit.done(self._connection, Action.TRAIN, f"run {run.run_id}, {run.trainer}, of {asked}", run.spans)
        return run

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

    def succeed(self, run: Run, checkpoint: str, sha256: str, metrics: Mapping[str, float]) -> Run:
        """Record that a run ended well, and its checkpoint."""
        now = datetime.now(UTC)
        self._connection.insert(
            "checkpoints",
            [
                {
                    "CheckpointId": sha256[:16] or run.run_id,
                    "RunId": run.run_id,
                    "Path": checkpoint,
                    "Sha256": sha256,
                    "PolicyVersion": sha256[:16],
                    "CreatedAt": now,
                }
            ],
        )
        run = replace(run, status="succeeded", checkpoint=checkpoint, metrics=dict(metrics), ended_at=now)
        self._write(run)
        return run

    def fail(self, run: Run, error: str) -> Run:
        """Record that a run failed, and why."""
        run = replace(run, status="failed", error=error, ended_at=datetime.now(UTC))
        self._write(run)
        return run

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
        return [
            Run(
                run_id=r["RunId"],
                trainer=r["Trainer"],
                model=r["Model"],
                status=r["Status"],
                query=r["Query"],
                query_version=r["QueryVersion"],
                sql=r["Sql"],
                config=json.loads(r["Config"]),
                report=json.loads(r["Report"]),
                spans=r["Spans"],
                spans_hash=r["SpansHash"],
                checkpoint=r["Checkpoint"],
                metrics=json.loads(r["Metrics"]),
                error=r["Error"],
                code_version=r["CodeVersion"],
                started_at=r["StartedAt"],
                ended_at=r["EndedAt"],
            )
            for r in rows
        ]

    def _write(self, run: Run) -> None:
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
                    "StartedAt": run.started_at,
                    "EndedAt": run.ended_at,
                    "UpdatedAt": datetime.now(UTC),
                }
            ],
        )


def new_id() -> str:
    """A run's or data set's id: sorts by time, is unique."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"


def spans_hash(spans: Iterable[SpanKey]) -> str:
    """SHA-256 of a set of spans, whatever their order."""
    return hashlib.sha256("\n".join(f"{t}:{s}" for t, s in sorted(set(spans))).encode()).hexdigest()


def record_lineage(connection: Connection, kind: str, subject_id: str, spans: Iterable[SpanKey]) -> None:
    """Record which spans a run or a data set was made of."""
    connection.insert(
        "lineage",
        [{"Kind": kind, "SubjectId": subject_id, "TraceId": t, "SpanId": s} for t, s in sorted(set(spans))],
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), sort_keys=True, default=str)
