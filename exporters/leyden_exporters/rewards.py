"""Rewards: which number a rollout is judged by, and where it was found. Without one it is None, never 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum

from leyden_exporters.options import Options, PerTurn, RewardFrom
from leyden_store.turns import Rollout, Turn

Lookup = Callable[[str | None], float | None]
"""name → value, None asking for the one called `reward` or else the only one."""


class Source(StrEnum):
    """Where a rollout's reward was found, or why it has none."""

    ROLLOUT = "rollout"
    LAST_TURN = "last_turn"
    TURNS = "turns"
    NONE = "none"
    AMBIGUOUS = "ambiguous"
    """Several names, none of them `reward`, and none asked for: name one with `reward`."""
    INCOMPLETE = "incomplete"
    """One of the names in `reward_weights` is missing."""
    NOT_FINITE = "not_finite"
    """The reward is NaN or infinite: it would poison its whole group."""


def rollout_reward(rollout: Rollout, options: Options) -> tuple[float | None, Source]:
    """The rollout's reward under `options.reward_from`, and where it was found."""
    where = options.reward_from
    if where in (RewardFrom.AUTO, RewardFrom.ROLLOUT):
        value, source = own_reward(rollout, options)
        if where is RewardFrom.ROLLOUT or source is not Source.NONE:
            return value, source
    if not any(turn.rewards for turn in rollout.turns):
        return None, Source.NONE
    turns = sorted(rollout.turns, key=lambda turn: (turn.start_ns, turn.end_ns, turn.span_id, turn.trace_id))
    rewards = [turn_reward_found(turn, options) for turn in turns]
    if where in (RewardFrom.AUTO, RewardFrom.LAST_TURN):
        return next((found for found in reversed(rewards) if found[1] is not Source.NONE), (None, Source.NONE))
    return _combined(rewards, mean=where is RewardFrom.TURNS_MEAN)


def own_reward(rollout: Rollout, options: Options) -> tuple[float | None, Source]:
    """The reward reported on the rollout itself, and where it was found."""
    return _found(rollout.reward, {reward.name for reward in rollout.rewards}, Source.ROLLOUT, options)


def turn_reward(turn: Turn, options: Options) -> float | None:
    """The reward given to this turn alone, or None."""
    return turn_reward_found(turn, options)[0]


def turn_reward_found(turn: Turn, options: Options) -> tuple[float | None, Source]:
    """The reward given to this turn alone, and why there is none where there is none."""
    if not turn.rewards:
        return None, Source.NONE
    estimates = (options.values, f"{options.values}_after") if options.per_turn is PerTurn.GAE else ()
    given = {name: value for name, value in turn.rewards.items() if name not in estimates}

    def lookup(name: str | None) -> float | None:
        if name is not None:
            return given.get(name)
        if "reward" in given:
            return given["reward"]
        return next(iter(given.values())) if len(given) == 1 else None

    return _found(lookup, given.keys(), Source.LAST_TURN, options)


def _combined(rewards: Sequence[tuple[float | None, Source]], *, mean: bool) -> tuple[float | None, Source]:
    values = [value for value, _ in rewards if value is not None]
    unusable = next((source for value, source in rewards if value is None and source is not Source.NONE), None)
    if unusable is not None:
        return None, unusable
    if not values:
        return None, Source.NONE
    total = math.fsum(values)
    return (total / len(values) if mean else total), Source.TURNS


def _found(lookup: Lookup, names: Collection[str], source: Source, options: Options) -> tuple[float | None, Source]:
    if options.reward_weights:
        looked_up = ((weight, lookup(name)) for name, weight in options.reward_weights.items())
        parts = [weight * part for weight, part in looked_up if part is not None]
        if len(parts) < len(options.reward_weights):
            return None, Source.INCOMPLETE if parts else Source.NONE
        value: float | None = math.fsum(parts)
    else:
        value = lookup(options.reward)
    if value is None:
        return None, Source.AMBIGUOUS if names and options.reward is None else Source.NONE
    return (value, source) if math.isfinite(value) else (None, Source.NOT_FINITE)
