"""Evaluations: a task set run under one prompt, model or checkpoint; and comparisons: which of two won, and why."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from leyden_store.connection import Connection
from leyden_store.errors import LeydenError


class EvaluationNotFound(LeydenError):
    """No evaluation has that id or name."""


class Outcome(StrEnum):
    """What became of a rollout. Only one that is done can have a reward."""

    DONE = "done"
    FAILED = "failed"
    """Its agent failed."""
    TIMED_OUT = "timed_out"
    """Its agent took too long."""
    INCOMPLETE = "incomplete"
    """Its spans did not all reach the store in time."""


@dataclass(frozen=True, slots=True)
class EvaluatedRollout:
    """One attempt at one task.

    rewards: by name; none is ever made up for a rollout without
    tokens, cost (US dollars), latency_s: None where the capture does not say
    """

    task_id: str
    attempt: int
    rollout_id: str
    outcome: Outcome
    error: str = ""
    rewards: Mapping[str, float] = field(default_factory=dict)
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    latency_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Its fields, in plain JSON types."""
        return {**asdict(self), "outcome": str(self.outcome), "rewards": dict(self.rewards)}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation. status: running, succeeded or failed.

    tasks:      the file or saved query they came from; tasks_hash is of their ids and inputs
    checkpoint: the folder evaluated, "" for a model that is served already
    summary:    means with their intervals, and counts
    """

    evaluation_id: str
    name: str
    agent: str
    status: str = "running"
    tasks: str = ""
    tasks_hash: str = ""
    model: str = ""
    policy_version: str = ""
    prompt: str = ""
    prompt_version: str = ""
    checkpoint: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    code_version: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """What `leyden evals --json` prints."""
        times = {"started_at": self.started_at, "ended_at": self.ended_at}
        shown = {name: moment.isoformat() if moment else None for name, moment in times.items()}
        return {**asdict(self), "config": dict(self.config), "summary": dict(self.summary), **shown}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Which of two evaluations won. winner: their `a`, `b`, or "" where it is undecided; measures: the differences."""

    comparison_id: str
    a: str
    b: str
    reward: str
    winner: str
    why: str
    measures: Sequence[Mapping[str, Any]] = ()
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def to_json(self) -> dict[str, Any]:
        """What `leyden compare --json` prints."""
        return {**asdict(self), "measures": list(self.measures), "created_at": self.created_at.isoformat()}


class Evaluations:
    """The evaluations of a store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def start(self, evaluation: Evaluation) -> Evaluation:
        """Record an evaluation that begins."""
        return self._write(replace(evaluation, started_at=datetime.now(UTC)))

    def succeed(
        self, evaluation: Evaluation, rollouts: Iterable[EvaluatedRollout], summary: Mapping[str, Any]
    ) -> Evaluation:
        """Record what came of it."""
        self._write_rollouts(evaluation, rollouts)
        return self._write(replace(evaluation, status="succeeded", summary=summary, ended_at=datetime.now(UTC)))

    def fail(self, evaluation: Evaluation, error: str, rollouts: Iterable[EvaluatedRollout] = ()) -> Evaluation:
        """Record that it failed, and why."""
        self._write_rollouts(evaluation, rollouts)
        return self._write(replace(evaluation, status="failed", error=error[:2000], ended_at=datetime.now(UTC)))

    def all(self) -> list[Evaluation]:
        """Every evaluation, newest first."""
        return self._read("", {})

    def get(self, name: str) -> Evaluation:
        """One evaluation, by its id or a beginning of it, or the newest of that name. Raises EvaluationNotFound."""
        found = self._read("WHERE Name = {name:String} OR startsWith(EvaluationId, {name:String})", {"name": name})
        exact = [one for one in found if one.evaluation_id == name] or [one for one in found if one.name == name]
        if exact or len(found) == 1:
            return (exact or found)[0]
        if found:
            near = ", ".join(one.evaluation_id for one in found[:5])
            raise EvaluationNotFound(f"{len(found)} evaluations begin with {name!r}: {near}")
        raise EvaluationNotFound(f"no evaluation is called {name!r}; list them with: leyden evals")

    def rollouts(self, evaluation_id: str) -> list[EvaluatedRollout]:
        """An evaluation's rollouts, by task and attempt."""
        rows = self._connection.rows(
            "SELECT * FROM evaluation_rollouts FINAL WHERE EvaluationId = {id:String} ORDER BY TaskId, Attempt",
            {"id": evaluation_id},
        )
        return [
            EvaluatedRollout(
                task_id=row["TaskId"],
                attempt=row["Attempt"],
                rollout_id=row["RolloutId"],
                outcome=Outcome(row["Outcome"]),
                error=row["Error"],
                rewards=dict(row["Rewards"]),
                input_tokens=row["InputTokens"],
                output_tokens=row["OutputTokens"],
                cost=row["Cost"],
                latency_s=row["LatencyS"],
            )
            for row in rows
        ]

    def told(self, evaluation: Evaluation) -> dict[str, Any]:
        """An evaluation with its rollouts and comparisons: what `leyden evals ID --json` prints."""
        return {
            **evaluation.to_json(),
            "rollouts": [one.to_json() for one in self.rollouts(evaluation.evaluation_id)],
            "comparisons": [one.to_json() for one in self.comparisons(evaluation.evaluation_id)],
        }

    def told_of_checkpoint(self, path: str) -> list[dict[str, Any]]:
        """What came of evaluating a checkpoint, newest first: its summary, and which of two won and why."""
        found = self._read("WHERE Checkpoint = {path:String} AND Checkpoint != ''", {"path": path})
        return [
            {
                "evaluation_id": one.evaluation_id,
                "name": one.name,
                "status": one.status,
                "summary": dict(one.summary),
                "comparisons": [
                    {"a": each.a, "b": each.b, "winner": each.winner, "why": each.why}
                    for each in self.comparisons(one.evaluation_id)
                ],
            }
            for one in found
        ]

    def record(self, comparison: Comparison) -> Comparison:
        """Record which of two won, and why."""
        row = {
            "ComparisonId": comparison.comparison_id,
            "A": comparison.a,
            "B": comparison.b,
            "Reward": comparison.reward,
            "Winner": comparison.winner,
            "Why": comparison.why,
            "Measures": json.dumps(list(comparison.measures)),
            "CreatedAt": comparison.created_at,
        }
        self._connection.insert("comparisons", [row])
        return comparison

    def comparisons(self, evaluation_id: str) -> list[Comparison]:
        """The comparisons an evaluation took part in, newest first."""
        rows = self._connection.rows(
            "SELECT * FROM comparisons FINAL WHERE A = {id:String} OR B = {id:String} ORDER BY CreatedAt DESC",
            {"id": evaluation_id},
        )
        return [
            Comparison(
                comparison_id=row["ComparisonId"],
                a=row["A"],
                b=row["B"],
                reward=row["Reward"],
                winner=row["Winner"],
                why=row["Why"],
                measures=json.loads(row["Measures"]),
                created_at=row["CreatedAt"],
            )
            for row in rows
        ]

    def _read(self, where: str, parameters: Mapping[str, Any]) -> list[Evaluation]:
        rows = self._connection.rows(
            f"SELECT * FROM evaluations FINAL {where} ORDER BY StartedAt DESC, EvaluationId DESC", parameters
        )
        return [
            Evaluation(
                evaluation_id=row["EvaluationId"],
                name=row["Name"],
                agent=row["Agent"],
                status=row["Status"],
                tasks=row["Tasks"],
                tasks_hash=row["TasksHash"],
                model=row["Model"],
                policy_version=row["PolicyVersion"],
                prompt=row["Prompt"],
                prompt_version=row["PromptVersion"],
                checkpoint=row["Checkpoint"],
                config=json.loads(row["Config"]),
                summary=json.loads(row["Summary"]),
                error=row["Error"],
                code_version=row["CodeVersion"],
                started_at=row["StartedAt"],
                ended_at=row["EndedAt"],
            )
            for row in rows
        ]

    def _write(self, evaluation: Evaluation) -> Evaluation:
        row = {
            "EvaluationId": evaluation.evaluation_id,
            "Name": evaluation.name,
            "Status": evaluation.status,
            "Agent": evaluation.agent,
            "Tasks": evaluation.tasks,
            "TasksHash": evaluation.tasks_hash,
            "Model": evaluation.model,
            "PolicyVersion": evaluation.policy_version,
            "Prompt": evaluation.prompt,
            "PromptVersion": evaluation.prompt_version,
            "Checkpoint": evaluation.checkpoint,
            "Config": json.dumps(dict(evaluation.config), sort_keys=True, default=str),
            "Summary": json.dumps(dict(evaluation.summary), sort_keys=True),
            "Error": evaluation.error,
            "CodeVersion": evaluation.code_version,
            "StartedAt": evaluation.started_at,
            "EndedAt": evaluation.ended_at,
            "UpdatedAt": datetime.now(UTC),
        }
        self._connection.insert("evaluations", [row])
        return evaluation

    def _write_rollouts(self, evaluation: Evaluation, rollouts: Iterable[EvaluatedRollout]) -> None:
        now = datetime.now(UTC)
        rows = [
            {
                "EvaluationId": evaluation.evaluation_id,
                "TaskId": one.task_id,
                "Attempt": one.attempt,
                "RolloutId": one.rollout_id,
                "Outcome": str(one.outcome),
                "Error": one.error[:2000],
                "Rewards": dict(one.rewards),
                "InputTokens": one.input_tokens,
                "OutputTokens": one.output_tokens,
                "Cost": one.cost,
                "LatencyS": one.latency_s,
                "Timestamp": now,
            }
            for one in rollouts
        ]
        self._connection.insert("evaluation_rollouts", rows)
