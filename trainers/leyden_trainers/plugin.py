"""What a trainer is, and which ones are installed.

A trainer is a plugin: an object under the entry point group `leyden.trainers`, alike in shape to every other.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from leyden_trainers.errors import TrainerNotFound

if TYPE_CHECKING:
    from transformers import TrainingArguments

GROUP = "leyden.trainers"

OnMetrics = Callable[[int, Mapping[str, float]], None]
"""Called with the optimiser step and what was measured, each time the trainer logs."""


def ignore(step: int, metrics: Mapping[str, float]) -> None:
    """The `OnMetrics` of who does not ask."""


class Requirement(StrEnum):
    """What a trainer needs of every row."""

    TOKEN_IDS = "token_ids"  # noqa: S105
    """Tokens the policy sampled."""
    LOGPROBS = "logprobs"
    """The probability each had when it was sampled: not of ids made afterwards."""
    REWARD = "reward"
    """The rollout's reward."""
    GROUP = "group"
    """The task the rollout attempted."""


class TrainerConfig(BaseModel):
    """Settings common to all trainers.

    drop_incomplete: leave out rows that lack what the trainer requires, instead of refusing the table
    training:        values for transformers' TrainingArguments, by name
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    drop_incomplete: bool = False
    training: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished run.

    checkpoint: the folder, which `from_pretrained` loads; it holds the tokenizer too
    steps:      optimiser steps done
    metrics:    what was logged last, by name
    """

    checkpoint: Path
    steps: int
    metrics: Mapping[str, float]


class Trainer(Protocol):
    """A way of training a model on trajectories."""

    name: str
    requires: frozenset[Requirement]
    Config: type[TrainerConfig]

    def arguments_class(self) -> type[TrainingArguments]:
        """The class whose fields `--set` takes beside the config's own. Loads torch."""
        ...

    def train(
        self, table: pa.Table, *, model: str, out: Path, config: TrainerConfig, on_metrics: OnMetrics = ignore
    ) -> TrainResult:
        """Train a model on trajectories and write the checkpoint.

        table: rows of `leyden_exporters.columns.SCHEMA`
        model: folder or hub name to start from
        out:   folder to write; it must not exist, and appears only when it is whole

        Raises, before anything is loaded: RequirementMissing, ModelInvalid, OutputTaken; then SettingInvalid.
        """
        ...


def installed() -> dict[str, EntryPoint]:
    """The trainers there are, by name; none is loaded."""
    return {point.name: point for point in entry_points(group=GROUP)}


def find_trainer(name: str) -> Trainer:
    """The trainer of that name. Raises TrainerNotFound, with the near names."""
    points = installed()
    if name not in points:
        near = difflib.get_close_matches(name, points, n=3, cutoff=0.4) or sorted(points)
        raise TrainerNotFound(f"no trainer is called {name!r}: use {' or '.join(near) or 'one that is installed'}")
    trainer: Trainer = points[name].load()()
    return trainer
