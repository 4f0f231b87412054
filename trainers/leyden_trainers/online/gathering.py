"""From agents that have ended to what the store holds of them: waiting until rollouts are whole, and reading them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from leyden_store.calling import call
from leyden_store.errors import CallFailed, StoreError
from leyden_store.lightning import LightningStore
from leyden_store.selection import Selection

T = TypeVar("T")

_LOOK_EVERY_S = 0.05
_AGAIN_S = 0.5
"""Until a store that is away is asked again."""
_CLOCKS_APART = timedelta(hours=2)
"""How much earlier than here a rollout may seem to have begun: agents run on machines with clocks of their own."""

_ROOTED = """
SELECT RolloutId AS rollout_id, TraceId AS trace_id, max(ifNull(Attempt, 0)) AS attempt,
       max(ParentSpanId = '') AS rooted
FROM otel_traces
WHERE Timestamp >= {since:DateTime} AND RolloutId IN {rollouts:Array(String)}
GROUP BY rollout_id, trace_id
"""

_REWARDED = "SELECT uniqExact(RolloutId) AS rewarded FROM rewards WHERE RolloutId IN {rollouts:Array(String)}"


@dataclass(slots=True)
class Gathering:
    """Reads rollouts of a run from the store.

    collector: base URL of the collector that agents send to
    token:     opens it; "" where it asks for none
    """

    store: LightningStore
    collector: str
    token: str = ""
    since: datetime = field(default_factory=lambda: datetime.now(UTC) - _CLOCKS_APART)

    _stopped: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Wait for nothing any more, in whatever thread."""
        self._stopped.set()

    def wait(self, attempts: Mapping[str, int], *, at_most_s: float) -> set[str]:
        """Wait until rollouts are stored whole: each trace of the last attempt with its root, which ends last.

        attempts: the last attempt at each rollout; where there is none, what the collector has is stored all the same

        Returns those that are not in time. A collector or a store that is away meanwhile is waited for. Raises
        StoreError when the store is still away at the end.
        """
        missing = set(attempts)
        deadline = time.monotonic() + at_most_s
        while True:
            away: StoreError | None = None
            try:
                self._drain(deadline)
                if missing:
                    missing -= self.whole({rollout_id: attempts[rollout_id] for rollout_id in missing})
            except StoreError as error:
                away = error
            if not missing or time.monotonic() >= deadline or self._stopped.wait(_AGAIN_S if away else _LOOK_EVERY_S):
                if away is not None:
                    raise away
                return missing

    def patiently(self, work: Callable[[], T], *, at_most_s: float) -> T:
        """What `work` gives, which may be done twice; asked again while the store is away."""
        deadline = time.monotonic() + at_most_s
        while True:
            try:
                return work()
            except StoreError:
                if time.monotonic() >= deadline or self._stopped.wait(_AGAIN_S):
                    raise

    def wait_for_rewards(self, rollouts: Iterable[str], *, at_most_s: float) -> None:
        """Wait until each of these rollouts has a reward of some name."""
        deadline = time.monotonic() + at_most_s
        wanted = {"rollouts": sorted(rollouts)}
        while time.monotonic() < deadline and not self._stopped.is_set():
            with suppress(StoreError):
                if self.store.connection.rows(_REWARDED, wanted)[0]["rewarded"] >= len(wanted["rollouts"]):
                    return
            self._stopped.wait(_LOOK_EVERY_S)

    def whole(self, attempts: Mapping[str, int]) -> set[str]:
        """Those of the rollouts that are stored whole now."""
        last: dict[str, tuple[int, bool]] = {}
        for row in self.store.connection.rows(_ROOTED, self._parameters(attempts)):
            attempt, whole = last.get(row["rollout_id"], (-1, True))
            if row["attempt"] > attempt:
                attempt, whole = row["attempt"], True
            if row["attempt"] == attempt:
                last[row["rollout_id"]] = (attempt, whole and bool(row["rooted"]))
        return {rollout_id for rollout_id, (at, whole) in last.items() if whole and at >= attempts[rollout_id]}

    def selection(self, rollouts: Iterable[str]) -> Selection:
        """The traces of these rollouts."""
        sql = (
            "SELECT DISTINCT TraceId FROM traces"
            " WHERE Hour >= toStartOfHour({since:DateTime}) AND RolloutId IN {rollouts:Array(String)}"
        )
        return Selection(sql, self._parameters(rollouts))

    def _parameters(self, rollouts: Iterable[str]) -> Mapping[str, object]:
        return {"since": self.since, "rollouts": sorted(rollouts)}

    def _drain(self, deadline: float) -> None:
        """Let the collector store all it has acknowledged; one that does not answer is asked again later."""
        with suppress(CallFailed):
            url = f"{self.collector}/api/flush"
            call(url, b"", token=self.token, timeout_s=max(1.0, deadline - time.monotonic()))
