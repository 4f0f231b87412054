"""`trl-dpo`: direct preference optimisation on pairs of replies, by TRL's DPOTrainer.

https://arxiv.org/abs/2305.18290
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leyden_trainers.plugin import Requirement
from leyden_trainers.preferences import NO_PAIRS, PreferenceTrainer

if TYPE_CHECKING:
    from transformers import Trainer, TrainingArguments


class Dpo(PreferenceTrainer):
    """The better reply of two to the same messages becomes likelier than the worse, measured from the first policy."""

    name = "trl-dpo"
    requires = frozenset({Requirement.REWARD, Requirement.GROUP})
    without = NO_PAIRS

    def classes(self) -> tuple[type[Trainer], type[TrainingArguments]]:
        """See `PreferenceTrainer`."""
        from trl.trainer.dpo_config import DPOConfig
        from trl.trainer.dpo_trainer import DPOTrainer

        return DPOTrainer, DPOConfig
