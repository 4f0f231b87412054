"""The training loop of `torch-replay`: transformers' own, with a policy loss on stored rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch.utils.data import Dataset
from transformers import PreTrainedModel, Trainer, TrainingArguments

from leyden_exporters.build import token_weights
from leyden_trainers.replay_config import ReplayConfig
from leyden_trainers.replay_losses import diagnostics, token_losses

Row = Mapping[str, torch.Tensor]
"""input_ids int64 [T]; old_logps, advantages, weights float32 [T]."""


class Rows(Dataset[Row]):
    """The table's rows as tensors. A row's weights sum to its share of its rollout, times rows over rollouts.

    So the mean over rows of the weighted token losses is the mean over rollouts of each one's mean token loss.
    """

    def __init__(self, table: pa.Table) -> None:
        scale = table.num_rows / len(set(table["rollout_id"].to_pylist()))
        columns = [_arrays(table, "input_ids"), _logprobs(table), _arrays(table, "advantages")]
        self._rows = [
            {
                "input_ids": torch.from_numpy(ids.astype(np.int64)),
                "old_logps": torch.from_numpy(logps.astype(np.float32)),
                "advantages": torch.from_numpy(advantages.astype(np.float32)),
                "weights": torch.from_numpy(weights * np.float32(scale)),
            }
            for ids, logps, advantages, weights in zip(*columns, token_weights(table), strict=True)
        ]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Row:
        return self._rows[index]


def collate(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    """[B, T] of each column, padded on the right with 0, and the attention mask."""
    padded = {name: torch.nn.utils.rnn.pad_sequence([row[name] for row in rows], batch_first=True) for name in rows[0]}
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    width = padded["input_ids"].shape[1]
    return padded | {"attention_mask": (torch.arange(width) < lengths[:, None]).long()}


def token_logps(model: torch.nn.Module, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """float32 [B, T]: the log-probability of each token given those before it; 0 for the first."""
    logits = model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits[:, :-1].float()
    logps = logits.log_softmax(-1).gather(-1, input_ids[:, 1:, None])[..., 0]
    return torch.nn.functional.pad(logps, (1, 0))


def batch_loss(
    config: ReplayConfig, model: torch.nn.Module, batch: Mapping[str, torch.Tensor]
) -> tuple[torch.Tensor, dict[str, float]]:
    """The mean over the batch's rows of their weighted token losses, and the diagnostics."""
    new = token_logps(model, batch["input_ids"], batch["attention_mask"])
    old, advantages, weights = batch["old_logps"], batch["advantages"], batch["weights"]
    mask = weights > 0
    new = torch.where(mask, new, 0.0)
    old = torch.where(old.isnan(), new.detach(), old)  # not recorded: as if sampled from the policy as it is
    losses = token_losses(config, new, old, advantages)
    return (losses * weights).sum(1).mean(), diagnostics(config, new, old, advantages, mask)


class ReplayTrainer(Trainer):
    """transformers' Trainer on trajectories; logs the loss's diagnostics beside the loss."""

    def __init__(self, model: PreTrainedModel, args: TrainingArguments, table: pa.Table, config: ReplayConfig) -> None:
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0  # or the ratio would not be 1 where nothing has changed
        super().__init__(model=model, args=args, train_dataset=Rows(table), data_collator=collate)
        self.model_accepts_loss_kwargs = False  # the loss is a mean: let accumulated steps be averaged
        self._config = config
        self._measured: dict[str, list[float]] = defaultdict(list)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,  # noqa: ARG002 - transformers' own
    ) -> Any:
        """The policy loss of a batch of `collate`; there are no outputs to return."""
        loss, measured = batch_loss(self._config, model, inputs)
        for name, value in measured.items():
            self._measured[name].append(value)
        return (loss, {}) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the means of what was measured since the last report."""
        means = {name: sum(values) / len(values) for name, values in self._measured.items()}
        self._measured.clear()
        super().log({**logs, **means}, start_time)


def _logprobs(table: pa.Table) -> list[Any]:
    """`old_logps`, NaN in rows that have none."""
    rows = zip(table["old_logps"], table["input_ids"], strict=True)
    return [
        row.values.to_numpy(zero_copy_only=False) if row.is_valid else np.full(len(ids), np.nan, np.float32)
        for row, ids in rows
    ]


def _arrays(table: pa.Table, name: str) -> list[Any]:
    return [row.values.to_numpy(zero_copy_only=False) for row in table[name]]
