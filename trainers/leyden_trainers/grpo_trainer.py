"""The training loop of `trl-grpo`: TRL's GRPOTrainer on rollouts that agents made, with the probabilities they had.

TRL takes one row a rollout and, unless vLLM samples, forms ratios with the policy's own logprobs, which are always 1.
Here a rollout has as many rows as it forks into, and the ratio's old logprobs are those the server sampled with.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from leyden_trainers.online.step import Row, Step
from leyden_trainers.replay_config import ReplayConfig
from leyden_trainers.replay_losses import diagnostics

Source = Callable[["OnlineGRPOTrainer", Sequence[str]], Step]
"""Makes a step's rollouts with the trainer's weights: one for each task id, in that order."""

_MEAN_OF_ROWS = frozenset({"grpo", "sapo"})
"""Losses that are a mean over rows of their mean token: rows of one rollout share its vote there. In the others a token
counts by itself, wherever it stands."""


class OnlineGRPOTrainer(GRPOTrainer):
    """GRPO whose rollouts come from `source`."""

    def __init__(
        self,
        source: Source,
        task_ids: Sequence[str],
        *,
        model: Any,
        args: GRPOConfig,
        tokenizer: PreTrainedTokenizerBase,
    ) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You are using 'rollout_func'", UserWarning)
            super().__init__(
                model=model,
                reward_funcs=[earned],
                args=args,
                train_dataset=Dataset.from_dict({"prompt": list(task_ids)}),
                processing_class=tokenizer,
                rollout_func=_prepared,
            )
        self._source = source
        self._logps: torch.Tensor | None = None
        self.prepared: dict[str, Any] = {}

    def save_weights(self, folder: Path) -> None:
        """Write the weights there are now as a model of its own, adapters merged in."""
        state = self.accelerator.get_state_dict(self.model)
        model = self.accelerator.unwrap_model(self.model)
        if hasattr(model, "merge_and_unload"):
            copy.deepcopy(model).merge_and_unload().save_pretrained(folder)
        else:
            model.save_pretrained(folder, state_dict=state)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        step = self._source(self, [one["prompt"] for one in inputs])
        rows, owners = self._rows(step)
        self.prepared = {
            "prompt_ids": [row.prompt_ids for row in rows],
            "completion_ids": [row.completion_ids for row in rows],
            "logprobs": [row.logps for row in rows],
            "env_mask": [row.mask for row in rows],
            "reward": [one.reward for one in step.copies] + [None] * (len(rows) - len(inputs)),
        }
        padding: list[dict[str, Any]] = [{"prompt": ""} for _ in range(len(rows) - len(inputs))]
        out: dict[str, Any] = super()._generate_and_score_completions([*map(dict, inputs), *padding])
        out["old_per_token_logps"] = out["sampling_per_token_logps"]
        out["advantages"] = out["advantages"][owners] * self._weights(rows, owners).to(out["advantages"])
        for name, value in step.measured().items():
            self._metrics["train"][name].append(float(value))
        return out

    def _rows(self, step: Step) -> tuple[list[Row], torch.Tensor]:
        """One row a rollout, as TRL wants them, then what rollouts fork into beyond that; and whose each row is.

        Rows that train nothing stand in for rollouts without any, and fill up what has to be divided evenly.
        """
        nothing = Row([self._tokenizer.eos_token_id], [self._tokenizer.eos_token_id], [0], [0.0])
        rows = [one.rows[0] if one.rows else nothing for one in step.copies]
        owners = list(range(len(rows)))
        for owner, one in enumerate(step.copies):
            rows += one.rows[1:]
            owners += [owner] * len(one.rows[1:])
        args: Any = self.args
        evenly = math.lcm(args.num_generations, args.steps_per_generation)
        count = evenly * math.ceil(len(rows) / evenly)
        count = int(self.accelerator.gather(torch.tensor([count], device=self.accelerator.device)).max())
        missing = count - len(rows)
        return rows + [nothing] * missing, torch.tensor(owners + [0] * missing)

    def _weights(self, rows: Sequence[Row], owners: torch.Tensor) -> torch.Tensor:
        """float [rows]: what a row's advantage is multiplied with, so that every trained rollout has one vote."""
        tokens = torch.tensor([float(row.trained) for row in rows])
        if self.loss_type not in _MEAN_OF_ROWS:
            return (tokens > 0).float()
        whole = torch.zeros(len(rows)).index_add(0, owners, tokens)
        device = self.accelerator.device
        rollouts = int(self.accelerator.gather((whole > 0).sum().reshape(1).to(device)).sum())
        everything = len(rows) * self.accelerator.num_processes
        shares: torch.Tensor = tokens / whole[owners].clamp(min=1)
        return shares.mul(everything / max(rollouts, 1))

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        found = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        self._logps = found[0].detach()
        return found

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        loss: torch.Tensor = super()._compute_loss(model, inputs)  # type: ignore[no-untyped-call]
        assert self._logps is not None
        mask = (inputs["completion_mask"] * inputs["tool_mask"]).bool()
        old = inputs["old_per_token_logps"]
        apart = (self._logps - old).abs()[mask]
        clip = ReplayConfig(clip_low=min(self.epsilon_low, 1.0), clip_high=self.epsilon_high)
        measured = diagnostics(clip, self._logps, old, inputs["advantages"][:, None], mask)
        if len(apart):
            measured |= {"logp_difference/mean": float(apart.mean()), "logp_difference/max": float(apart.max())}
        for name, value in measured.items():
            self._metrics["train"][f"policy/{name}"].append(value)
        return loss


def earned(reward: Sequence[float | None], **_: Any) -> list[float | None]:
    """The reward function that TRL asks: the rewards are there already."""
    return list(reward)


def _prepared(_: list[str], trainer: GRPOTrainer) -> dict[str, Any]:
    """The rollout function that TRL asks: the rollouts are there already."""
    assert isinstance(trainer, OnlineGRPOTrainer)
    return trainer.prepared
