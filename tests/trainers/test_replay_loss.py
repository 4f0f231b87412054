"""`torch-replay`'s losses and gradients against references written out by hand, token by token."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from leyden_exporters.build import trajectory_table
from leyden_trainers.models import load_model
from leyden_trainers.replay_config import Loss, ReplayConfig
from leyden_trainers.replay_trainer import Rows, batch_loss, collate
from tests.support.tiny_policy import Played, changed


@pytest.fixture(scope="session")
def moved(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A policy some way from the one that sampled: ratios on both sides of the clip."""
    return load_model(str(changed(tiny, tmp_path_factory.mktemp("moved") / "model")))


def ppo_clip(now: torch.Tensor, then: float, advantage: float) -> torch.Tensor:
    ratio = torch.exp(now - then)
    held = min(max(ratio.item(), 0.8), 1.3)
    return -ratio * advantage if ratio.item() * advantage <= held * advantage else -torch.tensor(held * advantage)


def cispo(now: torch.Tensor, then: float, advantage: float) -> torch.Tensor:
    return -min(max(math.exp(now.item() - then), 0.8), 1.3) * advantage * now


def reinforce(now: torch.Tensor, then: float, advantage: float) -> torch.Tensor:
    return -advantage * now


def awr(now: torch.Tensor, then: float, advantage: float) -> torch.Tensor:
    return -min(math.exp(advantage / 0.5), 3.0) * now


def kl(now: torch.Tensor, then: float) -> torch.Tensor:
    return torch.exp(now - then) - 1 - (now - then)


REFERENCES = {Loss.PPO_CLIP: ppo_clip, Loss.CISPO: cispo, Loss.REINFORCE: reinforce, Loss.AWR: awr}


def settings(loss: Loss) -> ReplayConfig:
    return ReplayConfig(loss=loss, clip_low=0.2, clip_high=0.3, awr_beta=0.5, awr_limit=3.0)


def by_hand(model: Any, table: pa.Table, token_loss: Callable[..., torch.Tensor]) -> torch.Tensor:
    """The mean over rollouts of the mean over a rollout's tokens: a row at a time, no padding, a token at a time."""
    rollouts: dict[str, list[torch.Tensor]] = {}
    for row in table.to_pylist():
        logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0]
        for t in range(1, len(row["input_ids"])):
            if row["loss_mask"][t]:
                now = logits[t - 1].log_softmax(-1)[row["input_ids"][t]]
                loss = token_loss(now, row["old_logps"][t], row["advantages"][t])
                rollouts.setdefault(row["rollout_id"], []).append(loss)
    return torch.stack([torch.stack(losses).mean() for losses in rollouts.values()]).mean()


def gradient(model: Any, loss: torch.Tensor) -> torch.Tensor:
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(model.parameters()))])


def batch_gradient(model: Any, table: pa.Table, loss: Loss) -> torch.Tensor:
    return gradient(model, batch_loss(settings(loss), model, collate(list(Rows(table))))[0])


@pytest.mark.parametrize("loss", list(Loss))
def test_loss_and_gradient_are_those_of_a_reference(moved: Any, table: pa.Table, loss: Loss) -> None:
    made, measured = batch_loss(settings(loss), moved, collate(list(Rows(table))))
    expected = by_hand(moved, table, REFERENCES[loss])
    assert 0.02 < measured["clip_fraction"] < 0.9, "some tokens are clipped, some are not"
    torch.testing.assert_close(made, expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(gradient(moved, made), gradient(moved, expected), atol=1e-6, rtol=1e-5)


def test_the_kl_term_is_added_to_every_token(moved: Any, table: pa.Table) -> None:
    config = settings(Loss.REINFORCE).model_copy(update={"kl": 0.3})
    made, measured = batch_loss(config, moved, collate(list(Rows(table))))

    def reference(now: torch.Tensor, then: float, advantage: float) -> torch.Tensor:
        return reinforce(now, then, advantage) + 0.3 * kl(now, then)

    expected = by_hand(moved, table, reference)
    torch.testing.assert_close(made, expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(gradient(moved, made), gradient(moved, expected), atol=1e-6, rtol=1e-5)
    assert measured["kl"] > 0.001


@pytest.mark.parametrize("loss", [Loss.PPO_CLIP, Loss.CISPO])
def test_shifting_the_stored_logprobs_changes_the_gradient(tiny: Path, table: pa.Table, loss: Loss) -> None:
    """By a tenth of a nat: every ratio is then exp(0.1), inside the clip, and the gradient that much longer."""
    model = load_model(str(tiny))
    place = table.schema.get_field_index("old_logps")
    rows = zip(table["old_logps"].to_pylist(), table["loss_mask"].to_pylist(), strict=True)
    lower = [[logp - 0.1 * mask for logp, mask in zip(*row, strict=True)] for row in rows]
    shifted = table.set_column(place, table.schema.field(place), pa.array(lower, pa.list_(pa.float32())))
    made, other = batch_gradient(model, table, loss), batch_gradient(model, shifted, loss)
    torch.testing.assert_close(other, made * math.exp(0.1), atol=1e-5, rtol=1e-3)


def test_nothing_has_moved_where_the_weights_are_those_that_sampled(tiny: Path, table: pa.Table) -> None:
    _, measured = batch_loss(settings(Loss.PPO_CLIP), load_model(str(tiny)), collate(list(Rows(table))))
    assert measured == {
        "ratio": pytest.approx(1, abs=1e-5),
        "clip_fraction": 0,
        "ess": pytest.approx(1, abs=1e-5),
        "kl": pytest.approx(0, abs=1e-6),
    }


def test_diagnostics_say_how_far_the_policy_has_moved(moved: Any, table: pa.Table) -> None:
    _, measured = batch_loss(settings(Loss.PPO_CLIP), moved, collate(list(Rows(table))))
    assert 0 < measured["ess"] < 0.9
    assert measured["kl"] > 0.001


def test_a_rollout_of_two_trajectories_weighs_as_much_as_one_of_one(moved: Any, played: list[Played]) -> None:
    """Its second turn is made to fork, so that it is a row of its own: the loss is still the mean over rollouts."""
    rollouts = [one.rollout for one in played if len(one.rollout.turns) == 2][:6]
    first, second = rollouts[0].turns
    forked = replace(second, prompt_token_ids=[second.prompt_token_ids[0], *second.prompt_token_ids])  # type: ignore[index, misc]
    rollouts[0] = replace(rollouts[0], turns=(first, forked))
    table, _ = trajectory_table(rollouts)
    assert table.num_rows == len(rollouts) + 1
    place = table.schema.get_field_index("advantages")
    ones = pa.array([[float(m) for m in row] for row in table["loss_mask"].to_pylist()], pa.list_(pa.float32()))
    table = table.set_column(place, table.schema.field(place), ones)
    made, _ = batch_loss(settings(Loss.REINFORCE), moved, collate(list(Rows(table))))
    torch.testing.assert_close(made, by_hand(moved, table, reinforce), atol=1e-6, rtol=1e-6)
