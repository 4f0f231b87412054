"""The search: beam by beam, with new prompts tried on few tasks first and the better half on twice as many.

Beam search after textual critique as in https://arxiv.org/abs/2305.03495; selection by successive halving,
https://arxiv.org/abs/1502.07943.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from leyden_trainers.prompt_opt.candidates import Candidate, ranked
from leyden_trainers.prompt_opt.proposing import BudgetSpent, Example, Proposer


class Trying(Protocol):
    """Rollouts under a candidate."""

    def score(self, candidate: Candidate, tasks: Sequence[str]) -> None:
        """Make rollouts of these tasks and write down what they earned. Raises BudgetSpent."""
        ...

    def examples(self, candidate: Candidate, tasks: Sequence[str]) -> list[Example]:
        """The rollouts of these tasks, to be shown to a critic."""
        ...


@dataclass(frozen=True, slots=True)
class Width:
    """How wide the search is; see `PromptOptConfig`."""

    rounds: int
    beam: int
    critiques: int
    edits: int
    shown: int
    minibatch: int


@dataclass(slots=True)
class Search:
    """One search.

    tasks:      to be tried, in an order that says which come first
    candidates: every prompt there was; the first is the start
    stopped:    why it ended before its rounds, "" when it did not
    """

    width: Width
    tasks: Sequence[str]
    trying: Trying
    proposer: Proposer
    random: Random
    candidates: list[Candidate] = field(default_factory=list)
    beam: list[Candidate] = field(default_factory=list)
    stopped: str = ""

    def run(self, start: str, on_round: Callable[[int, Mapping[str, float]], None]) -> Candidate:
        """Search from a template; the best prompt found, which may be the start. `on_round` is told of every round."""
        self.candidates = [Candidate(0, start)]
        self.beam = self.candidates[:]
        self.trying.score(self.candidates[0], self._first())
        for number in range(1, self.width.rounds + 1):
            before = len(self.candidates)
            try:
                self._propose()
                self.beam = self._halved([*self.beam, *self.candidates[before:]])
            except BudgetSpent as error:
                self.stopped = str(error)
                self.beam = self._kept([*self.beam, *self.candidates[before:]])
            on_round(number, {"candidates": len(self.candidates) - before, **self._told()})
            if self.stopped:
                break
        return self.beam[0]

    def _first(self) -> Sequence[str]:
        return self.tasks[: self.width.minibatch]

    def _propose(self) -> None:
        """Add edits of every prompt of the beam, after critiques of its worst rollouts. Raises BudgetSpent."""
        for parent, _ in itertools.product(self.beam, range(self.width.critiques)):
            critique = self.proposer.critique(parent.text, self.trying.examples(parent, self._worst(parent)))
            if critique is None:
                continue
            for _ in range(self.width.edits):
                text = self.proposer.edit(parent.text, critique)
                if text is None or any(text == one.text for one in self.candidates):
                    continue
                self.candidates.append(Candidate(len(self.candidates), text, parent, critique))

    def _worst(self, candidate: Candidate) -> list[str]:
        """Tasks that earned least, drawn from the worse half of what it tried: each critique sees others."""
        known = sorted(candidate.scores, key=lambda task: _or_least(candidate.scores[task]))
        pool = known[: max(self.width.shown, len(known) // 2)]
        return self.random.sample(pool, min(self.width.shown, len(pool)))

    def _halved(self, alive: list[Candidate]) -> list[Candidate]:
        """The best, by successive halving. Raises BudgetSpent."""
        size = min(self.width.minibatch, len(self.tasks))
        while True:
            for candidate in alive:
                self.trying.score(candidate, self.tasks[:size])
            alive = ranked(alive)
            if size == len(self.tasks):
                return alive[: self.width.beam]
            alive = alive[: max(self.width.beam, (len(alive) + 1) // 2)]
            size = min(2 * size, len(self.tasks))

    def _kept(self, alive: list[Candidate]) -> list[Candidate]:
        """The best of what has been tried when the budget was spent; new prompts that lack the minibatch are none."""
        tried = [one for one in alive if all(task in one.scores for task in self._first())]
        return ranked(tried)[: self.width.beam]

    def _told(self) -> dict[str, float]:
        best = self.beam[0].told()
        counts = self.proposer.counts
        return {
            **({} if best["mean"] is None else {"reward": best["mean"]}),
            "reward/tasks": best["tasks"],
            "unrewarded": best["unrewarded"],
            "llm/calls": counts["calls"],
            "llm/errors": counts["errors"],
            "llm/failed": counts["failed"],
            "llm/tokens": counts["tokens"],
        }


def _or_least(score: float | None) -> float:
    return float("-inf") if score is None else score
