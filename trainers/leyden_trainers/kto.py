"""`trl-kto`: optimisation on single replies judged good or bad, by TRL's KTOTrainer.

https://arxiv.org/abs/2402.01306
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leyden_trainers.preferences import PreferenceTrainer

if TYPE_CHECKING:
    from transformers import Trainer, TrainingArguments


class Kto(PreferenceTrainer):
    """No pairs needed: a reply is good when its rollout did better than the mean of its group."""

    name = "trl-kto"
    without = "no rollout has a reward above or below the mean of its group; give rollouts rewards"

    def classes(self) -> tuple[type[Trainer], type[TrainingArguments]]:
        """See `PreferenceTrainer`."""
        from trl.trainer.kto_config import KTOConfig
        from trl.trainer.kto_trainer import KTOTrainer

        return KTOTrainer, KTOConfig
