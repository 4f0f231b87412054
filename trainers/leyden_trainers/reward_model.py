"""`trl-reward`: a reward model from pairs of conversations, by TRL's RewardTrainer.

Its checkpoint is a classifier of one label: `AutoModelForSequenceClassification.from_pretrained` loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leyden_trainers.lora import adapted
from leyden_trainers.models import load_scorer
from leyden_trainers.plugin import Requirement, TrainerConfig
from leyden_trainers.preferences import NO_PAIRS, PreferenceTrainer

if TYPE_CHECKING:
    from transformers import Trainer, TrainingArguments


class RewardModel(PreferenceTrainer):
    """The better conversation of two gets the higher score (Bradley-Terry)."""

    name = "trl-reward"
    requires = frozenset({Requirement.REWARD, Requirement.GROUP})
    without = NO_PAIRS

    def classes(self) -> tuple[type[Trainer], type[TrainingArguments]]:
        """See `PreferenceTrainer`."""
        from trl.trainer.reward_config import RewardConfig
        from trl.trainer.reward_trainer import RewardTrainer

        return RewardTrainer, RewardConfig

    def model(self, model: str, config: TrainerConfig) -> Any:
        """A scoring head, new unless the model has one, on the language model."""
        return adapted(load_scorer(model), config, "SEQ_CLS")
