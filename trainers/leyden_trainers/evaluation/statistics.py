"""How sure a mean or a difference is: bootstrap intervals over tasks, and a sign-flip permutation test.

Pure, and the same each time: random draws come from a fixed seed. Tasks are what is drawn, since attempts at one task
are alike: https://arxiv.org/abs/2411.00640.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DRAWS = 10_000
_EXACT = 13
"""Differences up to which all 2ⁿ signs are tried."""
_CHUNK = 2_000_000
"""Numbers drawn at once: bounds memory for large task sets."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95% interval by the percentile bootstrap; low and high are None for fewer than two values."""

    mean: float
    low: float | None
    high: float | None


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of some values, one a task. Raises ValueError without any."""
    if not values:
        raise ValueError("there is nothing to take a mean of")
    numbers = np.asarray(values, dtype=float)
    mean = float(numbers.mean())
    if len(numbers) < 2:
        return Estimate(mean, None, None)
    random = np.random.default_rng(0)
    means = np.concatenate(
        [numbers[random.integers(len(numbers), size=(rows, len(numbers)))].mean(axis=1) for rows in _rows(len(numbers))]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(mean, float(low), float(high))


def p_value(differences: Sequence[float]) -> float:
    """How often a mean so far from 0 comes about where each difference could as well have the other sign.

    Exact for up to 13 differences that are not 0, else of 10,000 random draws. 1.0 where all are 0.
    """
    numbers = np.asarray([value for value in differences if value != 0], dtype=float)
    if not len(numbers):
        return 1.0
    seen = abs(float(numbers.sum())) * (1 - 1e-12)  # sums of the same numbers in another order count as equal
    if len(numbers) <= _EXACT:
        signs = 1 - 2 * ((np.arange(2 ** len(numbers))[:, None] >> np.arange(len(numbers))) & 1)
        return float((np.abs(signs @ numbers) >= seen).mean())
    random = np.random.default_rng(0)
    as_far = sum(
        int((np.abs(_signs(random, rows, len(numbers)) @ numbers) >= seen).sum()) for rows in _rows(len(numbers))
    )
    return (as_far + 1) / (_DRAWS + 1)


def _signs(random: np.random.Generator, rows: int, columns: int) -> NDArray[np.int64]:
    return 1 - 2 * random.integers(2, size=(rows, columns))


def _rows(columns: int) -> list[int]:
    """_DRAWS in pieces that fit in memory."""
    piece = max(1, min(_DRAWS, _CHUNK // columns))
    return [min(piece, _DRAWS - start) for start in range(0, _DRAWS, piece)]
