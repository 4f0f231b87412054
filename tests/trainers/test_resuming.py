"""Going on with a run that was cut off, at any step: the weights are those of a run that never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from leyden_trainers.checkpoints import partial_of
from leyden_trainers.dpo import Dpo
from leyden_trainers.errors import OutputTaken
from leyden_trainers.kto import Kto
from leyden_trainers.plugin import Trainer, TrainResult
from leyden_trainers.replay import Replay
from leyden_trainers.reward_model import RewardModel
from leyden_trainers.settings import config_from_sets
from leyden_trainers.sft import Sft
from tests.support.tiny_policy import Played

TRAINERS = [pytest.param(one, id=one.name) for one in (Sft(), Replay(), Dpo(), Kto(), RewardModel())]
SETS = ["max_steps=5", "learning_rate=1e-2", "per_device_train_batch_size=8", "seed=5", "save_steps=1"]
LORA = ["lora_rank=2", 'lora_targets=["q_proj"]', "lora_dropout=0.1"]


class Killed(Exception):
    """Stands for what ends a run in the middle."""


def train(trainer: Trainer, played: list[Played], tiny: Path, out: Path, *sets: str, die_at: int = 0) -> TrainResult:
    def on_metrics(step: int, metrics: Mapping[str, float]) -> None:
        if step == die_at:
            raise Killed

    table, _ = trainer.prepare([one.rollout for one in played])
    config = config_from_sets(trainer, [*SETS, *sets])
    return trainer.train(table, model=str(tiny), out=out, config=config, on_metrics=on_metrics)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    mine, theirs = weights(one), weights(other)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("sets", [[], LORA], ids=["full", "lora"])
@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_run_that_was_cut_off_ends_with_the_same_weights(
    trainer: Trainer, sets: list[str], played: list[Played], tiny: Path, tmp_path: Path
) -> None:
    whole = train(trainer, played, tiny, tmp_path / "whole", *sets)
    for step in (3, 5):
        with pytest.raises(Killed):
            train(trainer, played, tiny, tmp_path / "cut", *sets, die_at=step)
        assert not (tmp_path / "cut").exists()
        assert partial_of(tmp_path / "cut").is_dir()
    again = train(trainer, played, tiny, tmp_path / "cut", *sets)
    assert same(tmp_path / "whole", tmp_path / "cut")
    assert again.metrics["train_loss"] == pytest.approx(whole.metrics["train_loss"], rel=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "whole"]
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert names == {path.name for path in (tmp_path / "cut").iterdir()}
    assert not [name for name in names if name.startswith("checkpoint-")]


def test_saving_states_changes_nothing(played: list[Played], tiny: Path, tmp_path: Path) -> None:
    train(Replay(), played, tiny, tmp_path / "saved")
    train(Replay(), played, tiny, tmp_path / "unsaved", "save_strategy=no")
    assert same(tmp_path / "saved", tmp_path / "unsaved")


def test_a_state_half_written_is_not_gone_on_from(played: list[Played], tiny: Path, tmp_path: Path) -> None:
    train(Replay(), played, tiny, tmp_path / "whole")
    with pytest.raises(Killed):
        train(Replay(), played, tiny, tmp_path / "cut", die_at=3)
    half = partial_of(tmp_path / "cut") / "cut" / "checkpoint-4"
    half.mkdir()
    (half / "trainer_state.json").write_text("{")
    train(Replay(), played, tiny, tmp_path / "cut")
    assert same(tmp_path / "whole", tmp_path / "cut")


def test_a_run_of_other_settings_is_not_gone_on_with(played: list[Played], tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(Replay(), played, tiny, tmp_path / "cut", die_at=3)
    with pytest.raises(OutputTaken, match="holds a run of other settings"):
        train(Replay(), played, tiny, tmp_path / "cut", "seed=6")
    assert partial_of(tmp_path / "cut").is_dir()


def test_adapters_and_new_heads_follow_from_the_seed(played: list[Played], tiny: Path, tmp_path: Path) -> None:
    for name, noise in (("one", 1), ("two", 2)):
        torch.manual_seed(noise)
        train(RewardModel(), played, tiny, tmp_path / name, *LORA)
    assert same(tmp_path / "one", tmp_path / "two")


def test_without_a_word_a_state_is_kept_every_while(
    played: list[Played], tiny: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("leyden_trainers.resumable._EVERY_S", 0.0)
    with pytest.raises(Killed):
        train(Replay(), played, tiny, tmp_path / "cut", "save_strategy=no", die_at=3)
    assert [path.name for path in (partial_of(tmp_path / "cut") / "cut").iterdir()] == ["checkpoint-2"]
