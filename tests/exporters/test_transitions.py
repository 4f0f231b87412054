"""Transitions: what a turn brings to training, and that no capture, however odd, stops an export."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from leyden_exporters.options import Options
from leyden_exporters.report import Reason
from leyden_exporters.transitions import from_rollout
from leyden_store.turns import Dropped, DropReason
from tests.exporters.making import rollout, said, turn


def test_a_transition_is_the_turn_in_numbers() -> None:
    given = turn(
        3,
        [1, 2],
        [3, 4],
        [-0.1, -0.2],
        agent="A",
        policy_version="7",
        params={"temperature": 1},
        rewards={"style": 0.5},
        finish_reason="length",
    )
    (made,), rows = from_rollout(rollout([given], group_id="g"), Options())
    assert not rows
    assert made.prompt_ids.dtype == made.response_ids.dtype == np.int32
    assert made.prompt_ids.tolist() == [1, 2]
    assert made.response_ids.tolist() == [3, 4]
    assert made.logprobs is not None
    assert made.logprobs.tolist() == [-0.1, -0.2]
    assert (made.rollout_id, made.group_id, made.span_id, made.turn_index) == ("r", "g", "s3", 3)
    assert (made.agent, made.policy_version, made.temperature, made.rewards) == ("A", "7", 1.0, {"style": 0.5})
    assert (made.truncated, made.ids_source) == (True, "server")


@pytest.mark.parametrize(
    ("prompt", "sampled", "logprobs", "reason"),
    [
        (["a"], [1], None, Reason.BAD_IDS),
        ([[1], [2]], [1], None, Reason.BAD_IDS),
        ([[1], [2, 3]], [1], None, Reason.BAD_IDS),
        ([1.5], [1], None, Reason.BAD_IDS),
        ([True], [1], None, Reason.BAD_IDS),
        ([1], [2**70], None, Reason.BAD_IDS),
        ([1], [None], None, Reason.BAD_IDS),
        ([1], [2], [None], Reason.BAD_LOGPROBS),
        ([1], [2], [float("-inf")], Reason.BAD_LOGPROBS),
        ([1], [2], [{}], Reason.BAD_LOGPROBS),
        ([1], [2], [[-1.0]], Reason.BAD_LENGTHS),
    ],
)
def test_odd_captures_are_dropped_with_a_reason(prompt: Any, sampled: Any, logprobs: Any, reason: Reason) -> None:
    transitions, rows = from_rollout(rollout([turn(0, prompt, sampled, logprobs)]), Options())
    assert not transitions
    assert [row.reason for row in rows] == [reason]


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint32, np.uint8])
def test_arrays_of_any_integer_are_read(kind: Any) -> None:
    (made,), _ = from_rollout(rollout([turn(0, np.array([1, 2], kind), np.array([3], kind), None)]), Options())  # type: ignore[arg-type]
    assert made.prompt_ids.tolist() == [1, 2]


def test_an_absent_column_and_an_empty_one_are_alike_for_logprobs() -> None:
    (made,), _ = from_rollout(rollout([turn(0, [1], [2], [])]), Options())
    assert made.logprobs is None


def test_what_the_store_could_not_read_is_counted_with_its_reason() -> None:
    _, rows = from_rollout(rollout([], dropped=[Dropped("t", "s", "r", DropReason.UNREADABLE, "bad")]), Options())
    assert [(row.reason, row.detail) for row in rows] == [(Reason.UNREAD, "unreadable: bad")]


def test_ids_made_afterwards_are_marked_and_have_no_logprobs() -> None:
    options = Options(retokenise=lambda one: ([1, 2], [3]) if one.messages else None)
    turns = [turn(0, messages=[said("user", "u")]), turn(1), turn(2, [1], [2])]
    transitions, rows = from_rollout(rollout(turns), options)
    assert [(one.ids_source, one.logprobs is None) for one in transitions] == [("retokenised", True), ("server", False)]
    assert [row.reason for row in rows] == [Reason.NO_TOKEN_IDS]
