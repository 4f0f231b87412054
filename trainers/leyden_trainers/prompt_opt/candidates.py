"""Prompts on trial: what each earned on which task, and which come first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any


@dataclass(slots=True)
class Candidate:
    """A template on trial.

    number:   0 is the start
    parent:   the candidate it was edited from
    critique: after which it was edited
    scores:   task → its reward; None where the rollout has none
    rollouts: task → the rollout's id
    """

    number: int
    text: str
    parent: Candidate | None = None
    critique: str = ""
    scores: dict[str, float | None] = field(default_factory=dict)
    rollouts: dict[str, str] = field(default_factory=dict)

    @property
    def lineage(self) -> list[Candidate]:
        """It and what it came from, the start first."""
        return [*(self.parent.lineage if self.parent else []), self]

    def told(self) -> dict[str, Any]:
        """What the report says of it."""
        rewards = [score for score in self.scores.values() if score is not None]
        return {
            "candidate": self.number,
            "parent": None if self.parent is None else self.parent.number,
            "critique": self.critique,
            "text": self.text,
            "mean": fmean(rewards) if rewards else None,
            "tasks": len(self.scores),
            "unrewarded": len(self.scores) - len(rewards),
        }


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best first, by the mean over the tasks that all of them tried; of equals the older.

    For the order alone, a rollout without a reward counts like the worst that any of them had: a prompt that breaks the
    agent where it is hard must not come first by the rest.
    """
    common = [task for task in candidates[0].scores if all(task in one.scores for one in candidates)]
    known = [score for one in candidates for score in one.scores.values() if score is not None]
    if not common or not known:
        return list(candidates)
    worst = min(known)
    return sorted(candidates, key=lambda one: (-_mean(one.scores, common, worst), one.number))


def _mean(scores: Mapping[str, float | None], tasks: Sequence[str], worst: float) -> float:
    return fmean(worst if (score := scores[task]) is None else score for task in tasks)
