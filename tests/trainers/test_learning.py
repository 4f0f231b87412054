"""Training on stored rollouts makes the policy better at held-out tasks, and shuffled rewards do not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from leyden.demo import recipe
from leyden.demo.tasks import tasks
from leyden_exporters.build import trajectory_table
from leyden_trainers.plugin import find_trainer
from leyden_trainers.settings import config_from_sets
from tests.support.tiny_policy import Played, play, serving, tiny_policy

MARGIN = 0.35
"""Of the mean held-out reward, over what it was and over the control's: less than every seed showed."""


def score(model: Path, seed: int) -> float:
    with serving(model, seed=seed) as served:
        rollouts = play(served, tasks("heldout", recipe.HELD_OUT_ROLLOUTS, seed))
    return sum(one.reward for one in rollouts) / len(rollouts)


def train(played: Sequence[Played], rewards: Sequence[float], model: Path, out: Path, seed: int) -> Path:
    rollouts = [one.rewarded(value) for one, value in zip(played, rewards, strict=True)]
    trainer = find_trainer(recipe.TRAINER)
    config = config_from_sets(trainer, [*recipe.SETTINGS, f"seed={seed}"])
    table, _ = trajectory_table(rollouts, recipe.OPTIONS)
    return trainer.train(table, model=str(model), out=out, config=config).checkpoint


def gains(seed: int, folder: Path) -> tuple[float, float, float]:
    """Held-out reward before, after, and after training on shuffled rewards."""
    base = tiny_policy(seed)
    with serving(base, seed=seed) as served:
        groups = tasks("train", recipe.TRAIN_ROLLOUTS // recipe.GROUP_SIZE, seed)
        played = play(served, groups * recipe.GROUP_SIZE)
    earned = [one.reward for one in played]
    shuffled = random.Random(seed).sample(earned, len(earned))
    trained = train(played, earned, base, folder / "trained", seed)
    control = train(played, shuffled, base, folder / "control", seed)
    return score(base, seed), score(trained, seed), score(control, seed)


def test_the_demo_s_recipe_beats_no_training_and_shuffled_rewards(tmp_path: Path) -> None:
    before, after, control = gains(0, tmp_path)
    assert 0.1 < before < 0.4
    assert after > before + MARGIN
    assert after > control + MARGIN


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.seeds) for seed in (2, 3, 4, 5))])
def test_it_does_so_whatever_the_seed(seed: int, tmp_path: Path) -> None:
    before, after, control = gains(seed, tmp_path)
    assert after > max(before, control) + MARGIN, (before, after, control)
