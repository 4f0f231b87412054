"""Conditions of triggers: comparisons of facts, and nothing else."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leyden.triggers.condition import ConditionInvalid, check, holds

FACTS = {"new_rollouts": 500.0, "rollouts": 700.0, "mean_reward": 0.25, "hours_since_run": 1e9}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("new_rollouts >= 500", True),
        ("new_rollouts > 500", False),
        ("new_rollouts >= 500 and mean_reward < 0.2", False),
        ("new_rollouts > 500 or not mean_reward >= 0.5", True),
        ("0 < mean_reward < 1", True),
        ("new_rollouts / rollouts >= 0.5", True),
        ("new_rollouts / 0 > 1", True),
        ("-mean_reward < 0", True),
        ("hours_since_run >= 24", True),
    ],
)
def test_facts_are_compared(text: str, expected: bool) -> None:
    assert holds(text, FACTS) is expected


@pytest.mark.parametrize(
    "text",
    [
        "", "new_rollouts", "500", "True", "new_rollouts >=", "__import__('os').system('true') == 0",
        "rollouts.real > 1", "rollouts[0] > 1", "rollouts == 'a'", "(lambda: 1)() > 0", "rollouts ** 99999 > 1",
        "not rollouts", "rollouts in ()", "[x for x in rollouts]", "rollouts > (1 > 0)", "a" * 10_000,
        "(" * 5_000 + ")" * 5_000,
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConditionInvalid):
        holds(text, FACTS)


def test_a_name_that_is_no_fact_is_answered_with_the_near_ones() -> None:
    with pytest.raises(ConditionInvalid, match=r"'new_rollout', which is no fact: use new_rollouts"):
        check("new_rollout > 5")


def test_a_fault_behind_a_short_circuit_is_found_when_the_condition_is_checked() -> None:
    with pytest.raises(ConditionInvalid):
        check("new_rollouts > 0 or rollots > 0")


@given(st.text(alphabet="abn_rolutsw0123456789.<>=!+-*/() andornot", max_size=40))
def test_no_text_does_anything_but_compare_or_be_refused(text: str) -> None:
    with suppress(ConditionInvalid):
        assert holds(text, FACTS) in (True, False)
