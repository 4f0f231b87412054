"""`trl-reward`: a reward model from pairs of conversations, by TRL's RewardTrainer.

Its checkpoint is a classifier of one label: `AutoModelForSequenceClassification.from_pretrained` loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leyden_trainers.lora import adapted
from leyden_trainers.models import load_scorer
from leyden_trainers.plugin import Requirement, TrainerConfig
from leyden_trainers.preferences import PreferenceTrainer

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase, Trainer, TrainingArguments


class RewardModel(PreferenceTrainer):
    """The better conversation of two gets the higher score (Bradley-Terry)."""

    name = "trl-reward"
    requires = frozenset({Requirement.REWARD, Requirement.GROUP})
    without = (
        "no two rollouts of one task have unlike rewards and part at a reply; "
        "give the rollouts of a task the same LEYDEN_GROUP_ID, and rewards"
    )

    def arguments_class(self) -> type[TrainingArguments]:
        """See `plugin.Trainer`."""
        from trl.trainer.reward_config import RewardConfig

        arguments: type[TrainingArguments] = RewardConfig
        return arguments

    def trainer(
        self, model: str, tokenizer: PreTrainedTokenizerBase, rows: Dataset, arguments: Any, config: TrainerConfig
    ) -> Trainer:
        """A scoring head, new unless the model has one, on the language model."""
        from trl.trainer.reward_trainer import RewardTrainer

        made: Trainer = RewardTrainer(
            adapted(load_scorer(model), config, "SEQ_CLS"),
            args=arguments,
            train_dataset=rows,
            processing_class=tokenizer,
        )
        return made
