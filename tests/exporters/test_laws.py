"""Laws of merging, on random forests: conversations that go on, fork, break, interleave, tie and repeat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from leyden_exporters.build import token_weights, trajectory_table
from leyden_exporters.options import Credit, Options, Overlong, PerTurn
from leyden_exporters.report import Reason
from leyden_exporters.trajectories import Trajectory, merge
from leyden_exporters.transitions import Transition, from_rollout
from leyden_store.turns import Dropped, DropReason, Rollout, Turn
from tests.exporters.making import called, rollout, turn

# Few different tokens, so that prefixes coincide by chance as well as by design.
TOKENS = st.integers(0, 2)
LAW = settings(deadline=None, max_examples=200)
SOME = st.lists(TOKENS, min_size=1, max_size=3)


@st.composite
def forests(draw: st.DrawFn) -> list[Turn]:
    """Turns whose prompts begin anew, continue an earlier state, repeat a prompt, or cut or change a token of one."""
    turns: list[Turn] = []
    states: list[list[int]] = []
    for number in range(draw(st.integers(1, 9))):
        how = draw(st.sampled_from(["new", "continue", "continue", "continue", "equal", "again", "cut", "changed"]))
        if not states or how == "new":
            prompt = draw(SOME)
        elif how == "again":
            prompt = list(turns[draw(st.integers(0, number - 1))].prompt_token_ids or ())
        else:
            prompt = list(draw(st.sampled_from(states)))
            if how == "continue":
                prompt += draw(SOME)
            elif how == "cut":
                prompt = prompt[:-1]
            elif how == "changed":
                prompt[draw(st.integers(0, len(prompt) - 1))] += 3
        response = draw(SOME)
        states.append(prompt + response)
        start = draw(st.sampled_from([number, 0]))
        turns.append(turn(number, prompt, response, draw(st.sampled_from(["made up", None])), start_ns=start))
    return turns


@st.composite
def messy_rollouts(draw: st.DrawFn) -> Rollout:
    """A forest with failed, empty, incomplete, foreign, doubled and unreadable spans among its turns."""
    turns = draw(forests())
    flaws = [
        {},
        {"status": "error"},
        {"prompt_token_ids": None},
        {"response_token_ids": []},
        {"response_logprobs": [-1.0] * 9},
        {"finish_reason": "length"},
        {"dropped_attributes": 1},
        {"agent": "other"},
        {"attempt": 1},
        {"policy_version": "7"},
        {"rewards": {"reward": 2.0}},
        {"rewards": {"reward": float("nan")}},
        {"response": called("search", "{}")},
    ]
    flawed = [_with(one, **draw(st.sampled_from(flaws))) for one in turns]
    flawed += draw(st.lists(st.sampled_from(flawed), max_size=2))
    dropped = [
        Dropped("t", f"d{i}", "r", reason) for i, reason in enumerate(draw(st.lists(st.sampled_from(DropReason))))
    ]
    return rollout(flawed, dropped=dropped, rewards=draw(st.sampled_from([None, 1.0])))


@st.composite
def demanding(draw: st.DrawFn) -> Options:
    """Options that leave things out."""
    return Options(
        require_logprobs=draw(st.booleans()),
        require_reward=draw(st.booleans()),
        drop_truncated=draw(st.booleans()),
        keep_dropped_attributes=draw(st.booleans()),
        agents=draw(st.sampled_from([None, frozenset({"other"})])),
        agent_pattern=draw(st.sampled_from([None, None, "^$"])),
        tools=draw(st.sampled_from([None, None, frozenset({"search"})])),
        last_attempt=draw(st.booleans()),
        per_agent=draw(st.booleans()),
        max_staleness=draw(st.sampled_from([None, None, 1])),
        newest_version=8,
        per_turn=draw(st.sampled_from([None, *PerTurn])),
        credit=draw(st.sampled_from(Credit)),
        max_tokens=draw(st.sampled_from([None, 1, 4, 9])),
        overlong=draw(st.sampled_from(Overlong)),
    )


@LAW
@given(forests())
def test_every_sampled_token_is_trained_exactly_once(turns: list[Turn]) -> None:
    trajectories = _merged(turns)
    spans = [span for trajectory in trajectories for span in trajectory.span_ids]
    assert sorted(spans) == sorted(one.span_id for one in turns)
    assert sum(int(one.loss_mask.sum()) for one in trajectories) == sum(
        len(one.response_token_ids or ()) for one in turns
    )


@LAW
@given(forests())
def test_splitting_a_trajectory_gives_its_turns_back(turns: list[Turn]) -> None:
    by_span = {one.span_id: one for one in turns}
    for trajectory in _merged(turns):
        for place, span in enumerate(trajectory.span_ids):
            at = np.flatnonzero(trajectory.turn_ids == place)
            assert at.tolist() == list(range(at[0], at[-1] + 1))
            assert (trajectory.loss_mask[at] == 1).all()
            assert trajectory.input_ids[: at[0]].tolist() == by_span[span].prompt_token_ids
            assert trajectory.input_ids[at].tolist() == by_span[span].response_token_ids
            if trajectory.old_logps is not None:
                assert trajectory.old_logps[at].tolist() == by_span[span].response_logprobs


@LAW
@given(forests())
def test_columns_agree_with_each_other(turns: list[Turn]) -> None:
    for trajectory in _merged(turns):
        assert len(trajectory.input_ids) == len(trajectory.loss_mask) == len(trajectory.turn_ids)
        assert ((trajectory.turn_ids >= 0) == (trajectory.loss_mask == 1)).all()
        assert trajectory.loss_mask[0] == 0
        assert trajectory.loss_mask[-1] == 1
        known = [one.logprobs is not None for one in trajectory.transitions]
        assert (trajectory.old_logps is not None) == all(known)
        if trajectory.old_logps is not None:
            assert (trajectory.old_logps[trajectory.loss_mask == 0] == 0).all()


@LAW
@given(forests(), st.randoms(use_true_random=False))
def test_capture_order_does_not_matter(turns: list[Turn], random: object) -> None:
    shuffled = list(turns)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert trajectory_table([rollout(turns)])[0] == trajectory_table([rollout(shuffled)])[0]


@LAW
@given(forests())
def test_the_longest_open_chain_is_continued(turns: list[Turn]) -> None:
    # The rule, told the slow way: every chain is looked at, none is indexed.
    chains: list[tuple[list[int], list[str]]] = []
    for one in sorted(turns, key=lambda one: (one.start_ns, len(one.prompt_token_ids or ()), one.span_id)):
        prompt, response = list(one.prompt_token_ids or ()), list(one.response_token_ids or ())
        fitting = [chain for chain in chains if prompt[: len(chain[0])] == chain[0]]
        if fitting:
            longest = max(fitting, key=lambda chain: len(chain[0]))
        else:
            longest = ([], [])
            chains.append(longest)
        longest[0][:] = prompt + response
        longest[1].append(one.span_id)
    assert [(one.input_ids.tolist(), one.span_ids) for one in _merged(turns)] == chains


@LAW
@given(forests())
def test_a_break_is_where_the_tokens_first_differ_from_the_chain_they_share_most_with(turns: list[Turn]) -> None:
    order = sorted(turns, key=lambda one: (one.start_ns, len(one.prompt_token_ids or ()), one.span_id))
    trajectories = _merged(turns)
    for number, trajectory in enumerate(trajectories[1:], start=1):
        first = next(one for one in order if one.span_id == trajectory.span_ids[0])
        prompt, origin = list(first.prompt_token_ids or ()), trajectory.origin
        assert origin.chain is not None
        assert origin.chain < number
        other = trajectories[origin.chain].input_ids.tolist()
        assert prompt[: origin.at] == other[: origin.at]
        assert origin.at == len(prompt) or prompt[origin.at] != other[origin.at]


@LAW
@given(forests(), st.integers(1, 12))
def test_no_cut_row_is_longer_than_asked_and_each_is_a_head_of_the_whole(turns: list[Turn], limit: int) -> None:
    whole = {one.span_ids[0]: one for one in _merged(turns)}
    for cut in _merged(turns, Options(max_tokens=limit)):
        length = len(cut.input_ids)
        full = whole[cut.span_ids[0]]
        assert length == min(limit, len(full.input_ids))
        assert (cut.input_ids == full.input_ids[:length]).all()
        assert (cut.loss_mask == full.loss_mask[:length]).all()
        assert (cut.turn_ids == full.turn_ids[:length]).all()
        if cut.old_logps is not None and full.old_logps is not None:
            assert (cut.old_logps == full.old_logps[:length]).all()


@LAW
@given(messy_rollouts(), demanding())
def test_every_llm_span_is_kept_or_dropped_with_one_reason(messy: Rollout, options: Options) -> None:
    table, report = trajectory_table([messy], options)
    assert report.llm_spans == messy.llm_spans
    assert report.kept + sum(report.dropped.values()) == messy.llm_spans
    assert set(report.dropped) <= set(Reason)
    trained = [span for row in table.to_pylist() for span in row["span_ids"]]
    assert sorted(trained) == sorted(row.span_id for row in report.spans if row.reason is None)
    assert report.trained_tokens == sum(sum(row["loss_mask"]) for row in table.to_pylist())
    assert options.max_tokens is None or all(len(row["input_ids"]) <= options.max_tokens for row in table.to_pylist())


@LAW
@given(st.lists(messy_rollouts(), max_size=4))
def test_each_rollout_has_one_vote_in_token_weights(messy: list[Rollout]) -> None:
    named = [_renamed(one, f"r{number}") for number, one in enumerate(messy)]
    table, _ = trajectory_table(named)
    votes: dict[str, float] = {}
    for row, weights in zip(table.to_pylist(), token_weights(table), strict=True):
        assert ((weights > 0) == np.array(row["loss_mask"], bool)).all()
        votes[row["rollout_id"]] = votes.get(row["rollout_id"], 0.0) + float(weights.sum())
    assert all(abs(vote - 1) < 1e-5 for vote in votes.values())


def _transitions(turns: Sequence[Turn]) -> list[Transition]:
    transitions, rows = from_rollout(rollout(turns), Options())
    assert not rows
    return transitions


def _merged(turns: Sequence[Turn], options: Options | None = None) -> list[Trajectory]:
    return merge(_transitions(turns), options).trajectories


def _with(one: Turn, **changes: object) -> Turn:
    return Turn(**{**{name: getattr(one, name) for name in Turn.__slots__}, **changes})


def _renamed(one: Rollout, rollout_id: str) -> Rollout:
    return rollout([_with(turn, rollout_id=rollout_id) for turn in one.turns], rollout_id=rollout_id, rewards=1.0)
