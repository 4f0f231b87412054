"""A run's curves as drawings: points on a plane of fixed size, which the templates write as SVG."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 480, 160

_FIRST = ("loss", "reward", "kl", "ess", "clip_fraction", "ratio", "learning_rate", "grad_norm")
_SUMS = frozenset({"epoch", "total_flos", "train_runtime", "train_samples_per_second", "train_steps_per_second"})
"""What a trainer says once at its end, or what only counts: no curves."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One metric. points: "x,y x,y …" within WIDTH × HEIGHT; low, high: the values at its bottom and top."""

    name: str
    points: str
    low: float
    high: float
    last: float
    steps: int


def curves(measured: Iterable[Mapping[str, Any]]) -> Sequence[Chart]:
    """A chart a metric of more than one step, the telling ones first. measured: `step`, `name`, `value`."""
    series: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for one in measured:
        if math.isfinite(one["value"]) and one["name"] not in _SUMS:
            series[one["name"]].append((one["step"], one["value"]))
    order = {name: place for place, name in enumerate(_FIRST)}
    names = sorted(series, key=lambda name: (order.get(name, len(order)), name))
    return [_chart(name, sorted(series[name])) for name in names if len(series[name]) > 1]


def _chart(name: str, values: Sequence[tuple[int, float]]) -> Chart:
    steps, heights = [step for step, _ in values], [value for _, value in values]
    low, high = min(heights), max(heights)
    wide, tall = max(steps[-1] - steps[0], 1), (high - low) or 1.0
    points = (
        f"{(step - steps[0]) / wide * WIDTH:.1f},{HEIGHT - (value - low) / tall * HEIGHT:.1f}" for step, value in values
    )
    return Chart(name, " ".join(points), low, high, heights[-1], steps[-1])
