"""The settings of `torch-replay`."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from leyden_trainers.plugin import TrainerConfig


class Loss(StrEnum):
    """How a token's advantage moves its probability. `ratio` is its probability now over when it was sampled."""

    PPO_CLIP = "ppo-clip"
    """−min(ratio·A, clip(ratio)·A): https://arxiv.org/abs/1707.06347"""
    CISPO = "cispo"
    """−stop(clip(ratio))·A·log p: clipped tokens keep their gradient. https://arxiv.org/abs/2506.13585"""
    REINFORCE = "reinforce"
    """−A·log p: takes the samples for the present policy's."""
    AWR = "awr"
    """−min(exp(A/β), limit)·log p: weighted imitation. https://arxiv.org/abs/1910.00177"""


class ReplayConfig(TrainerConfig):
    """loss: how advantages move probabilities
    clip_low, clip_high: for ppo-clip and cispo, the ratio is held between 1 − clip_low and 1 + clip_high
    kl: weight of the estimated KL(sampling policy ‖ policy) of each token, which draws the policy back to its data
    awr_beta, awr_limit: for awr, β of the exponent and the largest weight
    retokenised: take rows whose ids were made afterwards, or that lack logprobs: tokens the policy may never have
        sampled. Only for losses that need no logprobs: reinforce and awr, without kl; diagnostics then say nothing
    """

    loss: Loss = Loss.PPO_CLIP
    clip_low: float = Field(default=0.2, ge=0, le=1)
    clip_high: float = Field(default=0.2, ge=0)
    kl: float = Field(default=0.0, ge=0)
    awr_beta: float = Field(default=1.0, gt=0)
    awr_limit: float = Field(default=20.0, gt=0)
    retokenised: bool = False

    @model_validator(mode="after")
    def _needs_no_logprobs(self) -> Self:
        if self.retokenised and (self.loss not in (Loss.REINFORCE, Loss.AWR) or self.kl):
            raise ValueError("retokenised rows have no logprobs: train them with loss=reinforce or loss=awr, and kl=0")
        return self
