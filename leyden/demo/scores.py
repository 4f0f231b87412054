"""Mean rewards with confidence intervals, read from the store."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from leyden_store.lightning import LightningStore

_RESAMPLES = 4000


@dataclass(frozen=True, slots=True)
class Score:
    """A mean over `n` rollouts with its 95 % interval, by bootstrap (percentiles of resampled means)."""

    mean: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, Any]:
        """mean, low, high, n."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.mean:.3f}  [{self.low:.3f}, {self.high:.3f}]  n={self.n}"


def score(store: LightningStore, name: str, seed: int = 0) -> Score:
    """The reward of the rollouts whose id begins with `name/`."""
    table = store.sql(
        "SELECT Value FROM rewards FINAL WHERE Name = 'reward' AND startsWith(RolloutId, {head:String}) ORDER BY RolloutId",
        {"head": f"{name}/"},
    )
    values = table["Value"].to_numpy()
    draws = np.random.default_rng(seed).choice(values, (_RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return Score(float(values.mean()), float(low), float(high), len(values))
