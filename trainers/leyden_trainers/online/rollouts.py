"""The rollouts of a step: asked of a runner, read from the store as they end, and told of one by one."""

from __future__ import annotations

import itertools
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from statistics import fmean

from leyden_trainers.errors import RolloutsLost
from leyden_trainers.online.reading import Piece, Reader
from leyden_trainers.online.runner import Assignment, Policy, Ran, Runner
from leyden_trainers.online.step import Step
from leyden_trainers.online.tasks import Task

_PATIENCE = 3
"""Steps in a row that may bring nothing: a collector that is started again costs one. The first may not."""

_AT_LEAST = 64
"""Rollouts that are read while others run. Fewer are not worth an insert and a query of their own."""


class Rollouts:
    """Makes steps. What is late, stale or lost stays in the store for replay, and is counted here."""

    def __init__(self, runner: Runner, reader: Reader, tasks: Sequence[Task], *, session: str) -> None:
        """session: begins every rollout's id"""
        self._runner = runner
        self._reader = reader
        self._tasks = {task.id: task for task in tasks}
        self._session = f"{session}.{uuid.uuid4().hex[:4]}"  # a run that is gone on with makes rollouts of its own
        self._batches = itertools.count()
        self._barren = _PATIENCE - 1

    def make(
        self, task_ids: Sequence[str], policy: Policy, *, restored: Callable[[], Policy | None] = lambda: None
    ) -> Step:
        """One rollout for each task id, in that order, by that policy, whose version is an integer.

        restored: asked when agents fail: the policy, served anew, where the server had died; its victims are tried
            once more

        Raises RolloutsLost when nothing could be trained on for some steps, StoreError when the store stays away.
        """
        start, version = time.monotonic(), int(policy.version)
        work = self._work(task_ids)
        ran: dict[str, Ran] = {}
        with ThreadPoolExecutor(1, "rollouts-read") as pool:
            try:
                pieces = self._run(work, policy, ran, lambda some: pool.submit(self._reader.read, some, ran, version))
                failed = [one for one in work if ran[one.rollout_id].error is not None]
                again = restored() if failed else None
                if again is not None:
                    ran |= self._once_more(failed, ran, again)
                ended = time.monotonic()
                read = {copy.rollout_id for piece in pieces for copy in piece.result().copies}
                rest = [one for one in work if one.rollout_id not in read]
                pieces.append(pool.submit(self._reader.read, rest, ran, version))
                step = _whole(work, [piece.result() for piece in pieces])
            except BaseException:
                self._reader.stop()
                raise
        self._check(step)
        counts = {
            "rollouts/late": float(self._reader.late()),
            "rollouts/retried": float(len(failed) if again else 0),
            "time/rollouts_s": ended - start,
            "time/store_s": time.monotonic() - ended,
        }
        return replace(step, counts={**step.counts, **counts})

    def _run(
        self,
        work: Sequence[Assignment],
        policy: Policy,
        ran: dict[str, Ran],
        read: Callable[[Sequence[Assignment]], Future[Piece]],
    ) -> list[Future[Piece]]:
        """Run all, and read what has ended well while others still run: a piece at a time."""
        asked = {one.rollout_id: one for one in work}
        pieces: list[Future[Piece]] = []
        fresh: list[Assignment] = []
        for one in self._runner.run(work, policy):
            ran[one.rollout_id] = one
            if one.error is None:
                fresh.append(asked[one.rollout_id])
            idle = not pieces or pieces[-1].done()
            if idle and len(fresh) >= _AT_LEAST and len(ran) < len(work):
                pieces.append(read(fresh))
                fresh = []
        return pieces

    def _work(self, task_ids: Sequence[str]) -> list[Assignment]:
        batch, copies = next(self._batches), Counter[str]()
        work = []
        for task_id in task_ids:
            name = f"{self._session}/{batch}/{task_id}/{copies[task_id]}"
            copies[task_id] += 1
            work.append(Assignment(name, task_id, 0, self._tasks[task_id]))
        return work

    def _once_more(self, failed: Sequence[Assignment], ran: Mapping[str, Ran], policy: Policy) -> dict[str, Ran]:
        tried = {one.rollout_id: ran[one.rollout_id].attempts for one in failed}
        work = [replace(one, attempt=one.attempt + tried[one.rollout_id]) for one in failed]
        return {
            one.rollout_id: replace(one, attempts=one.attempts + tried[one.rollout_id])
            for one in self._runner.run(work, policy)
        }

    def _check(self, step: Step) -> None:
        if any(copy.rows for copy in step.copies):
            self._barren = 0
            return
        self._barren += 1
        if self._barren >= _PATIENCE:
            fates = Counter(str(copy.fate) for copy in step.copies)
            counted = ", ".join(f"{count} {fate}" for fate, count in fates.most_common())
            said = next((f" ({copy.said})" for copy in step.copies if copy.said), "")
            dropped = ", ".join(f"{count} {reason}" for reason, count in step.dropped.items())
            turns = f"; of their turns: {dropped}" if dropped else ""
            raise RolloutsLost(f"no rollout can be trained on: {counted}{said}{turns}")


def _whole(work: Sequence[Assignment], pieces: Sequence[Piece]) -> Step:
    """The pieces as one step, in the order they were asked for."""
    copies = {copy.rollout_id: copy for piece in pieces for copy in piece.copies}
    behind = [versions for piece in pieces for versions in piece.behind]
    return Step(
        [copies[one.rollout_id] for one in work],
        sum((Counter(piece.dropped) for piece in pieces), Counter[str]()),
        {"staleness": fmean(behind) if behind else 0.0},
    )
