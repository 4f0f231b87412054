"""LoRA: small trained adapters beside frozen weights, by peft; the checkpoint is an ordinary model again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from leyden_trainers.errors import SettingInvalid
from leyden_trainers.models import quiet
from leyden_trainers.plugin import TrainerConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def adapted(model: PreTrainedModel, config: TrainerConfig, task: str = "CAUSAL_LM") -> Any:
    """The model with adapters to train, as the config asks; the model itself when it asks for none.

    task: peft's name for what the model does; "SEQ_CLS" keeps the scoring head trained too.

    Raises SettingInvalid when peft is not installed, or the model has no layers of the names given.
    """
    if not config.lora_rank:
        return model
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise SettingInvalid("lora_rank needs peft: pip install 'leyden[trainers]'") from error
    settings = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha or 2 * config.lora_rank,
        lora_dropout=config.lora_dropout,
        target_modules=config.lora_targets or "all-linear",
        task_type=task,
    )
    try:
        with quiet():
            return get_peft_model(model, settings)
    except ValueError as error:
        raise SettingInvalid(f"lora_targets do not fit this model: {str(error).splitlines()[0]}") from error


def merged(model: Any, adapter: Path) -> PreTrainedModel:
    """The model with its adapters added into its weights, once they are saved in `adapter`; as it is without any."""
    if hasattr(model, "merge_and_unload"):
        model.save_pretrained(adapter)
        model = model.merge_and_unload()
    ready: PreTrainedModel = model
    return ready
