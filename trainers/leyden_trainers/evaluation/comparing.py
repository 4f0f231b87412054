"""Which of two evaluations is better: paired differences by task, and a verdict that says why, or that it is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from leyden_store.evaluations import Comparison, EvaluatedRollout, Evaluation, Evaluations
from leyden_store.runs import new_id
from leyden_trainers.errors import EvaluationInvalid
from leyden_trainers.evaluation import measures
from leyden_trainers.evaluation.statistics import estimate, p_value

ALPHA = 0.05
"""A difference is one where its 95% interval leaves out 0 and the permutation test gives less than this."""

_FEW = 6
"""Tasks below which the permutation test cannot give less than ALPHA."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of both, over the tasks that have it in both.

    a, b:       mean over these tasks
    difference: mean of b − a by task; low and high its 95% interval, None for a single task
    p:          of the sign-flip permutation test
    wins, losses, ties: tasks in which b has more, less, as much as a
    unpaired:   tasks that have it in one of them, or in neither
    """

    measure: str
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    p: float
    tasks: int
    wins: int
    losses: int
    ties: int
    unpaired: int

    @property
    def sign(self) -> int:
        """1 where b certainly has more, −1 where it has less, 0 where that is open."""
        if self.low is None or self.high is None or self.p >= ALPHA or self.low <= 0 <= self.high:
            return 0
        return 1 if self.difference > 0 else -1

    def text(self) -> str:
        """The difference in words."""
        interval = "" if self.low is None else f" [{self.low:+.3g}, {self.high:+.3g}]"
        how_sure = f"{interval} over {self.tasks} tasks, p = {self.p:.2g}"
        return f"{self.b:.3g} against {self.a:.3g}, {self.difference:+.3g}{how_sure}"


def compare(evaluations: Evaluations, a: Evaluation, b: Evaluation, *, reward: str | None = None) -> Comparison:
    """Compare two evaluations of the same tasks by a reward, and record the verdict.

    reward: what decides; None is `reward`, else the only one that both have

    Raises EvaluationInvalid when they share no task, or no reward.
    """
    ours, theirs = evaluations.rollouts(a.evaluation_id), evaluations.rollouts(b.evaluation_id)
    named = [one for one in measures.reward_names(ours) if one in measures.reward_names(theirs)]
    decides = _deciding(a, b, named, reward)

    def both(name: str, by_task: Callable[[Sequence[EvaluatedRollout], str], Mapping[str, float]]) -> list[Measure]:
        found = paired(name, by_task(ours, name), by_task(theirs, name))
        return [] if found is None else [found]

    reward_measures = both(decides, measures.rewards_by_task)
    rewarded = paired("rewarded", *(measures.rewarded_by_task(one, decides) for one in (ours, theirs)))
    if rewarded is None or not reward_measures:
        raise EvaluationInvalid(f"{_called(a)} and {_called(b)} share no task with the reward {decides!r}")
    told = [*reward_measures, rewarded]
    told += [one for name in named if name != decides for one in both(name, measures.rewards_by_task)]
    told += [one for name in measures.USED for one in both(name, measures.used_by_task)]
    winner, why = _verdict(a, b, reward_measures[0], rewarded)
    return evaluations.record(
        Comparison(new_id(), a.evaluation_id, b.evaluation_id, decides, winner, why, [asdict(one) for one in told])
    )


def paired(name: str, a: Mapping[str, float], b: Mapping[str, float]) -> Measure | None:
    """The differences by task; None where no task has the measure in both."""
    tasks = sorted(a.keys() & b.keys())
    if not tasks:
        return None
    differences = [b[task] - a[task] for task in tasks]
    mean = estimate(differences)
    wins, losses = sum(one > 0 for one in differences), sum(one < 0 for one in differences)
    return Measure(
        measure=name,
        a=sum(a[task] for task in tasks) / len(tasks),
        b=sum(b[task] for task in tasks) / len(tasks),
        difference=mean.mean,
        low=mean.low,
        high=mean.high,
        p=p_value(differences),
        tasks=len(tasks),
        wins=wins,
        losses=losses,
        ties=len(tasks) - wins - losses,
        unpaired=len(a.keys() | b.keys()) - len(tasks),
    )


def _deciding(a: Evaluation, b: Evaluation, named: Sequence[str], asked: str | None) -> str:
    if asked is not None and asked not in named:
        raise EvaluationInvalid(f"{asked!r} is no reward of both; they share {', '.join(named) or 'none'}")
    if asked is None and "reward" not in named and len(named) != 1:
        shared = f"share the rewards {', '.join(named)}: name one with --reward" if named else "share no reward"
        raise EvaluationInvalid(f"{_called(a)} and {_called(b)} {shared}")
    return asked or ("reward" if "reward" in named else named[0])


def _verdict(a: Evaluation, b: Evaluation, reward: Measure, rewarded: Measure) -> tuple[str, str]:
    """The winner and why. Who earns more but leaves more tasks unrewarded has not won: those may be the hard ones."""
    said = f"{_called(b)} has {reward.measure} {reward.text()}"
    if reward.sign == 0:
        differ = reward.wins + reward.losses
        few = f"; {differ} tasks differ, and fewer than {_FEW} decide nothing" if differ < _FEW else ""
        return "", f"undecided: {said}{few}"
    if rewarded.sign == -reward.sign:
        shares = f"{rewarded.b:.0%} of its rollouts have one, against {rewarded.a:.0%}"
        return "", f"undecided: {said}, but {shares}"
    return ("b", f"{_called(b)} won: {said}") if reward.sign > 0 else ("a", f"{_called(a)} won: {said}")


def _called(evaluation: Evaluation) -> str:
    return evaluation.name or evaluation.evaluation_id
