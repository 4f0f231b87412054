"""What the store has of rollouts that ended: read as every export is, judged, and each told of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from leyden_exporters.build import trajectory_table
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rewards import rollout_reward
from leyden_exporters.scoring import RewardFunction
from leyden_exporters.skimmable import StoreSource
from leyden_store.errors import SelectionEmpty
from leyden_store.span_sets import SpanKey
from leyden_store.turns import Reward, Rollout
from leyden_trainers.online.gathering import Gathering
from leyden_trainers.online.rewarding import judge
from leyden_trainers.online.runner import Assignment, Ran
from leyden_trainers.online.step import Copy, Fate, rows_of

_CRASHED_S = 2.0
"""How long the spans of an agent that failed are waited for: it may have gone before its root was sent."""


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


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rollouts of a step.

    dropped: LLM spans that are not trained on, by reason
    behind:  of each row, how many policy versions it is behind; one of several counts by its oldest
    """

    copies: Sequence[Copy]
    dropped: Mapping[str, int]
    behind: Sequence[int]


class Reader:
    """Reads rollouts of a run, and remembers those that were not stored in time."""

    def __init__(
        self,
        gathering: Gathering,
        judging: Judging,
        options: Options,
        on_spans: Callable[[Iterable[SpanKey]], None],
    ) -> None:
        """on_spans: told what is trained on"""
        self._gathering = gathering
        self._judging = judging
        self._options = replace(options, require_logprobs=True, require_reward=True, last_attempt=True)
        self._on_spans = on_spans
        self._unfinished: dict[str, int] = {}

    def read(self, work: Sequence[Assignment], ran: Mapping[str, Ran], version: int) -> Piece:
        """What became of rollouts that ended, once they are stored whole. Raises StoreError when the store stays away.

        version: of the policy they were made by
        """
        wait_s = self._judging.wait_s
        ended = _last_attempts(work, ran, lambda one: one.error is None)
        missing = self._gathering.wait(ended, at_most_s=wait_s)
        # One whose time was up was killed, and has no root to wait for: what it sent, it sent before.
        failed = _last_attempts(work, ran, lambda one: one.error is not None and not one.timed_out)
        if failed and self._judging.failed is not None:
            self._gathering.wait(failed, at_most_s=min(_CRASHED_S, wait_s))
        self._unfinished |= {rollout_id: ended[rollout_id] for rollout_id in missing}
        return self._gathering.patiently(lambda: self._told(work, ran, missing, version), at_most_s=wait_s)

    def late(self) -> int:
        """How many rollouts that were given up as incomplete have become whole since it was last asked."""
        if not self._unfinished:
            return 0
        unfinished = self._unfinished
        arrived = self._gathering.patiently(lambda: self._gathering.whole(unfinished), at_most_s=self._judging.wait_s)
        for rollout_id in arrived:
            del self._unfinished[rollout_id]
        return len(arrived)

    def stop(self) -> None:
        """Wait for nothing any more: the run ends."""
        self._gathering.stop()

    def _told(
        self,
        work: Sequence[Assignment],
        ran: Mapping[str, Ran],
        missing: set[str],
        version: int,
    ) -> Piece:
        failed = {one.rollout_id for one in work if ran[one.rollout_id].error is not None}
        wanted = {one.rollout_id for one in work} - failed - missing
        if self._judging.function is None:
            self._gathering.wait_for_rewards(wanted, at_most_s=self._judging.reward_wait_s)
        if self._judging.failed is not None:
            wanted |= failed
        table, report, told = self._trajectories(wanted, failed, work, version)
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
        return Piece(copies, report.dropped, _behind(table, version))

    def _trajectories(
        self, wanted: set[str], failed: set[str], work: Sequence[Assignment], version: int
    ) -> tuple[pa.Table, Report, Mapping[str, str]]:
        """Trajectories of rollouts, what became of their turns, and why a rollout could not be judged."""
        options = replace(self._options, max_staleness=self._judging.max_staleness, newest_version=version)
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


def _last_attempts(work: Sequence[Assignment], ran: Mapping[str, Ran], which: Callable[[Ran], bool]) -> dict[str, int]:
    chosen = (ran[one.rollout_id] for one in work)
    return {one.rollout_id: one.attempts - 1 for one in chosen if which(one)}


def _rewarded(rollout: Rollout, name: str, value: float | None) -> Rollout:
    if value is None:
        return rollout
    others = tuple(reward for reward in rollout.rewards if reward.name != name)
    return replace(rollout, rewards=(*others, Reward(name, value)))


def _behind(table: pa.Table, version: int) -> list[int]:
    told = [versions.split(",") for versions in table["policy_version"].to_pylist() if versions]
    return [version - min((int(one) for one in versions if one.isdigit()), default=version) for versions in told]
