"""The settings of `trl-grpo`."""

from __future__ import annotations

from pydantic import Field

from leyden_trainers.online.config import OnlineConfig


class GrpoConfig(OnlineConfig):
    """server: URL of a policy server that takes weights by `/admin/load`; None starts one
    server_model:  the name it serves the model under; None takes the first it lists
    server_patience_s: seconds to wait for that server when it does not answer
    device:        torch device of the server that is started
    weights:       folder in which weights are handed over, read by the server too; None is one beside `out`
    failed_reward: what a rollout earns whose agent failed or took too long; None leaves such rollouts out
    max_staleness: train on turns that are at most so many policy versions old; older ones are left out, and counted
    """

    server: str | None = None
    server_model: str | None = None
    server_patience_s: float = Field(default=60.0, ge=0)
    device: str = "cpu"
    weights: str | None = None
    failed_reward: float | None = None
    max_staleness: int = Field(default=0, ge=0)
