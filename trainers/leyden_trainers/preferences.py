"""What the trainers on preferences share: rows of messages as an export writes them, and TRL's own training loops."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from leyden_exporters.formats import FORMATS
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_store.turns import Rollout
from leyden_trainers.checkpoints import check_output, checkpoint_folder
from leyden_trainers.errors import RequirementMissing
from leyden_trainers.lora import adapted
from leyden_trainers.models import check_model, load_model, load_tokenizer, quiet
from leyden_trainers.plugin import OnMetrics, Requirement, TrainerConfig, TrainResult, ignore

if TYPE_CHECKING:
    from transformers import Trainer, TrainingArguments


NO_PAIRS = (
    "no two rollouts of one task have unlike rewards and part at a reply; "
    "give the rollouts of a task the same LEYDEN_GROUP_ID, and rewards"
)


class PreferenceTrainer(ABC):
    """A trainer whose rows are those of the export format of the same name."""

    name: ClassVar[str]
    without: ClassVar[str]
    """What to say when no row could be made."""
    requires = frozenset({Requirement.REWARD})
    Config: type[TrainerConfig] = TrainerConfig

    @abstractmethod
    def classes(self) -> tuple[type[Trainer], type[TrainingArguments]]:
        """TRL's trainer and the class of its arguments. Loads torch."""

    def model(self, model: str, config: TrainerConfig) -> Any:
        """What is trained. With adapters the reference is the model without them; otherwise TRL keeps a copy."""
        return adapted(load_model(model), config)

    def arguments_class(self) -> type[TrainingArguments]:
        """See `plugin.Trainer`."""
        return self.classes()[1]

    def prepare(self, rollouts: Iterable[Rollout], options: Options | None = None) -> tuple[pa.Table, Report]:
        """The rows that `leyden export --format NAME` writes, by the same writer."""
        with tempfile.TemporaryDirectory(prefix="leyden-") as folder:
            path = Path(folder) / "rows.parquet"
            report = FORMATS[self.name].write(rollouts, path, options or Options())
            return pq.read_table(path), report

    def train(
        self, table: pa.Table, *, model: str, out: Path, config: TrainerConfig, on_metrics: OnMetrics = ignore
    ) -> TrainResult:
        """See `plugin.Trainer`."""
        check_output(out)
        check_model(model)
        if not table.num_rows:
            raise RequirementMissing(f"{self.name} has nothing to train on: {self.without}")
        import torch
        from datasets import Dataset
        from datasets.table import InMemoryTable

        from leyden_trainers import running

        trainer_class, arguments_class = self.classes()
        with checkpoint_folder(out) as folder:
            arguments = running.training_arguments(
                arguments_class,
                folder,
                config,
                max_length=None,  # TRL's own default cuts long conversations and says nothing
                bf16=torch.cuda.is_available(),
                gradient_checkpointing=None,
                activation_checkpointing=torch.cuda.is_available(),
            )
            tokenizer = load_tokenizer(model)
            with quiet():
                trainer = trainer_class(
                    self.model(model, config),
                    args=arguments,
                    train_dataset=Dataset(InMemoryTable(table)),
                    processing_class=tokenizer,
                )
            return running.fit(trainer, tokenizer, folder, out, on_metrics)
