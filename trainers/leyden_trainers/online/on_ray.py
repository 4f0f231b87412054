"""The runner `ray`: every rollout is a task of a Ray cluster, which starts the agent on whichever node has room."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import ray
from pydantic import Field
from ray.exceptions import RayError, RayTaskError

from leyden_trainers.errors import RunnerInvalid
from leyden_trainers.online.lanes import Lane, open_lane
from leyden_trainers.online.runner import Assignment, Policy, Ran, RunnerConfig

_HANDED_ON = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_CERTIFICATE")
"""What agents on other nodes need of this environment to send their spans."""


_LOOK_S = 0.2


class RayConfig(RunnerConfig):
    """Settings of `ray`. concurrency is over the whole cluster.

    address:     the cluster's; None is what RAY_ADDRESS says, else a cluster of this machine's own, for this run
    cpus:        cores that a rollout takes of its node; agents mostly wait
    working_dir: a folder to be copied to the nodes, from which the agent is started
    max_tries:   how often a rollout is started whose node or process dies
    policy_url:  where the nodes reach the policy server, if not where this machine does
    """

    address: str | None = None
    cpus: float = Field(default=1.0, gt=0)
    working_dir: str | None = None
    max_tries: int = Field(default=3, ge=1)
    policy_url: str | None = None


class OnRay:
    """Rollouts as Ray tasks. Ray's own retries are off: a try that follows another is to be told by its attempt."""

    Config = RayConfig

    def __init__(self, config: RayConfig) -> None:
        """Join the cluster, or start one. Raises RunnerInvalid when none can be reached."""
        self._config = config
        self._ours = not ray.is_initialized()
        if self._ours:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody asked for reports to Ray's makers
            # A cluster that this starts keeps the processes of all that run at once, and the agents in them. Ray's own
            # limit, one for each core, has the others started anew for every step where rollouts take less than one.
            os.environ.setdefault("RAY_num_workers_soft_limit", str(config.concurrency))
            try:
                ray.init(
                    address=config.address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
                )
            except (ConnectionError, OSError, RuntimeError, ValueError) as error:
                raise RunnerInvalid(f"no Ray cluster at {config.address or 'RAY_ADDRESS'}: {error}") from error
        handed = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
        env: dict[str, Any] = {"env_vars": handed} if handed else {}
        if config.working_dir is not None:
            env["working_dir"] = config.working_dir
        self._task = ray.remote(num_cpus=config.cpus, max_retries=0, runtime_env=env)(run_here)
        self._running: dict[Any, Assignment] = {}

    def run(self, work: Sequence[Assignment], policy: Policy) -> Iterator[Ran]:
        """See `runner.Runner`."""
        told = replace(policy, base_url=self._config.policy_url or policy.base_url)
        waiting = list(reversed(work))
        first = {one.rollout_id: one.attempt for one in work}
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self._config.concurrency:
                    assignment = waiting.pop()
                    self._running[self._task.remote(self._config, assignment, told)] = assignment
                (done, *_), _ = ray.wait(list(self._running))
                assignment = self._running.pop(done)
                tries = assignment.attempt - first[assignment.rollout_id] + 1
                try:
                    yield replace(ray.get(done), attempts=tries)
                except RayTaskError as error:
                    yield Ran(assignment.rollout_id, None, _line(error), tries)
                except RayError as error:  # its process or node died
                    if tries < self._config.max_tries:
                        waiting.append(replace(assignment, attempt=assignment.attempt + 1))
                    else:
                        yield Ran(assignment.rollout_id, None, f"lost {tries} times: {_line(error)}", tries)
        finally:
            self._call_off()

    def close(self) -> None:
        """End what runs, and the cluster if it is this run's own."""
        self._call_off()
        if self._ours and ray.is_initialized():
            ray.shutdown()

    def _call_off(self) -> None:
        for running in self._running:
            ray.cancel(running)
        self._running.clear()


_lanes: dict[RunnerConfig, Lane] = {}
"""Of this process of Ray's, which runs one rollout at a time and is kept for the next."""


def run_here(config: RunnerConfig, assignment: Assignment, policy: Policy) -> Ran:
    """Make a rollout in this process of Ray's. Its agent ends when the rollout is called off."""
    lane = _lanes.get(config) or open_lane(config)
    _lanes[config] = lane
    answers: queue.SimpleQueue[Ran] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(lane.run(assignment, policy)), daemon=True).start()
    try:
        while True:  # Ray cancels by an interrupt that wakes nobody from waiting
            with suppress(queue.Empty):
                return answers.get(timeout=_LOOK_S)
    except BaseException:
        del _lanes[config]
        lane.close()
        raise


def _line(error: BaseException) -> str:
    """The last line of what Ray says, which is the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
