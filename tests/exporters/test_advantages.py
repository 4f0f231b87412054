"""Advantages: what each kind computes, and what is never mixed or made up."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leyden_exporters.advantages import advantages
from leyden_exporters.build import trajectory_table
from leyden_exporters.options import Advantage, Options
from tests.exporters.making import rollout, single, turn

GROUPED = [Advantage.GRPO, Advantage.DR_GRPO, Advantage.RLOO]
REWARDS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(-100, 100)), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            Advantage.GRPO,
            [-1.5 / (3**0.5 + 1e-4), -0.5 / (3**0.5 + 1e-4), -0.5 / (3**0.5 + 1e-4), 2.5 / (3**0.5 + 1e-4)],
        ),
        (Advantage.DR_GRPO, [-1.5, -0.5, -0.5, 2.5]),
        (Advantage.RLOO, [-2.0, -2 / 3, -2 / 3, 10 / 3]),
        (Advantage.REINFORCE, [-1.5, -0.5, -0.5, 2.5]),
        (Advantage.REWARD, [0.0, 1.0, 1.0, 4.0]),
    ],
)
def test_one_group_by_hand(kind: Advantage, expected: list[float]) -> None:
    assert advantages([0.0, 1.0, 1.0, 4.0], ["g"] * 4, kind)[0] == pytest.approx(expected)


@settings(deadline=None)
@given(REWARDS)
def test_rloo_subtracts_the_mean_of_the_others(scored: list[tuple[str, float]]) -> None:
    groups, rewards = zip(*scored, strict=True)
    made, _ = advantages(rewards, groups, Advantage.RLOO)
    for place, (group, reward) in enumerate(scored):
        others = [value for other, (name, value) in enumerate(scored) if name == group and other != place]
        assert made[place] == pytest.approx(reward - statistics.fmean(others) if others else 0.0, abs=1e-9)


@settings(deadline=None)
@given(REWARDS, st.sampled_from(GROUPED))
def test_a_groups_advantages_sum_to_zero(scored: list[tuple[str, float]], kind: Advantage) -> None:
    groups, rewards = zip(*scored, strict=True)
    made, _ = advantages(rewards, groups, kind)
    for group in set(groups):
        total = sum(value for value, name in zip(made, groups, strict=True) if name == group and value is not None)
        assert total == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("kind", GROUPED)
@pytest.mark.parametrize("reward", [0.1, -7.3, 1e9])
def test_equal_rewards_give_exactly_zero_and_are_counted(kind: Advantage, reward: float) -> None:
    made, notes = advantages([reward] * 3 + [0.0, 1.0], ["same"] * 3 + ["mixed"] * 2, kind)
    assert made[:3] == [0.0, 0.0, 0.0]
    assert made[3] != 0
    assert notes == {"zero_variance": 1}


def test_a_rollout_without_a_reward_has_no_advantage_and_no_say_in_the_baseline() -> None:
    made, _ = advantages([1.0, None, 3.0], ["g"] * 3, Advantage.DR_GRPO)
    assert made == [-1.0, None, 1.0]


def test_no_rewards_at_all() -> None:
    assert advantages([None, None], ["g", "g"], Advantage.GRPO) == ([None, None], {})
    assert advantages([], [], Advantage.GRPO) == ([], {})


def test_rollouts_without_a_group_share_no_baseline() -> None:
    made, notes = advantages([0.0, 1.0, 5.0], ["", "", "g"], Advantage.GRPO)
    assert made == [0.0, 0.0, 0.0]
    assert notes == {"ungrouped": 2, "single_rollout": 1}


def test_a_rollout_counts_once_however_many_turns_and_trajectories_it_has() -> None:
    many = rollout([turn(n, [1, n], [2]) for n in range(5)], rollout_id="many", group_id="g", rewards=1.0)
    table, _ = trajectory_table([many, single("one", "g", 0.0)], Options(advantage=Advantage.DR_GRPO))
    rows = table.to_pylist()
    assert [row["rollout_id"] for row in rows] == ["many"] * 5 + ["one"]
    assert [row["advantages"][-1] for row in rows] == [0.5] * 5 + [-0.5]


def test_advantages_stand_on_trained_tokens_only_and_are_null_without_a_reward() -> None:
    table, _ = trajectory_table([single("a", "g", 1.0), single("b", "g", 0.0), single("c", "g", None)])
    a, b, c = table["advantages"].to_pylist()
    assert a[0] == b[0] == 0.0
    assert a[1] == -b[1] > 0
    assert c is None


def test_a_rollout_whose_turns_were_all_dropped_still_counts_in_its_group() -> None:
    lost = rollout([turn(0, None, None, status="error")], rollout_id="lost", group_id="g", rewards=0.0)
    table, _ = trajectory_table([single("a", "g", 1.0), lost], Options(advantage=Advantage.DR_GRPO))
    assert table["advantages"].to_pylist() == [[0.0, 0.5]]
