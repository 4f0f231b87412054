"""The trainers on preferences: TRL's own, on the rows an export writes, from rollouts of the served policy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from leyden_exporters.errors import OptionsInvalid
from leyden_exporters.options import Options
from leyden_trainers.dpo import Dpo
from leyden_trainers.errors import RequirementMissing
from leyden_trainers.kto import Kto
from leyden_trainers.plugin import find_trainer
from leyden_trainers.preferences import PreferenceTrainer
from leyden_trainers.reward_model import RewardModel
from leyden_trainers.settings import config_from_sets
from tests.support.tiny_policy import Played

TRAINERS = [pytest.param(one, id=one.name) for one in (Dpo(), Kto(), RewardModel())]
SETS = ["max_steps=3", "learning_rate=1e-3", "per_device_train_batch_size=8", "seed=5"]


def rows(trainer: PreferenceTrainer, played: list[Played]) -> pa.Table:
    return trainer.prepare([one.rollout for one in played])[0]


def train(trainer: PreferenceTrainer, table: pa.Table, model: Path, out: Path, *sets: str) -> Any:
    return trainer.train(table, model=str(model), out=out, config=config_from_sets(trainer, [*SETS, *sets]))


def margin(folder: Path, pairs: list[dict[str, Any]]) -> float:
    """How much likelier (in nats, on average) the model in the folder finds the better reply of a pair."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)

    def rendered(messages: list[Any], tools: Any, **more: Any) -> list[int]:
        ids: list[int] = tokenizer.apply_chat_template(messages, tools=tools, return_dict=False, **more)
        return ids

    def log_probability(pair: dict[str, Any], side: str) -> float:
        prompt, reply = ([json.loads(one) for one in pair[part]] for part in ("prompt", side))
        tools = json.loads(pair["tools"])
        start, ids = rendered(prompt, tools, add_generation_prompt=True), rendered([*prompt, *reply], tools)
        with torch.no_grad():
            logps = model(input_ids=torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
        return float(logps.gather(-1, torch.tensor(ids)[1:, None])[len(start) - 1 :].sum())

    return sum(log_probability(pair, "chosen") - log_probability(pair, "rejected") for pair in pairs) / len(pairs)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_few_steps_make_a_checkpoint(
    trainer: PreferenceTrainer, played: list[Played], tiny: Path, tmp_path: Path
) -> None:
    assert find_trainer(trainer.name).name == trainer.name
    table, report = trainer.prepare([one.rollout for one in played])
    assert table.num_rows == report.written > 0
    result = train(trainer, table, tiny, tmp_path / "out")
    assert (result.steps, result.checkpoint) == (3, tmp_path / "out")
    assert result.metrics["train_loss"] > 0
    kind = AutoModelForSequenceClassification if trainer.name == "trl-reward" else AutoModelForCausalLM
    kind.from_pretrained(tmp_path / "out")
    assert AutoTokenizer.from_pretrained(tmp_path / "out").chat_template


@pytest.mark.parametrize("trainer", [pytest.param(one, id=one.name) for one in (Dpo(), Kto())])
def test_better_replies_gain_on_worse_ones(
    trainer: PreferenceTrainer, played: list[Played], tiny: Path, tmp_path: Path
) -> None:
    pairs = rows(Dpo(), played).to_pylist()
    train(trainer, rows(trainer, played), tiny, tmp_path / "out", "max_steps=20", "learning_rate=3e-3")
    assert margin(tmp_path / "out", pairs) > margin(tiny, pairs) + 0.1


def test_a_reward_model_scores_the_better_conversation_higher(played: list[Played], tiny: Path, tmp_path: Path) -> None:
    trainer = RewardModel()
    train(trainer, rows(trainer, played), tiny, tmp_path / "out", "max_steps=20", "learning_rate=3e-3")
    result = train(trainer, rows(trainer, played), tmp_path / "out", tmp_path / "again", "max_steps=1")
    assert result.metrics["accuracy"] > 0.75


@pytest.mark.parametrize("trainer", TRAINERS)
def test_rollouts_of_equal_reward_prefer_nothing(
    trainer: PreferenceTrainer, played: list[Played], tiny: Path, tmp_path: Path
) -> None:
    table, report = trainer.prepare([one.rewarded(1.0) for one in played])
    assert table.num_rows == 0
    assert sum(report.dropped.values()) == sum(len(one.rollout.turns) for one in played)
    with pytest.raises(RequirementMissing, match=f"{trainer.name} has nothing to train on: .*reward"):
        train(trainer, table, tiny, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("trainer", TRAINERS)
def test_unrewarded_rollouts_are_counted_not_guessed(trainer: PreferenceTrainer, played: list[Played]) -> None:
    table, report = trainer.prepare([replace(one.rollout, rewards=()) for one in played])
    assert table.num_rows == 0
    assert report.dropped == {"no_reward": sum(len(one.rollout.turns) for one in played)}


@pytest.mark.parametrize("trainer", TRAINERS)
def test_options_about_tokens_are_refused(trainer: PreferenceTrainer, played: list[Played]) -> None:
    with pytest.raises(OptionsInvalid, match="messages, not tokens"):
        trainer.prepare([one.rollout for one in played], Options(max_tokens=10))
