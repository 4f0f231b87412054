"""What a runner is: the way agents are started on tasks. Which one is an execution strategy, chosen by name.

A runner starts unmodified agents and says how each ended; what they did goes to the collector as spans, and never
through here. Runners are plugins: classes under the entry point group `leyden.runners`.
"""

from __future__ import annotations

import difflib
import json
import os
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leyden_instrumentation.launch import environment
from leyden_trainers.errors import RunnerInvalid
from leyden_trainers.online.tasks import Task

GROUP = "leyden.runners"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One rollout to make. attempt: counted by who has to start it again."""

    rollout_id: str
    group_id: str
    attempt: int
    task: Task


@dataclass(frozen=True, slots=True)
class Policy:
    """What agents are run under.

    base_url: the model server's, OpenAI-compatible, with its /v1; "" leaves agents to what the environment says
    prompts:  texts in place of the collector's prompts: name → {"version", "text"}, as `leyden.prompt` reads them
    """

    base_url: str
    model: str
    version: str
    prompts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a rollout ended.

    output:    what the agent gave: a function's result, or what a command printed
    error:     why it failed, in one line; None when it ended well
    attempts:  how often it was started
    timed_out: whether it failed by taking too long
    """

    rollout_id: str
    output: Any | None
    error: str | None
    attempts: int = 1
    timed_out: bool = False


class RunnerConfig(BaseModel):
    """Settings common to all runners.

    agent:       `package.module:function`, `file.py:function`, or a command, in which `{input}` stands for the task's
                 input; a command without it reads the input from stdin
    collector:   base URL of the collector that agents send their spans to
    project:     the project of their spans; None is what the environment says
    concurrency: rollouts at a time
    timeout_s:   seconds a rollout may take before it is killed
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent: str
    collector: str
    project: str | None = None
    concurrency: int = Field(default=8, ge=1)
    timeout_s: float = Field(default=300.0, gt=0)


class Runner(Protocol):
    """Starts agents. Made from its `Config`; raises RunnerInvalid when the agent is none that it can start."""

    Config: type[RunnerConfig]

    def __init__(self, config: Any) -> None: ...

    def run(self, work: Sequence[Assignment], policy: Policy) -> Iterator[Ran]:
        """Make the rollouts; gives each exactly once, in the order they end. What is not taken is called off."""
        ...

    def close(self) -> None:
        """End whatever still runs."""
        ...


def as_they_end(answers: queue.SimpleQueue[Ran], count: int, call_off: Callable[[], None]) -> Iterator[Ran]:
    """So many answers that threads give; where not all are taken, the rest is called off."""
    taken = 0
    try:
        while taken < count:
            found = answers.get()
            taken += 1
            yield found
    finally:
        if taken < count:
            call_off()


def start_runner(name: str, settings: Mapping[str, Any]) -> Runner:
    """The installed runner of that name, with its settings. Raises RunnerInvalid, with the near names."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        near = difflib.get_close_matches(name, points, n=3, cutoff=0.4) or sorted(points)
        raise RunnerInvalid(f"no runner is called {name!r}: use {' or '.join(near) or 'one that is installed'}")
    cls: type[Runner] = points[name].load()
    try:
        config = cls.Config.model_validate(dict(settings))
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].lower()}" for fault in error.errors())
        raise RunnerInvalid(f"the runner {name} refuses its settings: {'; '.join(faults)}") from error
    return cls(config)


def agent_environment(config: RunnerConfig, policy: Policy, assignment: Assignment | None = None) -> dict[str, str]:
    """This process's environment, with what points an agent at the policy and its spans at the collector.

    assignment: the rollout the process is; None for a process that makes many, each told its own
    """
    env = environment(
        os.environ,
        endpoint=config.collector,
        project=config.project,
        rollout_id=assignment.rollout_id if assignment else None,
        group_id=assignment.group_id if assignment else None,
        attempt=assignment.attempt if assignment else None,
        policy_version=(policy.version or None) if assignment else None,
    )
    if assignment is None:
        for name in ("LEYDEN_ROLLOUT_ID", "LEYDEN_GROUP_ID", "LEYDEN_ATTEMPT", "LEYDEN_POLICY_VERSION"):
            env.pop(name, None)
    if policy.prompts:
        env["LEYDEN_PROMPTS"] = json.dumps(policy.prompts)
    if policy.base_url:
        env |= dict.fromkeys(("OPENAI_BASE_URL", "OPENAI_API_BASE"), policy.base_url)
    if policy.model:
        env["OPENAI_MODEL"] = policy.model
    env.setdefault("OPENAI_API_KEY", "none")
    return env
