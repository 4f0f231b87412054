"""Rollouts of candidates, through the store: what each task earned, and what a critic is shown of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from leyden_exporters.scoring import Case
from leyden_exporters.scoring.judge import JudgeFailed, transcript
from leyden_exporters.skimmable import StoreSource
from leyden_store.errors import SelectionEmpty
from leyden_store.evaluations import EvaluatedRollout
from leyden_store.prompts import Prompt
from leyden_store.span_sets import SpanKey
from leyden_store.turns import Rollout
from leyden_trainers.errors import EvaluationInvalid
from leyden_trainers.evaluation.rolling import Rolling
from leyden_trainers.online.runner import Policy
from leyden_trainers.online.tasks import Task
from leyden_trainers.prompt_opt.candidates import Candidate
from leyden_trainers.prompt_opt.proposing import BudgetSpent, Example

_MOST_CHARS = 6_000
"""Of each rollout a critic is shown, its end."""


@dataclass(slots=True)
class Rollouts:
    """Tries candidates. See `search.Trying`.

    start:   the saved prompt in whose place candidates stand
    session: begins every rollout's id
    reward:  the reward that counts, None for `reward`, else the only one a rollout has
    most:    rollouts that may be made
    on_spans: told the LLM spans that a critic was shown
    """

    rolling: Rolling
    tasks: Mapping[str, Task]
    policy: Policy
    start: Prompt
    session: str
    reward: str | None
    attempts: int
    most: int
    on_spans: Callable[[Iterable[SpanKey]], None]
    made: int = 0
    _errors: dict[str, str] = field(default_factory=dict)
    _batches: Iterator[int] = field(default_factory=itertools.count)

    def score(self, candidate: Candidate, tasks: Sequence[str]) -> None:
        """Make rollouts of the tasks that the candidate has not tried.

        Raises BudgetSpent, and EvaluationInvalid when the start earns no reward at all, or is not used.
        """
        new = [task for task in tasks if task not in candidate.scores]
        if not new:
            return
        if self.made + len(new) * self.attempts > self.most:
            raise BudgetSpent(f"the budget of {self.most} rollouts for the search is spent")
        version = self.start.version if candidate.number == 0 else f"{self.session}/{candidate.number}"
        policy = replace(self.policy, prompts={self.start.name: {"version": version, "text": candidate.text}})
        found = self.rolling.make(
            [self.tasks[task] for task in new],
            policy,
            session=f"{self.session}/{candidate.number}/{next(self._batches)}",
            attempts=self.attempts,
        )
        self.made += len(found)
        if candidate.number == 0 and not candidate.scores:
            self._check(found, str(version))
        for task in new:
            ran = [one for one in found if one.task_id == task]
            rewards = [value for one in ran if (value := self._reward(one)) is not None]
            candidate.scores[task] = fmean(rewards) if rewards else None
            candidate.rollouts[task] = ran[0].rollout_id
            self._errors[ran[0].rollout_id] = ran[0].error

    def examples(self, candidate: Candidate, tasks: Sequence[str]) -> list[Example]:
        """What the rollouts of these tasks were asked, said and earned."""
        wanted = {candidate.rollouts[task]: task for task in tasks}
        gathering = self.rolling.gathering
        try:
            read = {one.rollout_id: one for one in StoreSource(gathering.store, gathering.selection(wanted))}
        except SelectionEmpty:
            read = {}
        self.on_spans([(turn.trace_id, turn.span_id) for one in read.values() for turn in one.turns])
        return [
            Example(self._shown(self.tasks[task], read.get(name)), candidate.scores[task], self._errors[name])
            for name, task in wanted.items()
        ]

    def _shown(self, task: Task, rollout: Rollout | None) -> str:
        said = "it made no call of a model"
        whys: list[str] = []
        if rollout is not None:
            whys = [f"[{one.name}: {one.value:g}]\n{one.explanation}" for one in rollout.rewards if one.explanation]
            try:
                said = transcript(Case(rollout, task.extra.get("reference")))[-_MOST_CHARS:]
            except JudgeFailed as error:
                said = str(error)
        return "\n\n".join([f"[task]\n{task.text[:_MOST_CHARS]}", said, *whys])

    def _reward(self, one: EvaluatedRollout) -> float | None:
        if self.reward is not None:
            return one.rewards.get(self.reward)
        if "reward" in one.rewards:
            return one.rewards["reward"]
        return next(iter(one.rewards.values())) if len(one.rewards) == 1 else None

    def _check(self, found: Sequence[EvaluatedRollout], version: str) -> None:
        said = next((f" ({one.error})" for one in found if one.error), "")
        if not self.rolling.prompted(found, self.start.name, version):
            raise EvaluationInvalid(
                f"no rollout used the prompt {self.start.name!r}: the agent is to ask for it with "
                f"leyden.prompt({self.start.name!r}).fill(…){said}"
            )
        if all(self._reward(one) is None for one in found):
            raise EvaluationInvalid(f"no rollout under the prompt it starts from has the reward{said}")
