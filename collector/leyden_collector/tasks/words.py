"""The words of the task queue: what a rollout to be run is, what a lease is, and how both end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a rollout stands. All but the first two are ends."""

    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"  # the agent ended badly, and its worker said so
    TIMED_OUT = "timed_out"  # the agent took too long, and its worker ended it
    LOST = "lost"  # as many workers as may try it were never heard of again
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        """Whether nothing more happens to it."""
        return self not in (State.WAITING, State.LEASED)


class LeaseEnd(StrEnum):
    """What became of a lease. A late one was expired when its worker came with a result, which was refused."""

    HELD = "held"
    FINISHED = "finished"
    EXPIRED = "expired"
    LATE = "late"
    RETURNED = "returned"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A rollout to be run: one attempt at one task. task: any JSON."""

    rollout_id: str
    group_id: str
    attempt: int
    task: Any


@dataclass(frozen=True, slots=True)
class Terms:
    """How a batch is to be run.

    project:   whose rollouts they are; "" is nobody's in particular
    queue:     which workers take them
    policy:    what workers are told of the model to ask, any JSON
    timeout_s: how long a rollout may take before its worker ends it
    lease_s:   how long after a worker's last sign of life its rollouts are given to others
    max_tries: how many workers may be lost over one rollout before it is given up
    """

    project: str = ""
    queue: str = "default"
    policy: Any = None
    timeout_s: float = 600.0
    lease_s: float = 30.0
    max_tries: int = 3

    def to_json(self) -> dict[str, Any]:
        """Every one of these."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Lease:
    """A rollout in a worker's hands, for `lease_s` seconds unless extended.

    attempt: the assignment's, plus one for every earlier try, so that spans of a lost try are told from this one's
    The rest is as the batch's terms say.
    """

    lease_id: str
    batch_id: str
    project: str
    rollout_id: str
    group_id: str
    attempt: int
    task: Any
    policy: Any
    timeout_s: float
    lease_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A rollout that ended.

    cursor: its place in the order of ends; attempt: of the try that ended it; tries: how many workers had it
    """

    cursor: int
    rollout_id: str
    state: State
    attempt: int
    tries: int
    worker: str
    output: Any
    error: str | None
