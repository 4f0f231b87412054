"""Rollouts of a task set under one policy, as the store has them afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from leyden_exporters.scoring import RewardFunction
from leyden_exporters.skimmable import StoreSource
from leyden_store.errors import SelectionEmpty
from leyden_store.evaluations import EvaluatedRollout, Outcome
from leyden_store.turns import Rollout, Turn
from leyden_trainers.online.gathering import Gathering
from leyden_trainers.online.rewarding import judge
from leyden_trainers.online.runner import Assignment, Policy, Ran, Runner
from leyden_trainers.online.tasks import Task

_LATENCY = """
SELECT rollout_id, latency_s FROM
(
    SELECT RolloutId AS rollout_id, ifNull(Attempt, 0) AS attempt,
           (max(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration)) - min(toUnixTimestamp64Nano(Timestamp))) / 1e9
           AS latency_s
    FROM otel_traces
    WHERE Timestamp >= {since:DateTime} AND RolloutId IN {rollouts:Array(String)}
    GROUP BY rollout_id, attempt
)
ORDER BY attempt DESC LIMIT 1 BY rollout_id
"""

_PROMPTED = """
SELECT DISTINCT RolloutId AS rollout_id FROM otel_traces
WHERE Timestamp >= {since:DateTime} AND RolloutId IN {rollouts:Array(String)}
  AND SpanAttributes['gen_ai.prompt.name'] = {prompt:String}
  AND SpanAttributes['leyden.prompt.version'] = {version:String}
"""


def _unwatched(ended: Iterable[Ran], _: int) -> Iterable[Ran]:
    return ended


@dataclass(frozen=True, slots=True)
class Rolling:
    """How rollouts are made and judged.

    function:      judges each rollout; None takes the rewards that the agent reports or somebody posts
    wait_s:        seconds to wait until rollouts that ended are stored whole
    reward_wait_s: seconds to wait for rewards that somebody posts
    watch:         what rollouts pass through as they end, with how many there will be
    """

    runner: Runner
    gathering: Gathering
    function: RewardFunction | None = None
    wait_s: float = 30.0
    reward_wait_s: float = 0.0
    watch: Callable[[Iterable[Ran], int], Iterable[Ran]] = _unwatched

    def make(self, tasks: Sequence[Task], policy: Policy, *, session: str, attempts: int = 1) -> list[EvaluatedRollout]:
        """`attempts` rollouts of each task, in the order of the tasks. session: begins their ids, used by no other."""
        work = [
            Assignment(f"{session}/{task.id}/{number}", task.id, 0, task)
            for task in tasks
            for number in range(attempts)
        ]
        ran = {one.rollout_id: one for one in self.watch(self.runner.run(work, policy), len(work))}
        ended = {name: one.attempts - 1 for name, one in ran.items() if one.error is None}
        missing = self.gathering.wait(ended, at_most_s=self.wait_s)
        done = ended.keys() - missing
        if self.function is None and self.reward_wait_s:
            self.gathering.wait_for_rewards(done, at_most_s=self.reward_wait_s)
        found = self._read([one.rollout_id for one in work])
        rewards = self._rewards([found[name] for name in sorted(done & found.keys())], work)
        latencies = self._latencies(done)
        told = []
        for number, one in enumerate(work):
            name = one.rollout_id
            outcome, error = _outcome(ran[name], name in missing)
            values, failure = rewards.get(name, ({}, ""))
            turns = found[name].turns if name in found else ()
            told.append(
                EvaluatedRollout(
                    task_id=one.task.id,
                    attempt=number % attempts,
                    rollout_id=name,
                    outcome=outcome,
                    error=error or failure,
                    rewards=values,
                    input_tokens=_total([turn.usage.input for turn in turns]),
                    output_tokens=_total([turn.usage.output for turn in turns]),
                    cost=_cost(turns),
                    latency_s=latencies.get(name),
                )
            )
        return told

    def prompted(self, rollouts: Sequence[EvaluatedRollout], prompt: str, version: str) -> set[str]:
        """The rollouts whose spans say that they used that version of the prompt."""
        asked = {**self._asked(one.rollout_id for one in rollouts), "prompt": prompt, "version": version}
        return {row["rollout_id"] for row in self.gathering.store.connection.rows(_PROMPTED, asked)}

    def _asked(self, rollouts: Iterable[str]) -> dict[str, object]:
        return {"since": self.gathering.since, "rollouts": sorted(rollouts)}

    def _read(self, rollouts: Sequence[str]) -> dict[str, Rollout]:
        try:
            selection = self.gathering.selection(rollouts)
            return {one.rollout_id: one for one in StoreSource(self.gathering.store, selection)}
        except SelectionEmpty:
            return {}

    def _rewards(
        self, rollouts: Sequence[Rollout], work: Sequence[Assignment]
    ) -> Mapping[str, tuple[dict[str, float], str]]:
        """The rewards of each, by name, and why it could not be judged."""
        told = {
            rollout.rollout_id: {one.name: one.value for one in sorted(rollout.rewards, key=lambda one: one.time_ns)}
            for rollout in rollouts
        }
        failures: Mapping[str, str] = {}
        if self.function is not None:
            judged = judge(self.gathering.store, self.function, rollouts, {one.rollout_id: one.task for one in work})
            failures = judged.failures
            for name, value in judged.values.items():
                told[name][self.function.name] = value
        return {name: (values, failures.get(name, "")) for name, values in told.items()}

    def _latencies(self, rollouts: set[str]) -> dict[str, float]:
        """Seconds from the beginning of the first span to the end of the last, of the last attempt."""
        rows = self.gathering.store.connection.rows(_LATENCY, self._asked(rollouts)) if rollouts else []
        return {row["rollout_id"]: row["latency_s"] for row in rows}


def _outcome(ran: Ran, missing: bool) -> tuple[Outcome, str]:
    if ran.error is not None:
        return Outcome.TIMED_OUT if ran.timed_out else Outcome.FAILED, ran.error
    if missing:
        return Outcome.INCOMPLETE, "its spans did not all reach the store in time"
    return Outcome.DONE, ""


def _total(counts: Sequence[int | None]) -> int | None:
    """The sum; None where one is not known, or there is none."""
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _cost(turns: Sequence[Turn]) -> float | None:
    known = [turn.cost for turn in turns if turn.cost is not None]
    return sum(known) if known and len(known) == len(turns) else None
