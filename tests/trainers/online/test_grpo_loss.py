"""`trl-grpo`'s loss and gradient against GRPO written out by hand, token by token."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
import torch
from trl.trainer.grpo_config import GRPOConfig

from leyden_exporters.build import trajectory_table
from leyden_store.turns import Rollout
from leyden_trainers import running
from leyden_trainers.grpo_config import GrpoConfig
from leyden_trainers.grpo_trainer import OnlineGRPOTrainer
from leyden_trainers.models import load_model, load_tokenizer, quiet
from leyden_trainers.online.step import Copy, Fate, Row, Step, rows_of
from tests.support.tiny_policy import Played, changed

GROUP = 4


@pytest.fixture(autouse=True)
def hushed() -> Iterator[None]:
    """What a run does: TRL asks for names that transformers has given up."""
    with quiet():
        yield


@pytest.fixture(scope="module")
def moved(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy some way from the one that sampled: ratios on both sides of the clip."""
    return changed(tiny, tmp_path_factory.mktemp("moved") / "model")


def copies_of(rollouts: Sequence[Rollout]) -> list[Copy]:
    """Rollouts as a step gives them, group by group."""
    rows = rows_of(trajectory_table(rollouts)[0])
    ordered = sorted(rollouts, key=lambda rollout: rollout.group_id)
    return [Copy(one.rollout_id, Fate.TRAINED, one.reward(), rows[one.rollout_id]) for one in ordered]


@pytest.fixture(scope="module")
def copies(played: list[Played]) -> list[Copy]:
    """Five groups: in one a rollout failed, in one a rollout was rewarded and had nothing to train."""
    made = copies_of([one.rollout for one in played])[: 5 * GROUP]
    made[1] = replace(made[1], fate=Fate.FAILED, reward=None, rows=())
    made[6] = replace(made[6], fate=Fate.NOTHING_USABLE, rows=())
    return made


def trainer(model: Path, step: Step, folder: Path, **training: Any) -> Any:
    arguments = running.training_arguments(
        GRPOConfig,
        folder,
        GrpoConfig(agent="a", training=training),
        num_generations=GROUP,
        per_device_train_batch_size=len(step.copies),
        loss_type="grpo",
        bf16=False,
        gradient_checkpointing=None,
        activation_checkpointing=False,
    )
    made: Any = OnlineGRPOTrainer(
        lambda _, ids: step,
        [str(i) for i in range(len(step.copies))],
        model=load_model(str(model)),
        args=arguments,
        tokenizer=load_tokenizer(str(model)),
    )
    made.model.train()
    made.current_gradient_accumulation_steps = 1
    return made


def batch(made: Any, step: Step) -> dict[str, torch.Tensor]:
    out: dict[str, torch.Tensor] = made._generate_and_score_completions(
        [{"prompt": str(i)} for i in range(len(step.copies))]
    )
    return out


def gradient(model: Any, loss: torch.Tensor) -> torch.Tensor:
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(model.parameters()))])


def advantages(copies: Sequence[Copy]) -> list[float]:
    """(reward − mean) / (deviation over n − 1, + 1e-4) among those of the group that have a reward."""
    found = []
    for start in range(0, len(copies), GROUP):
        rewards = [one.reward for one in copies[start : start + GROUP]]
        known = [reward for reward in rewards if reward is not None]
        spread = stdev(known) + 1e-4
        found += [0.0 if reward is None else (reward - mean(known)) / spread for reward in rewards]
    return found


def by_hand(model: Any, copies: Sequence[Copy], shift: float = 0.0) -> tuple[torch.Tensor, list[bool]]:
    """The mean over trained rollouts of the mean over their tokens, a row and a token at a time; which are clipped."""
    rollouts, clipped = [], []
    for one, advantage in zip(copies, advantages(copies), strict=True):
        losses = []
        for row in one.rows:
            ids = [*row.prompt_ids, *row.completion_ids]
            logits = model(input_ids=torch.tensor([ids])).logits[0]
            for t, (mask, old) in enumerate(zip(row.mask, row.logps, strict=True), start=len(row.prompt_ids)):
                if mask:
                    ratio = torch.exp(logits[t - 1].log_softmax(-1)[ids[t]] - old - shift)
                    held = ratio.clamp(0.8, 1.2)
                    clipped.append(bool(ratio * advantage > held * advantage))
                    losses.append(-torch.minimum(ratio * advantage, held * advantage))
        if losses:
            rollouts.append(torch.stack(losses).mean())
    return torch.stack(rollouts).mean(), clipped


def test_loss_and_gradient_are_those_of_a_reference(moved: Path, copies: list[Copy], tmp_path: Path) -> None:
    step = Step(copies)
    made = trainer(moved, step, tmp_path)
    loss = made._compute_loss(made.model, batch(made, step))
    expected, clipped = by_hand(made.model, copies)
    assert 0.02 < mean(clipped) < 0.9, "some tokens are clipped, some are not"
    torch.testing.assert_close(loss, expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(gradient(made.model, loss), gradient(made.model, expected), atol=1e-6, rtol=1e-5)
    assert made._metrics["train"]["policy/clip_fraction"][-1] == pytest.approx(mean(clipped), abs=1e-6)


def test_shifting_the_stored_logprobs_changes_the_gradient(tiny: Path, copies: list[Copy], tmp_path: Path) -> None:
    """By a tenth of a nat: every ratio is then exp(0.1), inside the clip, and the gradient that much longer."""

    def lower(row: Row) -> Row:
        return replace(row, logps=[logp - 0.1 * mask for logp, mask in zip(row.logps, row.mask, strict=True)])

    made = trainer(tiny, Step(copies), tmp_path)
    first = gradient(made.model, made._compute_loss(made.model, batch(made, Step(copies))))
    shifted = Step([replace(one, rows=[lower(row) for row in one.rows]) for one in copies])
    made._source = lambda _, ids: shifted
    other = gradient(made.model, made._compute_loss(made.model, batch(made, shifted)))
    assert first.norm() > 1e-3
    torch.testing.assert_close(other, first * math.exp(0.1), atol=1e-5, rtol=1e-3)


def test_the_server_s_logprobs_are_those_of_the_same_weights(tiny: Path, copies: list[Copy], tmp_path: Path) -> None:
    made = trainer(tiny, Step(copies), tmp_path)
    made._compute_loss(made.model, batch(made, Step(copies)))
    assert made._metrics["train"]["policy/logp_difference/max"][-1] < 1e-4
    assert made._metrics["train"]["policy/ess"][-1] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("minibatches", [1, 2])
def test_a_rollout_of_two_trajectories_weighs_as_much_as_one_of_one(
    moved: Path, played: list[Played], tmp_path: Path, minibatches: int
) -> None:
    """Its second turn is made to fork, so that it is a row of its own: the loss is still the mean over rollouts."""
    rollouts = [one.rollout for one in played]
    place = next(i for i, one in enumerate(rollouts) if len(one.turns) == 2)
    first, second = rollouts[place].turns
    forked = replace(second, prompt_token_ids=[second.prompt_token_ids[0], *second.prompt_token_ids])  # type: ignore[index, misc]
    rollouts[place] = replace(rollouts[place], turns=(first, forked))
    everything = copies_of(rollouts)
    start = next(i for i, one in enumerate(everything) if len(one.rows) == 2) // GROUP * GROUP
    copies = (everything + everything)[start : start + 2 * GROUP]
    step = Step(copies)
    made = trainer(
        moved,
        step,
        tmp_path,
        per_device_train_batch_size=len(copies) // minibatches,
        steps_per_generation=minibatches,
        gradient_accumulation_steps=minibatches,
    )
    made.current_gradient_accumulation_steps = minibatches
    losses = []
    for number in range(minibatches):
        made._step = number
        inputs = made._prepare_inputs([{"prompt": str(i)} for i in range(len(copies))])
        losses.append(made._compute_loss(made.model, inputs))
    expected, _ = by_hand(made.model, copies)
    assert made.prepared["reward"].count(None) == len(made.prepared["reward"]) - len(copies)
    torch.testing.assert_close(torch.stack(losses).sum(), expected, atol=1e-6, rtol=1e-6)


def test_a_step_counts_what_became_of_its_rollouts(copies: list[Copy]) -> None:
    numbers = Step(copies, dropped={"stale": 2}, counts={"staleness": 1.0}).measured()
    assert (numbers["rollouts/trained"], numbers["rollouts/failed"], numbers["rollouts/nothing_usable"]) == (18, 1, 1)
    assert (numbers["rollouts/timed_out"], numbers["dropped/stale"], numbers["staleness"]) == (0, 2, 1.0)
