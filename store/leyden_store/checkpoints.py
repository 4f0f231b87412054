"""The registry of checkpoints: where each is, which run made it, how large it is, whether it is kept or promoted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from leyden_store.connection import Connection

SERVED = timedelta(days=1)
"""A policy version that a span of so little ago names is taken to be served still."""


class CheckpointState(StrEnum):
    """What became of a checkpoint."""

    KEPT = "kept"
    PROMOTED = "promoted"
    """Policy servers were told to load it."""
    PRUNED = "pruned"
    """Its files were removed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint.

    path:           a folder, or the URL it was written to
    sha256:         over its files; policy_version: what the policy server writes on the spans of its replies
    bytes:          of all its files; step: optimiser steps done; metrics: the last of each
    """

    checkpoint_id: str
    run_id: str
    path: str
    sha256: str
    policy_version: str
    bytes: int = 0
    step: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    state: CheckpointState = CheckpointState.KEPT
    created_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """What `leyden runs checkpoints --json` prints."""
        return {
            "checkpoint_id": self.checkpoint_id,
            "run_id": self.run_id,
            "path": self.path,
            "sha256": self.sha256,
            "policy_version": self.policy_version,
            "bytes": self.bytes,
            "step": self.step,
            "metrics": dict(self.metrics),
            "state": str(self.state),
            "created_at": self.created_at.isoformat() if self.created_at else None,
        }


class Checkpoints:
    """The checkpoints of a store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def record(self, made: Checkpoint) -> Checkpoint:
        """Register one, or write down how it stands now."""
        # The table keeps the newest by CreatedAt, and of equals the one written last: that is how a state changes.
        made = made if made.created_at else replace(made, created_at=datetime.now(UTC))
        self._connection.insert(
            "checkpoints",
            [
                {
                    "CheckpointId": made.checkpoint_id,
                    "RunId": made.run_id,
                    "Path": made.path,
                    "Sha256": made.sha256,
                    "PolicyVersion": made.policy_version,
                    "Bytes": made.bytes,
                    "Step": made.step,
                    "Metrics": json.dumps(dict(made.metrics), sort_keys=True),
                    "State": str(made.state),
                    "CreatedAt": made.created_at,
                }
            ],
        )
        return made

    def promoted(self, path: str) -> None:
        """Write down that servers were told to load what is at a path."""
        for one in self.all():
            if one.path == path:
                self.record(replace(one, state=CheckpointState.PROMOTED))

    def all(self, run_id: str | None = None) -> list[Checkpoint]:
        """Every checkpoint, or those of a run, the newest first."""
        where = "WHERE RunId = {run:String}" if run_id is not None else ""
        rows = self._connection.rows(
            f"SELECT * FROM checkpoints FINAL {where} ORDER BY CreatedAt DESC, CheckpointId DESC",
            {"run": run_id} if run_id is not None else {},
        )
        return [
            Checkpoint(
                checkpoint_id=row["CheckpointId"],
                run_id=row["RunId"],
                path=row["Path"],
                sha256=row["Sha256"],
                policy_version=row["PolicyVersion"],
                bytes=row["Bytes"],
                step=row["Step"],
                metrics=json.loads(row["Metrics"]),
                state=CheckpointState(row["State"]),
                created_at=row["CreatedAt"],
            )
            for row in rows
        ]

    def in_use(self, now: datetime) -> dict[str, str]:
        """Why a checkpoint must stay, by its id: promoted, served of late, or what a run begins with."""
        served = {
            row["version"]
            for row in self._connection.rows(
                "SELECT DISTINCT PolicyVersion AS version FROM otel_traces"
                " WHERE PolicyVersion != '' AND Timestamp > fromUnixTimestamp64Milli({since:Int64})",
                {"since": int((now - SERVED).timestamp() * 1000)},
            )
        }
        begun = {
            row["model"]: row["run"]
            for row in self._connection.rows(
                "SELECT Model AS model, RunId AS run FROM runs FINAL WHERE Status = 'running'"
            )
        }
        why = {}
        for one in self.all():
            if one.state is CheckpointState.PROMOTED:
                why[one.checkpoint_id] = "it was promoted"
            elif {one.policy_version, one.run_id} & served:
                why[one.checkpoint_id] = "it was served within a day"
            elif one.path in begun:
                why[one.checkpoint_id] = f"the run {begun[one.path]} begins with it"
        return why
