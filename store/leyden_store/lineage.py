"""Lineage: from spans to the data sets and runs made of them, to checkpoints, to the rollouts those sampled; and back.

A checkpoint and the rollouts it sampled are joined by the policy version: the id a run gives its checkpoint is what the
policy server writes on the spans of its replies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from leyden_store.connection import Connection
from leyden_store.errors import LeydenError


class NothingByThatName(LeydenError):
    """No span, trace, rollout, data set, run or checkpoint has that id."""


@dataclass(slots=True)
class Lineage:
    """What something was made of and what was made of it. Lists hold ids, with what is worth telling beside them.

    subject: kind and id of what was asked for
    rollouts: those whose spans it is or was made of; sampled_by: policy versions that sampled them
    sampled:  rollouts sampled by the checkpoints
    """

    kind: str
    id: str
    spans: int = 0
    rollouts: list[str] = field(default_factory=list)
    sampled_by: list[str] = field(default_factory=list)
    made_by: list[dict[str, Any]] = field(default_factory=list)
    datasets: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    sampled: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """What `leyden lineage --json` prints."""
        return asdict(self)


_KINDS = {
    "dataset": "SELECT DISTINCT DatasetId AS id FROM datasets WHERE startsWith(DatasetId, {id:String})"
    " OR startsWith(Sha256, {id:String})",
    "run": "SELECT DISTINCT RunId AS id FROM runs WHERE startsWith(RunId, {id:String})",
    "checkpoint": "SELECT DISTINCT PolicyVersion AS id FROM checkpoints WHERE startsWith(PolicyVersion, {id:String})"
    " OR startsWith(CheckpointId, {id:String}) OR Path = {id:String}",
    "rollout": "SELECT DISTINCT RolloutId AS id FROM traces WHERE RolloutId = {id:String}",
    "trace": "SELECT DISTINCT TraceId AS id FROM traces WHERE startsWith(TraceId, {id:String})",
    "span": "SELECT DISTINCT SpanId AS id FROM otel_traces WHERE startsWith(SpanId, {id:String})",
    "policy": "SELECT DISTINCT PolicyVersion AS id FROM otel_traces WHERE PolicyVersion = {id:String}",
}
"""How each kind of id is found; asked in this order."""

_SPANS = {
    "dataset": "SELECT DISTINCT TraceId, SpanId FROM lineage WHERE Kind = 'dataset' AND SubjectId = {id:String}",
    "run": "SELECT DISTINCT TraceId, SpanId FROM lineage WHERE Kind = 'run' AND SubjectId = {id:String}",
    "checkpoint": "SELECT DISTINCT TraceId, SpanId FROM lineage WHERE Kind = 'run'"
    " AND SubjectId IN (SELECT RunId FROM checkpoints WHERE PolicyVersion = {id:String})",
    "rollout": "SELECT DISTINCT TraceId, SpanId FROM otel_traces WHERE RolloutId = {id:String}",
    "trace": "SELECT DISTINCT TraceId, SpanId FROM otel_traces WHERE TraceId = {id:String}",
    "span": "SELECT DISTINCT TraceId, SpanId FROM otel_traces WHERE SpanId = {id:String}",
    "policy": "SELECT DISTINCT TraceId, SpanId FROM otel_traces WHERE PolicyVersion = {id:String}",
}


def lineage(connection: Connection, name: str) -> Lineage:
    """The lineage of what has that id, or that beginning of one. Raises NothingByThatName."""
    kind, found_id = _found(connection, name)
    of = {"id": found_id}
    made = Lineage(kind, found_id)
    spans = _SPANS[kind]

    def rows(sql: str) -> list[dict[str, Any]]:
        return connection.rows(sql, of)

    made.spans = rows(f"SELECT count() AS n FROM ({spans})")[0]["n"]
    of_spans = f"FROM otel_traces WHERE (TraceId, SpanId) IN ({spans})"
    made.rollouts = _ids(rows(f"SELECT DISTINCT if(RolloutId != '', RolloutId, TraceId) AS id {of_spans} ORDER BY id"))
    made.sampled_by = _ids(rows(f"SELECT DISTINCT PolicyVersion AS id {of_spans} AND PolicyVersion != '' ORDER BY id"))
    versions = f"SELECT PolicyVersion {of_spans} AND PolicyVersion != ''"
    made.made_by = rows(f"{_CHECKPOINTS} WHERE PolicyVersion IN ({versions}) ORDER BY policy_version")
    subjects = {"dataset": "{id:String}", "run": "{id:String}"}
    uses = "SELECT SubjectId FROM lineage WHERE Kind = '{kind}' AND (TraceId, SpanId) IN (" + spans + ")"
    for what, table in (("dataset", "datasets"), ("run", "runs")):
        ids = subjects[what] if kind == what else uses.replace("{kind}", what)
        setattr(made, table, rows(f"{_TOLD[what]} WHERE {what.capitalize()}Id IN ({ids}) ORDER BY 1"))
    runs = "{id:String}" if kind == "run" else uses.replace("{kind}", "run")
    chosen = "PolicyVersion = {id:String}" if kind == "checkpoint" else f"RunId IN ({runs})"
    made.checkpoints = rows(f"{_CHECKPOINTS} WHERE {chosen} ORDER BY policy_version")
    made.sampled = _ids(
        rows(
            "SELECT DISTINCT if(RolloutId != '', RolloutId, TraceId) AS id FROM otel_traces"
            f" WHERE PolicyVersion != '' AND PolicyVersion IN (SELECT PolicyVersion FROM checkpoints WHERE {chosen})"
            " ORDER BY id"
        )
    )
    return made


_TOLD = {
    "dataset": "SELECT DatasetId AS dataset_id, Kind AS kind, Format AS format, Path AS path, Rows AS rows,"
    " Sha256 AS sha256 FROM datasets FINAL",
    "run": "SELECT RunId AS run_id, Trainer AS trainer, Status AS status, Checkpoint AS checkpoint FROM runs FINAL",
}
_CHECKPOINTS = (
    "SELECT PolicyVersion AS policy_version, RunId AS run_id, Path AS path, Sha256 AS sha256 FROM checkpoints FINAL"
)


def _found(connection: Connection, name: str) -> tuple[str, str]:
    for kind, sql in _KINDS.items():
        ids: list[Mapping[str, Any]] = list(connection.rows(f"{sql} LIMIT 6", {"id": name})) if name else []
        exact = [row["id"] for row in ids if row["id"] == name]
        if exact or len(ids) == 1:
            return kind, (exact or [ids[0]["id"]])[0]
        if ids:
            raise NothingByThatName(
                f"several {kind}s begin with {name!r}: {', '.join(row['id'] for row in ids[:5])}; give more of it"
            )
    raise NothingByThatName(
        f"no data set, run, checkpoint, rollout, trace or span is called {name!r}; see: leyden datasets, runs, traces"
    )


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    return [str(row["id"]) for row in rows]
