"""The rollouts of a step: asked of a runner, read from the store, judged, and told of one by one."""

from __future__ import annotations

import itertools
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import pyarrow as pa

from leyden_exporters.build import trajectory_table
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rewards import rollout_reward
from leyden_exporters.scoring import RewardFunction
from leyden_exporters.skimmable import StoreSource
from leyden_store.errors import SelectionEmpty
from leyden_store.runs import SpanKey
from leyden_store.turns import Reward, Rollout
from leyden_trainers.errors import RolloutsLost
from leyden_trainers.online.gathering import Gathering
from leyden_trainers.online.rewarding import judge
from leyden_trainers.online.runner import Assignment, Policy, Ran, Runner
from leyden_trainers.online.step import Copy, Fate, Step, rows_of
from leyden_trainers.online.tasks import Task

_PATIENCE = 3
"""Steps in a row that may bring nothing: a collector that is started again costs one. The first may not."""

_CRASHED_S = 2.0
"""How long the spans of an agent that failed are waited for: one that was killed has sent no root, and will not."""


@dataclass(frozen=True, slots=True)
class Judging:
    """Where rewards come from, and how long for.

    function:      judges each rollout; None takes what the agent reported, or somebody posted
    failed:        what a rollout earns whose agent failed or took too long; None leaves it out
    wait_s:        seconds to wait until a rollout is stored whole
    reward_wait_s: seconds to wait for a reward that is posted
    max_staleness: how many policy versions older than the newest a turn may be
    """

    function: RewardFunction | None = None
    failed: float | None = None
    wait_s: float = 30.0
    reward_wait_s: float = 0.0
    max_staleness: int = 0


class Rollouts:
    """Makes steps. What is late, stale or lost stays in the store for replay, and is counted here."""

    def __init__(
        self,
        runner: Runner,
        gathering: Gathering,
        tasks: Sequence[Task],
        judging: Judging,
        *,
        session: str,
        options: Options,
        on_spans: Callable[[Iterable[SpanKey]], None],
    ) -> None:
        """session: begins every rollout's id; on_spans: told what is trained on"""
        self._runner = runner
        self._gathering = gathering
        self._tasks = {task.id: task for task in tasks}
        self._judging = judging
        self._session = f"{session}.{uuid.uuid4().hex[:4]}"  # a run that is gone on with makes rollouts of its own
        self._options = replace(options, require_logprobs=True, require_reward=True, last_attempt=True)
        self._on_spans = on_spans
        self._batches = itertools.count()
        self._unfinished: dict[str, int] = {}
        self._barren = _PATIENCE - 1

    def make(
        self, task_ids: Sequence[str], policy: Policy, *, restored: Callable[[], Policy | None] = lambda: None
    ) -> Step:
        """One rollout for each task id, in that order, by that policy, whose version is an integer.

        restored: asked when agents fail: the policy, served anew, where the server had died; its victims are tried
            once more

        Raises RolloutsLost when nothing could be trained on for some steps, StoreError when the store stays away.
        """
        start = time.monotonic()
        work = self._work(task_ids)
        ran = {one.rollout_id: one for one in self._runner.run(work, policy)}
        failed = [one for one in work if ran[one.rollout_id].error is not None]
        again = restored() if failed else None
        if again is not None:
            ran |= self._once_more(failed, ran, again)
        ended = time.monotonic()
        step = self._read(work, ran, int(policy.version))
        self._check(step)
        times = {"time/rollouts_s": ended - start, "time/store_s": time.monotonic() - ended}
        return replace(step, counts={**step.counts, **times, "rollouts/retried": len(failed) if again else 0})

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

    def _read(self, work: Sequence[Assignment], ran: Mapping[str, Ran], version: int) -> Step:
        """What the store has of a step's rollouts."""
        ended = {one.rollout_id: ran[one.rollout_id].attempts - 1 for one in work if ran[one.rollout_id].error is None}
        missing = self._gathering.wait(ended, at_most_s=self._judging.wait_s)
        if self._judging.failed is not None:
            failed = {one.rollout_id: ran[one.rollout_id].attempts - 1 for one in work if one.rollout_id not in ended}
            self._gathering.wait(failed, at_most_s=min(_CRASHED_S, self._judging.wait_s))
        return self._gathering.patiently(
            lambda: self._told(work, ran, ended, missing, version), at_most_s=self._judging.wait_s
        )

    def _told(
        self,
        work: Sequence[Assignment],
        ran: Mapping[str, Ran],
        ended: Mapping[str, int],
        missing: set[str],
        version: int,
    ) -> Step:
        late = self._late()
        self._unfinished |= {rollout_id: ended[rollout_id] for rollout_id in missing}
        wanted = ended.keys() - missing
        if self._judging.function is None:
            self._gathering.wait_for_rewards(wanted, at_most_s=self._judging.reward_wait_s)
        if self._judging.failed is not None:
            wanted |= {one.rollout_id for one in work} - ended.keys()
        table, report, told = self._trajectories(wanted, work, ran, version)
        rows = rows_of(table)
        rewards = dict(zip(table["rollout_id"].to_pylist(), table["reward"].to_pylist(), strict=True))
        rewards |= self._rewards_without_rows(wanted - rows.keys())
        called = {span.rollout_id for span in report.spans}
        self._on_spans(report.spans.kept_keys())

        def fate(rollout_id: str) -> Fate:
            one = ran[rollout_id]
            if one.error is not None:
                return Fate.TIMED_OUT if one.timed_out else Fate.FAILED
            if rollout_id in missing:
                return Fate.INCOMPLETE
            if rollout_id in rows:
                return Fate.TRAINED
            if rollout_id not in called:
                return Fate.NO_TURN
            return Fate.NO_REWARD if rewards.get(rollout_id) is None else Fate.NOTHING_USABLE

        copies = [
            Copy(
                one.rollout_id,
                fate(one.rollout_id),
                rewards.get(one.rollout_id),
                rows.get(one.rollout_id, ()),
                ran[one.rollout_id].error or told.get(one.rollout_id, ""),
            )
            for one in work
        ]
        counts = {"rollouts/late": float(late), "staleness": _staleness(table, version)}
        return Step(copies, report.dropped, counts)

    def _trajectories(
        self, wanted: set[str], work: Sequence[Assignment], ran: Mapping[str, Ran], version: int
    ) -> tuple[pa.Table, Report, Mapping[str, str]]:
        """Trajectories of rollouts, what became of their turns, and why a rollout could not be judged."""
        options = replace(self._options, max_staleness=self._judging.max_staleness, newest_version=version)
        failed = {one.rollout_id for one in work if ran[one.rollout_id].error is not None}
        function = self._judging.function
        if not wanted:
            return *trajectory_table((), options), {}
        selection = self._gathering.selection(wanted)
        store = self._gathering.store
        try:
            if function is None and not wanted & failed:
                return *trajectory_table(StoreSource(store, selection), options), {}
            rollouts = list(StoreSource(store, selection))
        except SelectionEmpty:
            return *trajectory_table((), options), {}
        values: dict[str, float] = {}
        told: Mapping[str, str] = {}
        if function is not None:
            options = replace(options, reward=function.name, reward_weights={})
            tasks = {one.rollout_id: one.task for one in work}
            sound = [rollout for rollout in rollouts if rollout.rollout_id not in failed]
            judged = judge(store, function, sound, tasks)
            values, told = dict(judged.values), judged.failures
        if self._judging.failed is not None:
            values |= dict.fromkeys(wanted & failed, self._judging.failed)
        name = options.reward or "reward"
        rewarded = [_rewarded(rollout, name, values.get(rollout.rollout_id)) for rollout in rollouts]
        return *trajectory_table(rewarded, options), told

    def _rewards_without_rows(self, rollout_ids: set[str]) -> dict[str, float | None]:
        """What rollouts earned that have nothing to train: it counts in the baseline of their group all the same."""
        if not rollout_ids:
            return {}
        name = self._judging.function.name if self._judging.function else None
        options = self._options if name is None else replace(self._options, reward=name, reward_weights={})
        try:
            found = list(StoreSource(self._gathering.store, self._gathering.selection(rollout_ids)))
        except SelectionEmpty:
            return {}
        return {rollout.rollout_id: rollout_reward(rollout, options)[0] for rollout in found}

    def _late(self) -> int:
        """How many rollouts of earlier steps, given up as incomplete, have become whole since."""
        if not self._unfinished:
            return 0
        arrived = self._gathering.whole(self._unfinished)
        for rollout_id in arrived:
            del self._unfinished[rollout_id]
        return len(arrived)

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


def _rewarded(rollout: Rollout, name: str, value: float | None) -> Rollout:
    if value is None:
        return rollout
    others = tuple(reward for reward in rollout.rewards if reward.name != name)
    return replace(rollout, rewards=(*others, Reward(name, value)))


def _staleness(table: pa.Table, version: int) -> float:
    """How many versions behind the rows are, on average; a row of several counts by its oldest."""
    told = [versions.split(",") for versions in table["policy_version"].to_pylist() if versions]
    behind = [version - min((int(one) for one in versions if one.isdigit()), default=version) for versions in told]
    return fmean(behind) if behind else 0.0
