"""`trl-sft`: imitation of the stored responses, by TRL's own SFTTrainer on their exact tokens."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leyden_exporters.build import trajectory_table
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_store.turns import Rollout
from leyden_trainers.checkpoints import check_output, checkpoint_folder
from leyden_trainers.errors import RequirementMissing
from leyden_trainers.lora import adapted
from leyden_trainers.models import check_model, load_model, load_tokenizer
from leyden_trainers.plugin import OnMetrics, Requirement, TrainerConfig, TrainResult, ignore
from leyden_trainers.requirements import usable

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import TrainingArguments

IGNORED = -100
"""The label of a token that is not trained: torch's cross entropy skips it."""


class SftConfig(TrainerConfig):
    """min_reward: imitate only rollouts with at least this reward; None imitates all, rewarded or not"""

    min_reward: float | None = None


class Sft:
    """Rows come with their tokens and labels, so that no template is rendered and no token guessed."""

    name = "trl-sft"
    requires = frozenset({Requirement.TOKEN_IDS})
    Config: type[TrainerConfig] = SftConfig

    def arguments_class(self) -> type[TrainingArguments]:
        """See `plugin.Trainer`."""
        from trl.trainer.sft_config import SFTConfig

        arguments: type[TrainingArguments] = SFTConfig
        return arguments

    def prepare(self, rollouts: Iterable[Rollout], options: Options | None = None) -> tuple[pa.Table, Report]:
        """Trajectories, in the columns of `leyden_exporters.columns.SCHEMA`."""
        return trajectory_table(rollouts, options)

    def train(
        self, table: pa.Table, *, model: str, out: Path, config: TrainerConfig, on_metrics: OnMetrics = ignore
    ) -> TrainResult:
        """See `plugin.Trainer`."""
        settings = SftConfig.model_validate(config.model_dump())
        check_output(out)
        check_model(model)
        rows = _rewarded(usable(table, self, config), settings.min_reward)
        import torch
        from trl.trainer.sft_config import SFTConfig
        from trl.trainer.sft_trainer import SFTTrainer

        from leyden_trainers import running

        with checkpoint_folder(out) as folder:
            arguments = running.training_arguments(
                SFTConfig,
                folder,
                config,
                max_length=None,
                bf16=torch.cuda.is_available(),
                # TRL's default is the old name, set to true: transformers warns of it, and on a CPU it only costs time.
                gradient_checkpointing=None,
                activation_checkpointing=torch.cuda.is_available(),
                dataset_kwargs={"skip_prepare_dataset": True},  # the rows are ready: tokens and labels
            )
            tokenizer, policy = load_tokenizer(model), load_model(model)
            running.check_fits(rows, policy)
            trainer = SFTTrainer(
                model=adapted(policy, config),
                args=arguments,
                train_dataset=labelled(rows),
                processing_class=tokenizer,
            )
            return running.fit(trainer, tokenizer, folder, out, on_metrics)


def labelled(table: pa.Table) -> Dataset:
    """The rows as `input_ids` and `labels`: the id where the policy sampled the token, else `IGNORED`."""
    from datasets import Dataset

    ids = [row.values.to_numpy() for row in table["input_ids"]]
    masks = [row.values.to_numpy() for row in table["loss_mask"]]
    labels = [np.where(mask == 1, row, IGNORED) for row, mask in zip(ids, masks, strict=True)]
    return Dataset.from_dict({"input_ids": ids, "labels": labels})


def _rewarded(table: pa.Table, least: float | None) -> pa.Table:
    if least is None:
        return table
    kept = table.filter(pc.fill_null(pc.greater_equal(table["reward"], least), False))
    if not kept.num_rows:
        raise RequirementMissing(
            f"trl-sft has nothing to train on: none of {table.num_rows} rows has a reward of at least {least}"
        )
    return kept
