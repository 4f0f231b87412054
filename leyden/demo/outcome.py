"""What the demo brought: counts and mean rewards with their intervals, all read from the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from leyden.demo import recipe
from leyden_exporters.build import trajectory_table
from leyden_exporters.skimmable import StoreSource
from leyden_store.lightning import LightningStore

_RESAMPLES = 4000


@dataclass(frozen=True, slots=True)
class Score:
    """A mean over `n` rollouts with its 95 % interval, by bootstrap (percentiles of resampled means)."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f}  [{self.low:.3f}, {self.high:.3f}]  n={self.n}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `leyden demo --json` prints last. dropped: LLM spans that are no training data, by reason."""

    rollouts: int
    spans: int
    turns: int
    dropped: Mapping[str, int]
    reward_before: Score
    reward_after: Score
    reward_shuffled: Score
    reward_online: Score
    store: str
    checkpoint: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The fields, each score as mean, low, high, n."""
        return asdict(self)

    def table(self) -> Table:
        """The same for people."""
        table = Table(show_header=False, box=None, pad_edge=False)
        rows = {
            "rollouts": f"{self.rollouts:,}",
            "spans": f"{self.spans:,}",
            "turns (LLM calls)": f"{self.turns:,}",
            "dropped": ", ".join(f"{n} {reason}" for reason, n in self.dropped.items()) or "none",
            "reward before": str(self.reward_before),
            "reward after": f"[bold green]{self.reward_after}[/bold green]",
            "  control: shuffled rewards": str(self.reward_shuffled),
            "reward after online RL alone": f"[bold green]{self.reward_online}[/bold green]",
            "store": self.store,
            "checkpoint": self.checkpoint,
            "took": f"{self.seconds} s",
        }
        for name, value in rows.items():
            table.add_row(name, value)
        return table


def measure(dsn: str, checkpoint: Path, seconds: float, seed: int) -> Outcome:
    """Read the outcome from the store."""
    with LightningStore.open(dsn) as store:
        _, report = trajectory_table(StoreSource(store), recipe.OPTIONS)
        return Outcome(
            rollouts=report.rollouts,
            spans=store.stats()["spans"],
            turns=report.llm_spans - report.dropped.get("unread", 0),
            dropped=report.dropped,
            reward_before=_score(store, "before", seed),
            reward_after=_score(store, "trained", seed),
            reward_shuffled=_score(store, "control", seed),
            reward_online=_score(store, "online", seed),
            store=dsn,
            checkpoint=str(checkpoint),
            seconds=seconds,
        )


def _score(store: LightningStore, name: str, seed: int) -> Score:
    """The reward of the rollouts whose id begins with `name/`."""
    table = store.sql(
        "SELECT Value FROM rewards FINAL"
        " WHERE Name = 'reward' AND startsWith(RolloutId, {head:String}) ORDER BY RolloutId",
        {"head": f"{name}/"},
    )
    values = table["Value"].to_numpy()
    draws = np.random.default_rng(seed).choice(values, (_RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return Score(float(values.mean()), float(low), float(high), len(values))
