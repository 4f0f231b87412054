"""Laws of turn rewards and of rows per agent, on random numbers and random rollouts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leyden_exporters.advantages import advantages, turn_baselines
from leyden_exporters.build import trajectory_table
from leyden_exporters.errors import OptionsInvalid
from leyden_exporters.options import Advantage, Credit, Options, PerTurn
from leyden_exporters.trajectories import merge
from leyden_exporters.transitions import from_rollout
from leyden_exporters.turn_rewards import gae, returns, turn_values
from leyden_store.turns import Reward, Rollout
from tests.exporters.making import rollout, single, turn

LAW = settings(deadline=None, max_examples=100)
NUMBERS = st.floats(-10, 10)
SHARES = st.floats(0, 1)
SCORED = st.lists(st.tuples(st.sampled_from(["a", "b", ""]), st.lists(NUMBERS, min_size=1, max_size=4)), max_size=8)


@st.composite
def rewarded(draw: st.DrawFn) -> Rollout:
    """A conversation of two agents; some of its turns have rewards, some failed; some rewards stand on the rollout."""
    turns, prompt = [], [1]
    for number in range(draw(st.integers(1, 6))):
        prompt = draw(st.sampled_from([prompt, [1, 9]]))
        flaw = draw(st.sampled_from([{}, {}, {"status": "error"}]))
        rewards = draw(st.sampled_from([{}, {"reward": float(number) + 1}]))
        turns.append(turn(number, prompt, [2, number], agent=draw(st.sampled_from("AB")), rewards=rewards, **flaw))
        prompt = [*prompt, 2, number, 3]
    own = tuple(
        Reward("reward", value, time_ns=draw(st.integers(0, 8))) for value in draw(st.lists(NUMBERS, max_size=3))
    )
    return replace(rollout(turns), rewards=own)


@LAW
@given(st.lists(NUMBERS, max_size=8), SHARES)
def test_a_return_is_the_discounted_sum_of_what_follows(rewards: list[float], gamma: float) -> None:
    made = returns(rewards, gamma)
    for place, value in enumerate(made):
        later = rewards[place:]
        assert value == pytest.approx(sum(gamma**away * reward for away, reward in enumerate(later)), abs=1e-9)


@LAW
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8), SHARES, SHARES)
def test_gae_is_the_discounted_sum_of_td_errors(steps: list[tuple[float, float]], gamma: float, share: float) -> None:
    rewards, values = [reward for reward, _ in steps], [value for _, value in steps]
    errors = [r + gamma * after - v for r, v, after in zip(rewards, values, [*values[1:], 0.0], strict=True)]
    made = gae(rewards, values, gamma, share)
    for place, value in enumerate(made):
        expected = sum((gamma * share) ** away * error for away, error in enumerate(errors[place:]))
        assert value == pytest.approx(expected, abs=1e-9)


@LAW
@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8), SHARES)
def test_gae_with_lambda_one_is_return_less_value(steps: list[tuple[float, float]], gamma: float) -> None:
    rewards, values = [reward for reward, _ in steps], [value for _, value in steps]
    for made, value, whole in zip(gae(rewards, values, gamma, 1.0), values, returns(rewards, gamma), strict=True):
        assert made == pytest.approx(whole - value, abs=1e-9)


@LAW
@given(st.lists(st.tuples(st.sampled_from(["a", "b", ""]), NUMBERS), max_size=8), st.sampled_from(Advantage))
def test_with_one_turn_a_rollout_turns_and_rollouts_have_the_same_advantage(
    scored: list[tuple[str, float]], kind: Advantage
) -> None:
    groups, rewards = [group for group, _ in scored], [reward for _, reward in scored]
    expected, notes = advantages(rewards, groups, kind)
    made, same_notes = turn_baselines([np.array([reward]) for reward in rewards], groups, kind)
    for reward, one, wanted in zip(rewards, made, expected, strict=True):
        assert one is not None
        assert (reward - one[0]) / one[1] == pytest.approx(wanted, rel=1e-6, abs=1e-6)
    assert notes == same_notes


@LAW
@given(SCORED, st.sampled_from([Advantage.GRPO, Advantage.DR_GRPO, Advantage.RLOO]))
def test_each_rollout_has_one_vote_in_its_turns_baseline(
    scored: list[tuple[str, list[float]]], kind: Advantage
) -> None:
    values = [np.array(turns) for _, turns in scored]
    made, _ = turn_baselines(values, [group for group, _ in scored], kind)
    for group in ("a", "b"):
        held = [
            float(((turns - one[0]) / one[1]).mean())
            for (name, _), turns, one in zip(scored, values, made, strict=True)
            if name == group and one is not None
        ]
        assert sum(held) == pytest.approx(0.0, abs=1e-6)


@LAW
@given(rewarded(), st.sampled_from(Credit), st.randoms(use_true_random=False))
def test_capture_order_does_not_matter_to_credit(whole: Rollout, credit: Credit, random: object) -> None:
    turns = list(whole.turns)
    random.shuffle(turns)  # type: ignore[attr-defined]
    options = Options(per_turn=PerTurn.RETURNS, credit=credit, gamma=0.5)
    assert turn_values(whole, options) == turn_values(replace(whole, turns=tuple(turns)), options)


@LAW
@given(rewarded(), st.sampled_from(Credit))
def test_every_reward_is_credited_or_counted_and_linked_ones_stay(whole: Rollout, credit: Credit) -> None:
    found = turn_values(whole, Options(per_turn=PerTurn.PROCESS, credit=credit))
    sound = [one for one in whole.turns if one.status == "ok"]
    for one in sound:
        if "reward" in one.rewards:
            assert found.values[one.trace_id, one.span_id] == one.rewards["reward"]
    credited = len(found.values) - sum("reward" in one.rewards for one in sound)
    if credit in (Credit.FIRST_OCCURRENCE, Credit.TIME_NEAREST):
        assert credited + found.uncredited == len(whole.rewards)
    elif whole.rewards:
        assert (credited > 0) != (found.uncredited > 0)


@LAW
@given(rewarded(), st.sampled_from(Credit))
def test_tokens_have_the_advantage_of_their_turn(whole: Rollout, credit: Credit) -> None:
    options = Options(per_turn=PerTurn.PROCESS, credit=credit, advantage=Advantage.REWARD)
    values = turn_values(whole, options).values
    for row in trajectory_table([whole], options)[0].to_pylist():
        if not values:
            assert row["advantages"] is None
            continue
        for place, value in zip(row["turn_ids"], row["advantages"], strict=True):
            wanted = 0.0 if place < 0 else values["t", row["span_ids"][place]]
            assert value == pytest.approx(wanted, rel=1e-6)


@LAW
@given(rewarded())
def test_rows_per_agent_are_those_of_each_agent_alone(whole: Rollout) -> None:
    transitions, _ = from_rollout(whole, Options())
    together = merge(transitions, Options(per_agent=True)).trajectories
    agents = dict.fromkeys(one.agent for one in sorted(transitions, key=lambda one: one.start_ns))
    alone = [row for agent in agents for row in merge([one for one in transitions if one.agent == agent]).trajectories]
    assert [(row.input_ids.tolist(), row.span_ids) for row in together] == [
        (row.input_ids.tolist(), row.span_ids) for row in alone
    ]
    assert all(len({one.agent for one in row.transitions}) == 1 for row in together)


def test_turns_are_judged_against_their_group() -> None:
    two = rollout(
        [turn(0, [1], [2], rewards={"reward": 1.0}), turn(1, [1, 2], [3], rewards={"reward": 3.0})],
        rollout_id="two",
        group_id="g",
    )
    one = single("one", "g", None, rewards={"reward": 0.0})
    options = Options(per_turn=PerTurn.PROCESS, advantage=Advantage.DR_GRPO)
    # The means are 2 and 0, so the baseline is 1, however many turns each has.
    assert trajectory_table([two, one], options)[0]["advantages"].to_pylist() == [[0.0, 0.0, 2.0], [0.0, -1.0]]


def test_the_report_keeps_the_reason_for_each_turns_reward() -> None:
    whole = rollout([turn(0, [1], [2], rewards={"reward": 0.5}), turn(1, [1, 2], [3])], rewards=1.0)
    _, report = trajectory_table([whole], Options(per_turn=PerTurn.RETURNS))
    assert [row.detail for row in report.spans] == ["reward 0.5 (linked)", "reward 1 (last_turn)"]


def test_required_rewards_are_those_of_turns_when_these_are_valued() -> None:
    options = Options(per_turn=PerTurn.RETURNS, credit=Credit.LINKED, require_reward=True)
    table, report = trajectory_table([single("a", "g", 1.0)], options)
    assert table.num_rows == 0
    assert report.dropped == {"no_reward": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"gamma": 1.5},
        {"gae_lambda": -0.1},
        {"max_staleness": 1},
        {"max_staleness": -1, "newest_version": 3},
        {"agent_pattern": "("},
        {"reward_weights": {"a": 1.0}, "per_turn": PerTurn.RETURNS, "credit": Credit.TIME_NEAREST},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionsInvalid):
        Options(**wrong)  # type: ignore[arg-type]
