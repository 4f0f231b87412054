"""The settings that trainers share whose rollouts are made while they train."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from leyden_exporters.scoring import RewardFunction, find_reward
from leyden_trainers.online.runner import Runner, start_runner
from leyden_trainers.plugin import TrainerConfig


class OnlineConfig(TrainerConfig):
    """tasks: JSON Lines of `{"id", "input", …}`; None takes the inputs of the selected rollouts
    agent:         `package.module:function`, `file.py:function`, or a command with `{input}`
    runner:        how agents are started: the name of an installed runner
    runner_settings: further settings of that runner, as JSON
    concurrency:   rollouts at a time
    timeout_s:     seconds a rollout may take before it is killed
    reward:        a reward function by name, or `module:function`; None takes rewards that the agent reports or
                   somebody posts
    reward_settings: settings of that function, as JSON
    reward_wait_s: seconds to wait for rewards that somebody posts
    wait_s:        seconds to wait until a rollout that ended is stored whole; it is left out, and counted, after that
    """

    tasks: str | None = None
    agent: str
    runner: str = "local"
    runner_settings: dict[str, Any] = Field(default_factory=dict)
    concurrency: int = Field(default=8, ge=1)
    timeout_s: float = Field(default=300.0, gt=0)
    reward: str | None = None
    reward_settings: dict[str, str] = Field(default_factory=dict)
    reward_wait_s: float = Field(default=0.0, ge=0)
    wait_s: float = Field(default=30.0, gt=0)

    def reward_function(self) -> RewardFunction | None:
        """The function that judges rollouts; None where they are rewarded by others. Raises as `find_reward`."""
        return find_reward(self.reward, self.reward_settings) if self.reward else None

    def start_runner(self, collector: str) -> Runner:
        """The runner, whose agents send their spans to that collector. Raises RunnerInvalid."""
        common = {
            "agent": self.agent,
            "collector": collector,
            "concurrency": self.concurrency,
            "timeout_s": self.timeout_s,
        }
        return start_runner(self.runner, {**common, **self.runner_settings})
