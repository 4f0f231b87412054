"""What is measured of an evaluation, task by task: rewards by name, tokens, cost, latency. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from leyden_store.evaluations import EvaluatedRollout
from leyden_trainers.evaluation.statistics import estimate

USED = ("input_tokens", "output_tokens", "cost", "latency_s")
"""What a rollout takes, by the names of its fields; less is better."""


def reward_names(rollouts: Sequence[EvaluatedRollout]) -> list[str]:
    """The rewards that any rollout has, by name."""
    return sorted({name for one in rollouts for name in one.rewards})


def rewards_by_task(rollouts: Sequence[EvaluatedRollout], name: str) -> dict[str, float]:
    """Task → the mean reward of its attempts that have one; tasks without are left out, and are no 0."""
    return _by_task([(one.task_id, one.rewards.get(name)) for one in rollouts])


def used_by_task(rollouts: Sequence[EvaluatedRollout], measure: str) -> dict[str, float]:
    """Task → the mean of what its attempts took, where that is known."""
    return _by_task([(one.task_id, getattr(one, measure)) for one in rollouts])


def rewarded_by_task(rollouts: Sequence[EvaluatedRollout], name: str) -> dict[str, float]:
    """Task → the share of its attempts that have the reward."""
    return _by_task([(one.task_id, float(name in one.rewards)) for one in rollouts])


def summary_of(rollouts: Sequence[EvaluatedRollout]) -> dict[str, Any]:
    """Counts, and means with their intervals; each task weighs the same, however many of its attempts count."""
    rewards = {}
    for name in reward_names(rollouts):
        by_task = rewards_by_task(rollouts, name)
        without = sum(name not in one.rewards for one in rollouts)
        rewards[name] = {**asdict(estimate(list(by_task.values()))), "tasks": len(by_task), "without": without}
    used = {measure: used_by_task(rollouts, measure) for measure in USED}
    return {
        "rollouts": len(rollouts),
        "tasks": len({one.task_id for one in rollouts}),
        "outcomes": dict(Counter(str(one.outcome) for one in rollouts)),
        "unrewarded": sum(not one.rewards for one in rollouts),
        "rewards": rewards,
        **{name: asdict(estimate(list(found.values()))) if found else None for name, found in used.items()},
    }


def _by_task(values: Sequence[tuple[str, float | None]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for task_id, value in values:
        if value is not None:
            found.setdefault(task_id, []).append(value)
    return {task_id: fmean(given) for task_id, given in found.items()}
