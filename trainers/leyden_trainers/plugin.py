"""What a trainer is, and which ones are installed.

A trainer is a plugin: an object under the entry point group `leyden.trainers`, alike in shape to every other.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_store.lightning import LightningStore
from leyden_store.selection import Selection
from leyden_store.span_sets import SpanKey
from leyden_store.turns import Rollout
from leyden_trainers.errors import TrainerNotFound

if TYPE_CHECKING:
    from transformers import TrainingArguments

GROUP = "leyden.trainers"

OnMetrics = Callable[[int, Mapping[str, float]], None]
"""Called with the optimiser step and what was measured, each time the trainer logs."""

PROGRESS = "progress"
"""Among what was measured: the share of the steps that are done."""


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
    lora_rank:       train adapters of this rank beside frozen weights (LoRA, https://arxiv.org/abs/2106.09685); 0
                     trains all. The checkpoint holds the merged weights, and the adapter alone in `adapter/`
    lora_alpha:      the adapter's scale, over its rank; None is twice the rank
    lora_dropout:    dropped share of the adapter's input
    lora_targets:    names of the layers that get one; None is every linear layer but the head
    training:        values for transformers' TrainingArguments, by name
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    drop_incomplete: bool = False
    lora_rank: int = Field(default=0, ge=0)
    lora_alpha: int | None = Field(default=None, ge=1)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    lora_targets: list[str] | None = None
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


class Plugin(Protocol):
    """What every trainer has."""

    name: str
    requires: frozenset[Requirement]
    Config: type[TrainerConfig]

    def arguments_class(self) -> type[TrainingArguments]:
        """The class whose fields `--set` takes beside the config's own. Loads torch."""
        ...


class Trainer(Plugin, Protocol):
    """A way of training a model on rollouts: `prepare` makes the rows, `train` reads nothing else."""

    def prepare(self, rollouts: Iterable[Rollout], options: Options | None = None) -> tuple[pa.Table, Report]:
        """The rows this trainer trains on, and what became of each LLM span. Loads no torch.

        Raises OptionsInvalid for an option that means nothing to these rows.
        """
        ...

    def train(
        self, table: pa.Table, *, model: str, out: Path, config: TrainerConfig, on_metrics: OnMetrics = ignore
    ) -> TrainResult:
        """Train a model and write the checkpoint.

        table: rows as `prepare` makes them
        model: folder or hub name to start from
        out:   folder to write; it must not exist, and appears only when it is whole. A run that was cut off left a
               state beside it (`checkpoints.partial_of`), and is gone on with: rows and settings must be its own

        Raises, before anything is loaded: RequirementMissing, ModelInvalid, OutputTaken; then SettingInvalid.
        """
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a trainer that makes its own data has at hand.

    store:     where rollouts are read from
    collector: base URL of the collector that fills it; token opens it, "" where it asks for none
    selection: rollouts whose inputs are tasks, where the user chose some
    options:   which turns become training data, and how
    session:   names the run; no other run has it
    on_spans:  to be told the LLM spans that are trained on, (trace id, span id) each
    """

    store: LightningStore
    collector: str
    token: str
    selection: Selection | None
    options: Options
    session: str
    on_spans: Callable[[Iterable[SpanKey]], None]


@runtime_checkable
class OnlineTrainer(Plugin, Protocol):
    """A trainer whose rollouts are made while it trains."""

    def train_online(
        self,
        surroundings: Surroundings,
        *,
        model: str,
        out: Path,
        config: TrainerConfig,
        on_metrics: OnMetrics = ignore,
    ) -> TrainResult:
        """Train a model and write the checkpoint; see `Trainer.train`.

        Raises TasksInvalid and RunnerInvalid before anything is loaded; ServerLost, RolloutsLost.
        """
        ...


def installed() -> dict[str, EntryPoint]:
    """The trainers there are, by name; none is loaded."""
    return {point.name: point for point in entry_points(group=GROUP)}


def find_trainer(name: str) -> Trainer | OnlineTrainer:
    """The trainer of that name. Raises TrainerNotFound, with the near names."""
    points = installed()
    if name not in points:
        near = difflib.get_close_matches(name, points, n=3, cutoff=0.4) or sorted(points)
        raise TrainerNotFound(f"no trainer is called {name!r}: use {' or '.join(near) or 'one that is installed'}")
    trainer: Trainer | OnlineTrainer = points[name].load()()
    return trainer
