"""The runner `hybrid`: this process trains, and workers anywhere (`leyden worker`) run the agents."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from pydantic import Field

from leyden_trainers.errors import QueueRefused, QueueUnreachable
from leyden_trainers.online.runner import Assignment, Policy, Ran, RunnerConfig
from leyden_trainers.online.task_client import TaskClient

T = TypeVar("T")

_WAIT_S = 20.0
_AGAIN_S = (0.2, 5.0)
"""Between two tries to reach a collector that is away: the first pause, and the longest."""


class HybridConfig(RunnerConfig):
    """Settings of `hybrid`. Which agent, and how many at a time, is the workers' affair.

    queue:      which workers take the rollouts
    lease_s:    seconds a worker may be silent before its rollouts are given to others
    max_tries:  how many workers may be lost over one rollout before it counts as failed
    policy_url: where workers reach the policy server, if not where this machine does
    patience_s: seconds the collector may be away before this gives up
    """

    agent: str = ""
    queue: str = "default"
    lease_s: float = Field(default=30.0, ge=1, le=3600)
    max_tries: int = Field(default=3, ge=1, le=100)
    policy_url: str | None = None
    patience_s: float = Field(default=600.0, gt=0)


class Hybrid:
    """Rollouts through the collector's task queue. A batch is put in at once; its ends come as workers tell them."""

    Config = HybridConfig

    def __init__(self, config: HybridConfig) -> None:
        self._config = config
        self._client = TaskClient(config.collector)
        self._open: set[str] = set()

    def run(self, work: Sequence[Assignment], policy: Policy) -> Iterator[Ran]:
        """See `runner.Runner`. Raises QueueUnreachable after `patience_s`, QueueRefused."""
        if not work:
            return
        batch_id = uuid.uuid4().hex
        told = replace(policy, base_url=self._config.policy_url or policy.base_url)
        config = self._config
        terms = {
            "queue": config.queue,
            "project": config.project or "",
            "timeout_s": config.timeout_s,
            "lease_s": config.lease_s,
            "max_tries": config.max_tries,
        }
        self._open.add(batch_id)
        try:
            self._persist(partial(self._client.put, batch_id, work, told, **terms))
            cursor, left = 0, {one.rollout_id for one in work}
            while left:
                progress = self._persist(partial(self._client.progress, batch_id, cursor, wait_s=_WAIT_S))
                cursor = progress.cursor
                left -= {ran.rollout_id for ran in progress.ended}
                if not progress.open:
                    self._open.discard(batch_id)
                yield from progress.ended
                if not progress.open and not progress.ended:
                    yield from (Ran(rollout_id, None, "was erased from the task queue") for rollout_id in sorted(left))
                    left.clear()
        finally:
            self._cancel(batch_id)

    def close(self) -> None:
        """Call off what workers still run."""
        for batch_id in tuple(self._open):
            self._cancel(batch_id)

    def _cancel(self, batch_id: str) -> None:
        if batch_id in self._open:
            self._open.discard(batch_id)
            with suppress(QueueUnreachable, QueueRefused):
                self._client.cancel(batch_id)

    def _persist(self, ask: Callable[[], T]) -> T:
        """Ask until the collector answers: it may be restarted meanwhile, and forgets nothing."""
        deadline = time.monotonic() + self._config.patience_s
        pause, longest = _AGAIN_S
        while True:
            try:
                return ask()
            except QueueUnreachable:
                if time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, longest)
