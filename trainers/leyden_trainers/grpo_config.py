"""The settings of `trl-grpo`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from leyden_trainers.plugin import TrainerConfig


class GrpoConfig(TrainerConfig):
    """tasks: JSON Lines of `{"id", "input", …}`; None takes the inputs of the selected rollouts
    agent:         `package.module:function`, `file.py:function`, or a command with `{input}`
    runner:        how agents are started: the name of an installed runner
    runner_settings: further settings of that runner, as JSON
    concurrency:   rollouts at a time
    timeout_s:     seconds a rollout may take before it is killed
    server:        URL of a policy server that takes weights by `/admin/load`; None starts one
    server_model:  the name it serves the model under; None takes the first it lists
    server_patience_s: seconds to wait for that server when it does not answer
    device:        torch device of the server that is started
    weights:       folder in which weights are handed over, read by the server too; None is one beside `out`
    reward:        a reward function by name, or `module:function`; None takes rewards that the agent reports or
                   somebody posts
    reward_settings: settings of that function, as JSON
    reward_wait_s: seconds to wait for rewards that somebody posts
    failed_reward: what a rollout earns whose agent failed or took too long; None leaves such rollouts out
    wait_s:        seconds to wait until a rollout that ended is stored whole; it is left out, and counted, after that
    max_staleness: train on turns that are at most so many policy versions old; older ones are left out, and counted
    """

    tasks: str | None = None
    agent: str
    runner: str = "local"
    runner_settings: dict[str, Any] = Field(default_factory=dict)
    concurrency: int = Field(default=8, ge=1)
    timeout_s: float = Field(default=300.0, gt=0)
    server: str | None = None
    server_model: str | None = None
    server_patience_s: float = Field(default=60.0, ge=0)
    device: str = "cpu"
    weights: str | None = None
    reward: str | None = None
    reward_settings: dict[str, str] = Field(default_factory=dict)
    reward_wait_s: float = Field(default=0.0, ge=0)
    failed_reward: float | None = None
    wait_s: float = Field(default=30.0, gt=0)
    max_staleness: int = Field(default=0, ge=0)
