"""`--set key=value`: told apart by name, read by type, and refused with the near names."""

from __future__ import annotations

import pytest

from leyden_trainers.errors import SettingInvalid, TrainerNotFound
from leyden_trainers.plugin import find_trainer
from leyden_trainers.replay import Replay
from leyden_trainers.settings import config_from_sets
from leyden_trainers.sft import Sft


def test_a_trainer_s_own_settings_and_transformers_are_told_apart() -> None:
    config = config_from_sets(Replay(), ["clip_high=0.28", "max_steps=40", "learning_rate=1e-4", "loss=cispo"])
    assert config.model_dump(exclude_defaults=True) == {
        "clip_high": 0.28,
        "loss": "cispo",
        "training": {"max_steps": 40, "learning_rate": 1e-4},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("bf16=false", False),
        ("lr_scheduler_type=constant", "constant"),
        ("neftune_noise_alpha=none", None),
        ("num_train_epochs=2", 2.0),
        ("run_name=a=b", "a=b"),
    ],
)
def test_values_are_read_by_their_type(text: str, value: object) -> None:
    assert config_from_sets(Replay(), [text]).training == {text.partition("=")[0]: value}


def test_each_trainer_takes_its_library_s_arguments() -> None:
    assert config_from_sets(Sft(), ["max_length=64", "min_reward=1"]).model_dump(exclude_defaults=True) == {
        "min_reward": 1.0,
        "training": {"max_length": 64},
    }
    with pytest.raises(SettingInvalid):
        config_from_sets(Replay(), ["max_length=64"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learning_rat=1", "torch-replay has no setting 'learning_rat': did you mean learning_rate"),
        ("clip_hihg=1", "did you mean clip_high"),
        ("zzz=1", "torch-replay has no setting 'zzz': see TrainingArguments in transformers"),
        ("max_steps", "'max_steps' is no setting: write --set key=value"),
        ("max_steps=many", "max_steps cannot be 'many': it takes int"),
        ("loss=hinge", "loss cannot be 'hinge'"),
        ("clip_low=2", "clip_low cannot be 2.0"),
        ("output_dir=/tmp/x", "output_dir cannot be set: the checkpoint goes to --out"),
    ],
)
def test_what_cannot_be_set_is_said_in_one_line(text: str, said: str) -> None:
    with pytest.raises(SettingInvalid) as refused:
        config_from_sets(Replay(), [text])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_installed_trainers_are_found_by_name() -> None:
    assert find_trainer("torch-replay").name == "torch-replay"
    assert find_trainer("trl-sft").name == "trl-sft"


def test_an_unknown_trainer_is_answered_with_the_near_names() -> None:
    with pytest.raises(TrainerNotFound, match="no trainer is called 'torch-repaly': use torch-replay"):
        find_trainer("torch-repaly")
