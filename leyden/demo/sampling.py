"""The demo's rollouts: the unmodified agent run on tasks, recorded, and rewarded from outside by rollout id."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leyden.demo import agent
from leyden.demo.tasks import Task, reward
from leyden.posting import post_json
from leyden.processes import finish, flags
from leyden_instrumentation.launch import environment

CONCURRENCY = 16


@dataclass(frozen=True, slots=True)
class Sampler:
    """Runs the agent against a policy server, recorded by a collector."""

    collector: str
    policy: str

    def run(self, name: str, tasks: Sequence[Task], *, policy_version: str) -> dict[str, float]:
        """One rollout a task, all in one process; their rewards, as posted. Rollout ids begin with `name/`."""
        attempts: dict[str, int] = {}
        lines, task_of = [], {}
        for task in tasks:
            attempt = attempts[task.id] = attempts.get(task.id, -1) + 1
            rollout_id = f"{name}/{task.id}/{attempt}"
            task_of[rollout_id] = task
            lines.append({"rollout_id": rollout_id, "group_id": task.id, "attempt": attempt, "input": task.input})
        env = environment(
            {**os.environ, "OPENAI_BASE_URL": self.policy, "OPENAI_API_KEY": "none", "OPENAI_MODEL": "demo"},
            endpoint=self.collector,
            project="demo",
            policy_version=policy_version,
        )
        env.pop("LEYDEN_ROLLOUT_ID", None)  # each task has its own
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".jsonl") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
            file.flush()
            agent_and_tasks = [f"{Path(agent.__file__)}:solve", file.name]
            printed = finish(
                ["leyden_instrumentation.tasks", *agent_and_tasks, *flags(concurrency=CONCURRENCY)], env=env
            )
        rewards = {}
        for line in map(json.loads, printed.splitlines()):
            if "output" in line:  # a rollout that failed has no reward, not a reward of 0
                rewards[line["rollout_id"]] = reward(task_of[line["rollout_id"]], line["output"])
        self.post(rewards)
        return rewards

    def load(self, checkpoint: Path, version: str) -> None:
        """Swap other weights into the policy server."""
        server = self.policy.removesuffix("/v1")
        post_json(f"{server}/admin/load", {"path": str(checkpoint), "policy_version": version})

    def post(self, rewards: Mapping[str, float], *, name: str = "reward") -> None:
        """Give rewards by rollout id."""
        post_json(
            f"{self.collector}/api/rewards", [{"rollout_id": r, "name": name, "value": v} for r, v in rewards.items()]
        )
