"""Intervals hold what they say, and p-values are what their definition gives."""

from __future__ import annotations

from itertools import product
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leyden_trainers.evaluation.statistics import Estimate, estimate, p_value

NUMBERS = st.floats(-100, 100).map(lambda value: round(value, 3))


@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_the_p_value_is_the_share_of_sign_flips_that_are_as_far_from_nothing(values: list[float]) -> None:
    differ = [value for value in values if value]
    seen = abs(sum(differ))
    flips = [abs(sum(sign * value for sign, value in zip(signs, differ, strict=True))) for signs in _signs(len(differ))]
    assert p_value(values) == pytest.approx(sum(flip >= seen - 1e-9 for flip in flips) / len(flips))


def _signs(count: int) -> list[tuple[int, ...]]:
    return list(product((-1, 1), repeat=count))


def test_many_differences_are_drawn_and_agree_with_all_of_them() -> None:
    values = np.random.default_rng(1).normal(0.4, 1, 14).tolist()
    every = [abs(float(np.dot(signs, values))) for signs in _signs(14)]
    exact = sum(flip >= abs(sum(values)) - 1e-9 for flip in every) / len(every)
    assert p_value(values) == pytest.approx(exact, abs=0.02)


@given(st.lists(NUMBERS, min_size=2, max_size=30))
def test_an_interval_holds_the_mean_and_lies_among_the_values(values: list[float]) -> None:
    found = estimate(values)
    assert found.low is not None
    assert found.high is not None
    assert min(values) - 1e-9 <= found.low <= found.mean + 1e-9
    assert found.mean - 1e-9 <= found.high <= max(values) + 1e-9
    assert found.mean == pytest.approx(fmean(values))
    assert estimate(values) == found


def test_intervals_hold_the_true_mean_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(7)
    held = 0
    for _ in range(200):
        found = estimate(random.normal(3, 2, 40).tolist())
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 3 <= found.high
    assert 0.88 <= held / 200 <= 0.99


def test_one_value_has_no_interval_and_none_no_mean() -> None:
    assert estimate([2.0]) == Estimate(2.0, None, None)
    with pytest.raises(ValueError, match="nothing"):
        estimate([])
    assert p_value([]) == p_value([0.0, 0.0]) == 1.0
