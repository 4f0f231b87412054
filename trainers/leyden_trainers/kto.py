"""`trl-kto`: optimisation on single replies judged good or bad, by TRL's KTOTrainer.

https://arxiv.org/abs/2402.01306
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leyden_trainers.lora import adapted
from leyden_trainers.models import load_model
from leyden_trainers.plugin import TrainerConfig
from leyden_trainers.preferences import PreferenceTrainer

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase, Trainer, TrainingArguments


class Kto(PreferenceTrainer):
    """No pairs needed: a reply is good when its rollout did better than the mean of its group."""

    name = "trl-kto"
    without = "no rollout has a reward above or below the mean of its group; give rollouts rewards"

    def arguments_class(self) -> type[TrainingArguments]:
        """See `plugin.Trainer`."""
        from trl.trainer.kto_config import KTOConfig

        arguments: type[TrainingArguments] = KTOConfig
        return arguments

    def trainer(
        self, model: str, tokenizer: PreTrainedTokenizerBase, rows: Dataset, arguments: Any, config: TrainerConfig
    ) -> Trainer:
        """With adapters, the reference is the model without them; otherwise TRL keeps a copy."""
        from trl.trainer.kto_trainer import KTOTrainer

        made: Trainer = KTOTrainer(
            adapted(load_model(model), config), args=arguments, train_dataset=rows, processing_class=tokenizer
        )
        return made
