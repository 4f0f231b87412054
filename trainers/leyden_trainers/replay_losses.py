"""Policy losses on stored samples, and what they say about how far the policy has moved. Pure tensors.

Throughout, [B, T] tensors hold one row a trajectory; `weights` is 0 off the loss mask.
"""

from __future__ import annotations

import torch

from leyden_trainers.replay_config import Loss, ReplayConfig

Tensor = torch.Tensor


def token_losses(config: ReplayConfig, new: Tensor, old: Tensor, advantages: Tensor) -> Tensor:
    """The loss of each token [B, T], from its log-probability now (`new`, with gradient) and at sampling (`old`)."""
    losses = _policy_losses(config, new, old, advantages)
    return losses + config.kl * kl_estimates(new, old) if config.kl else losses


def kl_estimates(new: Tensor, old: Tensor) -> Tensor:
    """ratio − 1 − log ratio: never negative, and KL(old ‖ new) on average. http://joschu.net/blog/kl-approx.html"""
    return torch.exp(new - old) - 1 - (new - old)


def _policy_losses(config: ReplayConfig, new: Tensor, old: Tensor, advantages: Tensor) -> Tensor:
    low, high = 1 - config.clip_low, 1 + config.clip_high
    match config.loss:
        case Loss.PPO_CLIP:
            ratio = torch.exp(new - old)
            return -torch.minimum(ratio * advantages, ratio.clamp(low, high) * advantages)
        case Loss.CISPO:
            return -torch.exp(new - old).clamp(low, high).detach() * advantages * new
        case Loss.REINFORCE:
            return -advantages * new
        case Loss.AWR:
            return -torch.exp(advantages / config.awr_beta).clamp(max=config.awr_limit) * new


@torch.no_grad()
def diagnostics(config: ReplayConfig, new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor) -> dict[str, float]:
    """How far the policy stands from the one that sampled.

    ratio:         mean over tokens
    clip_fraction: share of tokens whose ratio is clipped against the direction of their advantage
    ess:           effective sample size of the trajectories under their importance weights, as a share of them
    kl:            estimate of KL(sampling policy ‖ policy) a token: the mean of ratio − 1 − log ratio
    """
    moved = torch.where(mask, new - old, 0.0)
    ratio = torch.exp(moved)
    count = mask.sum().clamp(min=1)
    clipped = ((ratio > 1 + config.clip_high) & (advantages > 0)) | ((ratio < 1 - config.clip_low) & (advantages < 0))
    weight = torch.softmax(moved.sum(1), 0)
    return {
        "ratio": float(ratio[mask].sum() / count),
        "clip_fraction": float((clipped & mask).sum() / count),
        "ess": float(1 / (weight**2).sum() / len(weight)),
        "kl": float(kl_estimates(moved, torch.zeros_like(moved))[mask].sum() / count),
    }
