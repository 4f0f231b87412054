"""What the trainers on preferences share: rows of messages as an export writes them, and TRL's own training loops."""

from __future__ import annotations

import tempfile
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
from leyden_trainers.models import check_model, load_tokenizer, quiet
from leyden_trainers.plugin import OnMetrics, Requirement, TrainerConfig, TrainResult, ignore

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase, Trainer, TrainingArguments


class PreferenceTrainer:
    """A trainer whose rows are those of the export format of the same name."""

    name: ClassVar[str]
    without: ClassVar[str]
    """What to say when no row could be made."""
    requires = frozenset({Requirement.REWARD})
    Config: type[TrainerConfig] = TrainerConfig

    def arguments_class(self) -> type[TrainingArguments]:
        """See `plugin.Trainer`."""
        raise NotImplementedError

    def trainer(
        self, model: str, tokenizer: PreTrainedTokenizerBase, rows: Dataset, arguments: Any, config: TrainerConfig
    ) -> Trainer:
        """TRL's trainer on a freshly loaded model."""
        raise NotImplementedError

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

        with checkpoint_folder(out) as folder:
            arguments = running.training_arguments(
                self.arguments_class(),
                folder,
                config,
                max_length=None,  # TRL's own default cuts long conversations and says nothing
                bf16=torch.cuda.is_available(),
                gradient_checkpointing=None,
                activation_checkpointing=torch.cuda.is_available(),
            )
            tokenizer = load_tokenizer(model)
            with quiet():
                trainer = self.trainer(model, tokenizer, Dataset(InMemoryTable(table)), arguments, config)
            return running.fit(trainer, tokenizer, folder, out, on_metrics)
