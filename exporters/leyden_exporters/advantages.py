"""Advantages: one number per rollout, from its reward and its group's.

A rollout counts once in its group, however many turns or trajectories it has; one without a reward does not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from leyden_exporters.options import Advantage

Floats = npt.NDArray[np.float64]

_EPSILON = 1e-4
"""Added to the standard deviation, as in TRL's GRPOTrainer, so that equal settings give equal advantages."""


def advantages(
    rewards: Sequence[float | None], groups: Sequence[str], kind: Advantage
) -> tuple[list[float | None], Counter[str]]:
    """The advantage of each rollout, None where its reward is, and counts for the report.

    groups: each rollout's group; "" makes it a group of its own, since unlike tasks share no baseline

    Where the kind needs a group, equal rewards give exactly 0, and the counts say how many groups had `zero_variance`,
    how many had a `single_rollout`, and how many rollouts were `ungrouped`.
    """
    values = np.array([np.nan if reward is None else reward for reward in rewards], dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    result: list[float | None] = [None] * len(values)
    if not len(known):
        return result, Counter()
    if kind is Advantage.REWARD:
        made, notes = values[known], Counter[str]()
    elif kind is Advantage.REINFORCE:
        made, notes = values[known] - values[known].mean(), Counter[str]()
    else:
        made, notes = _grouped(values[known], [groups[i] for i in known.tolist()], kind)
    for place, value in zip(known.tolist(), made.tolist(), strict=True):
        result[place] = value
    return result, notes


def turn_baselines(
    values: Sequence[Floats | None], groups: Sequence[str], kind: Advantage
) -> tuple[list[tuple[float, float] | None], Counter[str]]:
    """Each rollout's (baseline, scale): a turn of value v has advantage (v − baseline) / scale. None where values are.

    values: each rollout's turns' values; groups as for `advantages`

    A rollout counts once, by the mean of its turns; GRPO's deviation is of turns, those of a rollout sharing one vote.
    With one turn a rollout these are the numbers of `advantages`, and the same is counted.
    """
    members: dict[str | int, list[int]] = {}
    known = [place for place, held in enumerate(values) if held is not None and len(held)]
    for place in known:
        members.setdefault("" if kind is Advantage.REINFORCE else groups[place] or place, []).append(place)
    result: list[tuple[float, float] | None] = [None] * len(values)
    notes: Counter[str] = Counter()
    for name, places in members.items():
        held = [np.asarray(values[place], np.float64) for place in places]
        means = np.array([one.mean() for one in held])
        mean, alone = float(means.mean()), len(places) == 1
        flat = min(one.min() for one in held) == max(one.max() for one in held)
        if kind not in (Advantage.REWARD, Advantage.REINFORCE):
            notes["zero_variance"] += flat and not alone
            notes["single_rollout"] += alone and isinstance(name, str)
            notes["ungrouped"] += not isinstance(name, str)
        for place, own in zip(places, means.tolist(), strict=True):
            match kind:
                case Advantage.REWARD:
                    result[place] = 0.0, 1.0
                case Advantage.REINFORCE:
                    result[place] = mean, 1.0
                case _ if flat or alone:
                    # Nothing to compare with: divided by infinity, every turn's advantage is 0.
                    result[place] = mean, np.inf
                case Advantage.DR_GRPO:
                    result[place] = mean, 1.0
                case Advantage.RLOO:
                    result[place] = (mean * len(places) - own) / (len(places) - 1), 1.0
                case Advantage.GRPO:
                    spread = sum(float(((one - mean) ** 2).mean()) for one in held)
                    result[place] = mean, float(np.sqrt(spread / (len(places) - 1))) + _EPSILON
    return result, +notes


def _grouped(rewards: Floats, names: Sequence[str], kind: Advantage) -> tuple[Floats, Counter[str]]:
    numbers: dict[str | int, int] = {}
    group = np.array([numbers.setdefault(name or i, len(numbers)) for i, name in enumerate(names)])
    size = np.bincount(group).astype(np.float64)
    # Rewards are centred twice: the second pass removes the rounding of the first mean.
    centred = rewards - (np.bincount(group, rewards) / size)[group]
    centred -= (np.bincount(group, centred) / size)[group]
    lowest, highest = np.full(len(size), np.inf), np.full(len(size), -np.inf)
    np.minimum.at(lowest, group, rewards)
    np.maximum.at(highest, group, rewards)
    flat = lowest == highest
    others = np.maximum(size - 1, 1)
    if kind is Advantage.GRPO:
        deviation = np.sqrt(np.bincount(group, centred**2) / others)
        centred = centred / (deviation + _EPSILON)[group]
    elif kind is Advantage.RLOO:
        centred = centred * (size / others)[group]
    ungrouped = sum(not name for name in names)
    notes = Counter(
        zero_variance=int((flat & (size > 1)).sum()),
        single_rollout=int((size == 1).sum()) - ungrouped,
        ungrouped=ungrouped,
    )
    return np.where(flat[group], 0.0, centred), +notes
