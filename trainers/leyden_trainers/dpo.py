"""`trl-dpo`: direct preference optimisation on pairs of replies, by TRL's DPOTrainer.

https://arxiv.org/abs/2305.18290
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leyden_trainers.lora import adapted
from leyden_trainers.models import load_model
from leyden_trainers.plugin import Requirement, TrainerConfig
from leyden_trainers.preferences import PreferenceTrainer

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase, Trainer, TrainingArguments


class Dpo(PreferenceTrainer):
    """The better reply of two to the same messages becomes likelier than the worse, measured from the first policy."""

    name = "trl-dpo"
    requires = frozenset({Requirement.REWARD, Requirement.GROUP})
    without = (
        "no two rollouts of one task have unlike rewards and part at a reply; "
        "give the rollouts of a task the same LEYDEN_GROUP_ID, and rewards"
    )

    def arguments_class(self) -> type[TrainingArguments]:
        """See `plugin.Trainer`."""
        from trl.trainer.dpo_config import DPOConfig

        arguments: type[TrainingArguments] = DPOConfig
        return arguments

    def trainer(
        self, model: str, tokenizer: PreTrainedTokenizerBase, rows: Dataset, arguments: Any, config: TrainerConfig
    ) -> Trainer:
        """With adapters, the reference is the model without them; otherwise TRL keeps a copy."""
        from trl.trainer.dpo_trainer import DPOTrainer

        made: Trainer = DPOTrainer(
            adapted(load_model(model), config), args=arguments, train_dataset=rows, processing_class=tokenizer
        )
        return made
