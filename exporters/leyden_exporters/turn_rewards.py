"""Rewards of single turns: which turn earned which, and what each turn is then worth.

A reward that names its turn (by span or reply) was placed there when the spans were read, and stays. One that stands on
the rollout is credited to a turn by a policy. A turn that earned nothing has None, and never 0 by accident.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from leyden_exporters.options import TIMED, Credit, Options, PerTurn
from leyden_exporters.report import SpanRow
from leyden_exporters.rewards import Source, own_reward, turn_reward_found
from leyden_store.turns import Reward, Rollout, Turn

Key = tuple[str, str]
"""Trace id and span id of a turn."""


@dataclass(frozen=True, slots=True)
class TurnValues:
    """What a rollout's turns are worth; a turn that failed has no part in it.

    values:     turn → its reward, return or advantage, as `options.per_turn` says; empty when the rollout has none
    how:        turn → its reward and where it came from, in words
    uncredited: rewards on the rollout that went to no turn
    lacking:    GAE was asked for, and a turn has no value estimate
    """

    values: Mapping[Key, float]
    how: Mapping[Key, str]
    uncredited: int = 0
    lacking: bool = False

    def tell(self, rows: Iterable[SpanRow]) -> list[SpanRow]:
        """The report's rows, each kept turn's with its reward and the reason for it."""
        return [replace(row, detail=self._said(row)) if row.reason is None else row for row in rows]

    def _said(self, row: SpanRow) -> str:
        return ", ".join(filter(None, [row.detail, self.how.get((row.trace_id, row.span_id), "")]))


def turn_values(rollout: Rollout, options: Options) -> TurnValues:
    """The rollout's turns valued under `options.per_turn`, `credit`, `gamma`, `gae_lambda` and `values`.

    Turns count in the order of their starts, whichever agent took them. A turn's reward that is unusable (not finite,
    ambiguous) leaves the whole rollout without values: discounted sums would be wrong everywhere.
    """
    unique = {_key(turn): turn for turn in rollout.turns if turn.status != "error" and not turn.error}
    turns = sorted(unique.values(), key=lambda turn: (turn.start_ns, turn.end_ns, turn.span_id, turn.trace_id))
    linked = [turn_reward_found(turn, options) for turn in turns]
    rewards = [value for value, _ in linked]
    how = [str(Credit.LINKED) if value is not None else "" for value in rewards]
    unusable = next((source for value, source in linked if value is None and source is not Source.NONE), None)
    if unusable is not None:
        return TurnValues({}, {_key(turn): f"no reward ({unusable})" for turn in turns})
    uncredited = _credit(rollout, turns, rewards, how, options)
    said = {
        _key(turn): "no reward of its own" if reward is None else f"reward {reward:g} ({source})"
        for turn, reward, source in zip(turns, rewards, how, strict=True)
    }
    if all(reward is None for reward in rewards):
        return TurnValues({}, said, uncredited)
    if options.per_turn is PerTurn.PROCESS:
        worth = {_key(turn): value for turn, value in zip(turns, rewards, strict=True) if value is not None}
        return TurnValues(worth, said, uncredited)
    earned = [0.0 if reward is None else reward for reward in rewards]
    if options.per_turn is PerTurn.GAE:
        given = [turn.rewards.get(options.values) for turn in turns]
        estimates = [value for value in given if value is not None and math.isfinite(value)]
        if len(estimates) < len(turns):
            return TurnValues({}, said, uncredited, lacking=True)
        after = turns[-1].rewards.get(f"{options.values}_after", 0.0)
        made = gae(earned, estimates, options.gamma, options.gae_lambda, after if math.isfinite(after) else 0.0)
    else:
        made = returns(earned, options.gamma)
    return TurnValues({_key(turn): value for turn, value in zip(turns, made, strict=True)}, said, uncredited)


def returns(rewards: Sequence[float], gamma: float) -> list[float]:
    """Discounted returns to go: the return of turn t is the sum of gamma^(k − t) · reward k over k ≥ t."""
    return gae(rewards, [0.0] * len(rewards), gamma, 1.0)


def gae(
    rewards: Sequence[float], values: Sequence[float], gamma: float, gae_lambda: float, after: float = 0.0
) -> list[float]:
    """Generalised advantage estimates over turns (https://arxiv.org/abs/1506.02438, equations 11 to 16).

    values: the estimate for the state each turn saw
    after:  the same for the state after the last turn; 0 where the rollout has ended
    """
    made = [0.0] * len(rewards)
    later = 0.0
    for turn in reversed(range(len(rewards))):
        later = rewards[turn] + gamma * after - values[turn] + gamma * gae_lambda * later
        after = values[turn]
        made[turn] = later
    return made


def _credit(
    rollout: Rollout, turns: Sequence[Turn], rewards: list[float | None], how: list[str], options: Options
) -> int:
    """Credit the rollout's own rewards to turns that have none; how many found no turn."""
    if options.credit in TIMED:
        timed = _timed(rollout, options)
        for reward in timed:
            places = [place for place, held in enumerate(rewards) if held is None]
            place = _CHOICES[options.credit](reward, turns, places)
            if place is not None:
                rewards[place], how[place] = reward.value, str(options.credit)
        return len(timed) - sum(source == options.credit for source in how)
    own, _ = own_reward(rollout, options)
    if own is None:
        return 0
    places = {
        Credit.LINKED: [],
        Credit.LAST_TURN: list(range(len(turns)))[-1:],
        Credit.ROLLOUT_WIDE: list(range(len(turns))),
    }[options.credit]
    free = [place for place in places if rewards[place] is None]
    for place in free:
        rewards[place], how[place] = own, str(options.credit)
    return int(not free)


def _timed(rollout: Rollout, options: Options) -> list[Reward]:
    """The rollout's rewards of the name asked for, oldest first; finite ones only."""
    names = {reward.name for reward in rollout.rewards}
    name = options.reward or ("reward" if "reward" in names or len(names) != 1 else next(iter(names)))
    found = [reward for reward in rollout.rewards if reward.name == name and math.isfinite(reward.value)]
    return sorted(found, key=lambda reward: reward.time_ns)


def _first_occurrence(reward: Reward, turns: Sequence[Turn], places: Sequence[int]) -> int | None:
    ended = [place for place in places if turns[place].end_ns <= reward.time_ns]
    return ended[-1] if ended else None


def _siblings(reward: Reward, turns: Sequence[Turn], places: Sequence[int]) -> int | None:
    under = reward.parent_span_id
    beside = [place for place in places if under and turns[place].parent_span_id == under]
    return _first_occurrence(reward, turns, beside)


def _time_nearest(reward: Reward, turns: Sequence[Turn], places: Sequence[int]) -> int | None:
    return min(places, key=lambda place: abs(turns[place].end_ns - reward.time_ns), default=None)


_CHOICES: Mapping[Credit, Callable[[Reward, Sequence[Turn], Sequence[int]], int | None]] = {
    Credit.FIRST_OCCURRENCE: _first_occurrence,
    Credit.SIBLINGS: _siblings,
    Credit.TIME_NEAREST: _time_nearest,
}


def _key(turn: Turn) -> Key:
    return turn.trace_id, turn.span_id
