"""LoRA: adapters train beside frozen weights, under every trainer, and the checkpoint is an ordinary model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from leyden_trainers.dpo import Dpo
from leyden_trainers.errors import SettingInvalid
from leyden_trainers.kto import Kto
from leyden_trainers.plugin import Trainer
from leyden_trainers.replay import Replay
from leyden_trainers.reward_model import RewardModel
from leyden_trainers.settings import config_from_sets
from leyden_trainers.sft import Sft
from tests.support.tiny_policy import Played

TRAINERS = [pytest.param(one, id=one.name) for one in (Sft(), Replay(), Dpo(), Kto(), RewardModel())]
SETS = ["max_steps=2", "learning_rate=1e-2", "per_device_train_batch_size=8", "seed=5"]


@pytest.mark.parametrize("trainer", TRAINERS)
def test_adapters_are_merged_into_the_checkpoint(
    trainer: Trainer, played: list[Played], tiny: Path, tmp_path: Path
) -> None:
    table, _ = trainer.prepare([one.rollout for one in played])
    config = config_from_sets(trainer, [*SETS, "lora_rank=2", 'lora_targets=["q_proj"]'])
    trainer.train(table, model=str(tiny), out=tmp_path / "out", config=config)
    kind: Any = AutoModelForSequenceClassification if trainer.name == "trl-reward" else AutoModelForCausalLM
    before, after = (dict(kind.from_pretrained(path).named_parameters()) for path in (tiny, tmp_path / "out"))
    moved = {name for name in before if not torch.equal(before[name], after[name])} - {"score.weight"}
    assert moved == {name for name in before if "q_proj" in name}
    adapter = json.loads((tmp_path / "out" / "adapter" / "adapter_config.json").read_text())
    assert (adapter["r"], adapter["lora_alpha"]) == (2, 4)


def test_layers_the_model_lacks_are_a_clear_error(table: pa.Table, tiny: Path, tmp_path: Path) -> None:
    config = config_from_sets(Replay(), [*SETS, "lora_rank=2", 'lora_targets=["no_such_layer"]'])
    with pytest.raises(SettingInvalid, match="lora_targets do not fit this model"):
        Replay().train(table, model=str(tiny), out=tmp_path / "out", config=config)
    assert list(tmp_path.iterdir()) == []
