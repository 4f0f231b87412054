"""A worker: takes rollouts from a collector's task queue, runs the agent on them here, and says how they ended."""

from __future__ import annotations

import math
import random
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from leyden_trainers.errors import LeaseOver, QueueRefused, QueueUnreachable
from leyden_trainers.online.lanes import Lane, check_agent, open_lane
from leyden_trainers.online.runner import Ran, RunnerConfig
from leyden_trainers.online.task_client import Lease, TaskClient

T = TypeVar("T")

_POLL_S = 5.0
"""How long to wait for a rollout at a time; also how long draining may take where nothing runs."""
_AGAIN_S = (0.5, 3.0)
"""Between two tries to reach a collector that is away: the first pause, and the longest. Leases that it gave in answers
which were lost are asked for again before they expire."""
_BEATS, _LOOK_S = 3, 0.2
"""Signs of life in the time of a lease, and how often is looked whether one is due."""
_LAST_TRIES_S = 60.0
"""How long a result is held out to a collector that is away, once this worker is to stop."""
_LONGEST_ERROR = 10_000


@dataclass(slots=True)
class _Running:
    """A lease, the lane that runs it, and whether somebody else has it by now."""

    lease: Lease
    lane: Lane
    over: bool = False


@dataclass(slots=True)
class Worker:
    """Runs rollouts, `config.concurrency` at a time, until told to stop. `config.timeout_s` is each batch's own.

    name: for people, in the collector's lists
    say:  what is worth a line on the terminal
    """

    config: RunnerConfig
    queue: str
    name: str
    say: Callable[[str], None] = lambda _line: None
    ran: int = 0
    _client: TaskClient = field(init=False)
    _running: dict[str, _Running] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _idle: threading.Event = field(default_factory=threading.Event)
    _killed: bool = False
    _away: bool = False

    def __post_init__(self) -> None:
        check_agent(self.config.agent)
        self._client = TaskClient(self.config.collector)

    def run(self) -> None:
        """Work until `drain` or `kill`, and until what runs then has ended. Raises QueueRefused."""
        refusals: list[QueueRefused] = []

        def slot() -> None:
            try:
                self._work()
            except QueueRefused as error:
                refusals.append(error)
                self.drain()

        slots = [threading.Thread(target=slot, name=f"slot-{n}") for n in range(self.config.concurrency)]
        beating = threading.Thread(target=self._beat, name="heart")
        for thread in (*slots, beating):
            thread.start()
        for thread in slots:
            thread.join()
        self._idle.set()
        beating.join()
        if refusals:
            raise refusals[0]

    @property
    def draining(self) -> bool:
        """Whether it takes no more."""
        return self._stop.is_set()

    def drain(self) -> None:
        """Take no more; what runs goes on to its end."""
        self._stop.set()

    def kill(self) -> None:
        """Take no more, end what runs, and give it back to be run by others."""
        self._killed = True
        self._stop.set()
        with self._lock:
            running = list(self._running.values())
        for one in running:
            one.lane.close()

    def _work(self) -> None:
        """One slot: one rollout after the other, in a lane that is kept for the next where it can be."""
        lane: Lane | None = None
        made_for: RunnerConfig | None = None
        try:
            while not self._stop.is_set():
                lease = self._take()
                if lease is None:
                    continue
                config = self.config.model_copy(
                    update={"timeout_s": lease.timeout_s, "project": lease.project or self.config.project}
                )
                if lane is None or config != made_for:
                    if lane is not None:
                        lane.close()
                    lane, made_for = open_lane(config), config
                if not self._run(lease, lane):
                    lane = None
        finally:
            if lane is not None:
                lane.close()

    def _take(self) -> Lease | None:
        ask = partial(self._client.lease, self.name, self.queue, wait_s=_POLL_S, request_id=uuid.uuid4().hex)
        try:
            lease = self._persist(ask, self._stop.is_set)
        except QueueUnreachable:
            return None
        if lease is not None and self._stop.is_set():
            self._tell(lease, None)
            return None
        return lease

    def _run(self, lease: Lease, lane: Lane) -> bool:
        """Run a rollout and tell of it. Whether the lane can be used again."""
        running = _Running(lease, lane)
        with self._lock:
            self._running[lease.lease_id] = running
            killed = self._killed
        try:
            ran = None if killed else lane.run(lease.assignment, lease.policy)
            if not running.over:
                self._tell(lease, None if self._killed else ran)
        finally:
            with self._lock:
                del self._running[lease.lease_id]
        return not (running.over or self._killed)

    def _tell(self, lease: Lease, ran: Ran | None) -> None:
        """Say how a rollout ended, however often it takes to reach the collector; or give it back."""
        name = lease.assignment.rollout_id
        try:
            if ran is None:
                self._client.give_back(lease.lease_id)
            else:
                self._end(lease, ran)
                self.ran += 1
        except LeaseOver as error:
            self.say(f"rollout {name} is told too late: {error}")
        except (QueueUnreachable, QueueRefused) as error:
            self.say(f"rollout {name} is not told of, and is another's when its lease expires: {error}")

    def _end(self, lease: Lease, ran: Ran) -> None:
        """Raises LeaseOver, QueueRefused; QueueUnreachable once told to kill, or when draining takes too long."""
        started = time.monotonic()

        def enough() -> bool:
            return self._killed or (self._stop.is_set() and time.monotonic() - started > _LAST_TRIES_S)

        said = replace(ran, error=ran.error and ran.error[:_LONGEST_ERROR])
        try:
            self._persist(lambda: self._client.end(lease.lease_id, said), enough)
        except LeaseOver:
            raise
        except QueueRefused as error:  # an output too large, or none that JSON can hold
            refused = replace(said, output=None, error=said.error or f"its output was refused: {error}")
            self._persist(lambda: self._client.end(lease.lease_id, refused), enough)

    def _beat(self) -> None:
        """Say that this worker lives; end what the collector has given to another."""
        said_at = time.monotonic()
        while not self._idle.wait(_LOOK_S):
            with self._lock:
                held = dict(self._running)
            due = min((one.lease.lease_s for one in held.values()), default=math.inf) / _BEATS
            if time.monotonic() - said_at < due:
                continue
            said_at = time.monotonic()
            with suppress(QueueUnreachable, QueueRefused):  # it is asked again when the next is due
                for lease_id in self._client.extend(list(held)) & held.keys():
                    self._call_off(held[lease_id])

    def _call_off(self, running: _Running) -> None:
        with self._lock:
            if running.over or running.lease.lease_id not in self._running:
                return  # it ended between the question and the answer
            running.over = True
        self.say(f"rollout {running.lease.assignment.rollout_id} is another's or called off: ended here")
        # An agent may take seconds to end, and the other rollouts' signs of life are not to wait for it.
        threading.Thread(target=running.lane.close, name="ending").start()

    def _persist(self, ask: Callable[[], T], enough: Callable[[], bool]) -> T:
        """Ask until the collector answers. Raises QueueUnreachable when it has not, and it was `enough`."""
        pause, longest = _AGAIN_S
        while True:
            try:
                found = ask()
            except QueueUnreachable as error:
                if enough():
                    raise
                if not self._away:
                    self._away = True
                    self.say(f"{error}; trying again")
            else:
                if self._away:
                    self._away = False
                    self.say("the collector answers again")
                return found
            # Not all at one moment: a collector that comes back is not to be met by every worker at once.
            if self._stop.wait(pause * random.uniform(0.5, 1.0)):  # noqa: S311 - no secret
                time.sleep(_AGAIN_S[0])
            pause = min(2 * pause, longest)
