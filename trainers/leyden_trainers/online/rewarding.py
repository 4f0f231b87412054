"""Rewards by a function: what `--set reward=…` names judges each rollout as it is read, and its scores are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite

from leyden_exporters.scoring import Case, RewardFunction, Score
from leyden_store.lightning import LightningStore
from leyden_store.turns import PostedReward, Rollout
from leyden_trainers.online.tasks import Task

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Judged:
    """values: reward by rollout; failures: why a rollout has none, by rollout."""

    values: Mapping[str, float]
    failures: Mapping[str, str]


def judge(
    store: LightningStore, function: RewardFunction, rollouts: Sequence[Rollout], tasks: Mapping[str, Task]
) -> Judged:
    """Judge rollouts and store their scores, as `leyden score` does: one that cannot be judged has no reward, not 0.

    tasks: by rollout; the key `reference` of a task is what the function compares with
    """

    def one(rollout: Rollout) -> Score | Exception | None:
        trees = lambda: [store.trace(trace_id) for trace_id in rollout.trace_ids]  # noqa: E731
        try:
            found = function(Case(rollout, tasks[rollout.rollout_id].extra.get("reference"), trees))
            if found is not None and not isfinite(found.value):
                raise ValueError(f"gave {found.value}, which is no finite number")
        except Exception as error:  # Whatever a function raises is its own; the other rollouts go on.
            return error
        return found

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = dict(zip((rollout.rollout_id for rollout in rollouts), pool.map(one, rollouts), strict=True))
    source = f"score:{function.name}@{function.version}"
    given = {rollout_id: score for rollout_id, score in found.items() if isinstance(score, Score)}
    store.add_rewards(
        [
            PostedReward(
                function.name,
                float(score.value),
                rollout_id=rollout_id,
                source=source,
                label=score.label,
                explanation=score.explanation,
            )
            for rollout_id, score in given.items()
        ]
    )
    failures = {
        rollout_id: f"{type(error).__name__}: {error}"
        for rollout_id, error in found.items()
        if isinstance(error, Exception)
    }
    return Judged({rollout_id: float(score.value) for rollout_id, score in given.items()}, failures)
