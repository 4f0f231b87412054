"""Rewards: which one counts, and that none is never 0."""

from __future__ import annotations

import pytest

from leyden_exporters.build import trajectory_table
from leyden_exporters.errors import OptionsInvalid
from leyden_exporters.options import Options, RewardFrom
from leyden_exporters.rewards import Source, rollout_reward
from leyden_store.turns import Reward, Rollout
from tests.exporters.making import rollout, turn


def judged(*turn_rewards: dict[str, float], own: dict[str, float] | None = None) -> Rollout:
    return rollout([turn(n, [1], [2], rewards=rewards) for n, rewards in enumerate(turn_rewards)], rewards=own)


@pytest.mark.parametrize(
    ("given", "options", "expected"),
    [
        (judged({}, own={"reward": 0.5, "style": 1.0}), Options(), (0.5, Source.ROLLOUT)),
        (judged({}, own={"style": 1.0}), Options(), (1.0, Source.ROLLOUT)),
        (judged({}, own={"style": 1.0, "cost": 2.0}), Options(), (None, Source.AMBIGUOUS)),
        (judged({}, own={"style": 1.0, "cost": 2.0}), Options(reward="cost"), (2.0, Source.ROLLOUT)),
        (judged({}, own={"style": 1.0}), Options(reward="cost"), (None, Source.NONE)),
        (judged({}, own={}), Options(), (None, Source.NONE)),
        (judged({}, own={"reward": 0.0}), Options(), (0.0, Source.ROLLOUT)),
        (judged({}, own={"reward": float("nan")}), Options(), (None, Source.NOT_FINITE)),
        (judged({"reward": 1.0}, {"reward": 2.0}, {}), Options(), (2.0, Source.LAST_TURN)),
        (judged({"reward": 1.0}, own={"reward": 3.0}), Options(), (3.0, Source.ROLLOUT)),
        (judged({"reward": 1.0}), Options(reward_from=RewardFrom.ROLLOUT), (None, Source.NONE)),
        (
            judged({"reward": 1.0}, own={"reward": 3.0}),
            Options(reward_from=RewardFrom.LAST_TURN),
            (1.0, Source.LAST_TURN),
        ),
        (judged({"reward": 1.0}, {}, {"reward": 4.0}), Options(reward_from=RewardFrom.TURNS_SUM), (5.0, Source.TURNS)),
        (judged({"reward": 1.0}, {}, {"reward": 4.0}), Options(reward_from=RewardFrom.TURNS_MEAN), (2.5, Source.TURNS)),
        (judged({}, {}), Options(reward_from=RewardFrom.TURNS_SUM), (None, Source.NONE)),
        (
            judged({}, own={"right": 1.0, "short": 0.5}),
            Options(reward_weights={"right": 1.0, "short": 0.2}),
            (1.1, Source.ROLLOUT),
        ),
        (
            judged({}, own={"right": 1.0}),
            Options(reward_weights={"right": 1.0, "short": 0.2}),
            (None, Source.INCOMPLETE),
        ),
    ],
)
def test_rollout_reward(given: Rollout, options: Options, expected: tuple[float | None, Source]) -> None:
    assert rollout_reward(given, options) == expected


def test_the_newest_reward_of_a_name_wins() -> None:
    given = Rollout("r", "", None, (), (), (), (Reward("reward", 1.0, time_ns=2), Reward("reward", 0.0, time_ns=1)))
    assert rollout_reward(given, Options()) == (1.0, Source.ROLLOUT)


def test_the_report_says_where_rewards_were_found() -> None:
    _, report = trajectory_table([judged({"reward": 1.0}), judged({}, own={"reward": 1.0}), judged({})])
    assert report.rewards == {"last_turn": 1, "rollout": 1, "none": 1}


def test_rollouts_without_a_reward_are_dropped_by_reason_when_one_is_required() -> None:
    table, report = trajectory_table([judged({}), judged({}, own={"reward": 0.0})], Options(require_reward=True))
    assert table["reward"].to_pylist() == [0.0]
    assert report.dropped == {"no_reward": 1}


def test_a_missing_reward_is_null_in_the_table() -> None:
    assert trajectory_table([judged({})])[0]["reward"].to_pylist() == [None]


def test_a_name_and_weights_contradict_each_other() -> None:
    with pytest.raises(OptionsInvalid, match="not both"):
        Options(reward="a", reward_weights={"a": 1.0})
