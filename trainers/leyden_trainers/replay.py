"""`torch-replay`: policy optimisation on stored rollouts and the log-probabilities recorded with them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

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
from leyden_trainers.replay_config import ReplayConfig
from leyden_trainers.requirements import usable

if TYPE_CHECKING:
    from transformers import TrainingArguments


class Replay:
    """The stored log-probabilities are the old policy's: the samples need not be the present policy's own."""

    name = "torch-replay"
    requires = frozenset({Requirement.TOKEN_IDS, Requirement.LOGPROBS, Requirement.REWARD})
    Config: type[TrainerConfig] = ReplayConfig

    def arguments_class(self) -> type[TrainingArguments]:
        """See `plugin.Trainer`."""
        from transformers import TrainingArguments

        return TrainingArguments

    def prepare(self, rollouts: Iterable[Rollout], options: Options | None = None) -> tuple[pa.Table, Report]:
        """Trajectories, in the columns of `leyden_exporters.columns.SCHEMA`."""
        return trajectory_table(rollouts, options)

    def train(
        self, table: pa.Table, *, model: str, out: Path, config: TrainerConfig, on_metrics: OnMetrics = ignore
    ) -> TrainResult:
        """See `plugin.Trainer`. A rollout weighs the same however many trajectories and turns it has."""
        settings = ReplayConfig.model_validate(config.model_dump())
        check_output(out)
        check_model(model)
        rows = usable(table, self, config, {Requirement.LOGPROBS} if settings.retokenised else frozenset())
        if not pc.any(pc.not_equal(rows["advantages"].combine_chunks().flatten(), 0)).as_py():
            raise RequirementMissing(
                f"{self.name} has nothing to learn: every advantage is 0, since no group has unequal rewards; "
                "give several rollouts of a task the same LEYDEN_GROUP_ID, or use another advantage"
            )
        from transformers import TrainingArguments

        from leyden_trainers import running
        from leyden_trainers.replay_trainer import ReplayTrainer

        with checkpoint_folder(out) as folder:
            arguments = running.training_arguments(TrainingArguments, folder, config, remove_unused_columns=False)
            tokenizer, policy = load_tokenizer(model), load_model(model)
            running.check_fits(rows, policy)
            trainer = ReplayTrainer(adapted(policy, config), arguments, rows, settings)
            return running.fit(trainer, tokenizer, folder, out, on_metrics)
