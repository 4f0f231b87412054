"""The task queue: every rollout ends once, whatever becomes of workers, of results, and of the process keeping it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leyden_collector.tasks.erasing import erase
from leyden_collector.tasks.errors import BatchExists, BatchNotFound, LeaseLost, LeaseNotFound
from leyden_collector.tasks.queue import FORGET_S, TaskQueue
from leyden_collector.tasks.words import Assignment, LeaseEnd, State, Terms


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now

    def __iadd__(self, seconds: float) -> Clock:
        self.now += seconds
        return self


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(tmp_path: Path, clock: Clock) -> Iterator[TaskQueue]:
    with closing(TaskQueue(tmp_path / "tasks.sqlite", now=clock)) as queue:
        yield queue


def work(n: int = 1) -> list[Assignment]:
    return [Assignment(f"r{i}", "g", 0, {"input": i}) for i in range(n)]


def test_they_are_leased_in_order_once_and_end_in_the_order_they_end(queue: TaskQueue) -> None:
    queue.put("b", work(3), Terms(policy={"model": "m"}, timeout_s=5))
    first, second = queue.lease("w1", 2)
    assert [first.rollout_id, second.rollout_id] == ["r0", "r1"]
    assert (first.task, first.policy, first.timeout_s, first.attempt) == ({"input": 0}, {"model": "m"}, 5, 0)
    (third,) = queue.lease("w2", 2)
    assert queue.lease("w3") == []
    queue.end(second.lease_id, State.DONE, {"x": 1})
    queue.end(third.lease_id, State.FAILED, error="it broke")
    one, two = queue.ended("b")
    assert (one.rollout_id, one.state, one.output, one.error, one.worker) == ("r1", State.DONE, {"x": 1}, None, "w1")
    assert (two.rollout_id, two.state, two.output, two.error) == ("r2", State.FAILED, None, "it broke")
    assert queue.ended("b", after=one.cursor) == [two]
    assert queue.state("b")["open"] == 1


def test_a_silent_workers_rollout_is_given_to_another_under_a_further_attempt(queue: TaskQueue, clock: Clock) -> None:
    queue.put("b", work(1), Terms(lease_s=10))
    (gone,) = queue.lease("dies")
    clock += 9
    assert queue.lease("other") == []
    clock += 2
    (again,) = queue.lease("other")
    assert (again.rollout_id, again.attempt) == ("r0", 1)
    queue.end(again.lease_id, State.DONE, "right")
    (end,) = queue.ended("b")
    assert (end.output, end.attempt, end.tries, end.worker) == ("right", 1, 2, "other")
    assert queue.state("b")["retries"] == 1
    assert queue.extend([gone.lease_id]) == {gone.lease_id: LeaseEnd.EXPIRED}


@pytest.mark.parametrize("meanwhile", ["waits", "is run", "ended"])
def test_a_late_result_is_refused_and_counted_once(queue: TaskQueue, clock: Clock, meanwhile: str) -> None:
    queue.put("b", work(1), Terms(lease_s=10))
    (late,) = queue.lease("slow")
    clock += 11
    if meanwhile != "waits":
        (again,) = queue.lease("other")
    if meanwhile == "ended":
        queue.end(again.lease_id, State.DONE, "right")
    for _ in range(2):
        with pytest.raises(LeaseLost, match="'r0' is over"):
            queue.end(late.lease_id, State.DONE, "wrong")
    assert queue.state("b")["late"] == 1
    assert [end.output for end in queue.ended("b")] == (["right"] if meanwhile == "ended" else [])


def test_a_lease_whose_answer_was_lost_is_given_again(queue: TaskQueue, clock: Clock) -> None:
    queue.put("b", work(3), Terms(lease_s=10))
    first = queue.lease("w", 2, request_id="one")
    clock += 9
    assert queue.lease("w", 2, request_id="one") == first
    clock += 9  # being asked for is a sign of life
    assert queue.extend([lease.lease_id for lease in first]) == {lease.lease_id: "held" for lease in first}
    assert [lease.rollout_id for lease in queue.lease("w", 2, request_id="two")] == ["r2"]
    queue.end(first[0].lease_id, State.DONE)
    assert queue.lease("w", 2, request_id="one") == first[1:]
    assert queue.state("b")["retries"] == 0


def test_a_lease_that_is_over_is_not_given_again(queue: TaskQueue, clock: Clock) -> None:
    queue.put("b", work(1), Terms(lease_s=10))
    (lost,) = queue.lease("w", request_id="one")
    clock += 11
    (again,) = queue.lease("w", request_id="one")
    assert (again.rollout_id, again.attempt) == ("r0", 1)
    assert again.lease_id != lost.lease_id
    with pytest.raises(LeaseLost):
        queue.end(lost.lease_id, State.DONE)


def test_signs_of_life_keep_a_lease(queue: TaskQueue, clock: Clock) -> None:
    queue.put("b", work(1), Terms(lease_s=10))
    (lease,) = queue.lease("w")
    for _ in range(5):
        clock += 9
        assert queue.extend([lease.lease_id, "nobody's"]) == {lease.lease_id: "held", "nobody's": "expired"}
    assert queue.next_expiry_s() == 10
    queue.end(lease.lease_id, State.DONE)
    assert queue.next_expiry_s() is None


def test_what_loses_every_worker_is_given_up(queue: TaskQueue, clock: Clock) -> None:
    queue.put("b", work(1), Terms(lease_s=1, max_tries=3))
    for attempt in range(3):
        (lease,) = queue.lease("w")
        assert lease.attempt == attempt
        clock += 2
    assert queue.lease("w") == []
    (end,) = queue.ended("b")
    assert (end.state, end.tries, end.error) == (State.LOST, 3, "3 workers in turn were lost over it")


def test_what_is_given_back_waits_again_and_loses_nobody(queue: TaskQueue) -> None:
    queue.put("b", work(1), Terms(max_tries=1))
    for attempt in range(3):
        (lease,) = queue.lease("w")
        assert lease.attempt == attempt  # spans of the try that was given back are told from the next one's
        queue.give_back(lease.lease_id)
        queue.give_back(lease.lease_id)
    with pytest.raises(LeaseLost):
        queue.end(lease.lease_id, State.DONE, "late")
    assert queue.state("b")["rollouts"] == {"waiting": 1}


def test_cancelling_ends_what_waits_and_what_runs(queue: TaskQueue) -> None:
    queue.put("b", work(3), Terms())
    done, running = queue.lease("w", 2)
    queue.end(done.lease_id, State.DONE, 1)
    assert queue.cancel("b") == 2
    assert queue.extend([running.lease_id]) == {running.lease_id: LeaseEnd.CANCELLED}
    with pytest.raises(LeaseLost):
        queue.end(running.lease_id, State.DONE, 1)
    assert queue.state("b")["rollouts"] == {"cancelled": 2, "done": 1}
    assert queue.lease("w") == []
    assert queue.cancel("b") == 0


def test_the_same_batch_again_is_the_same_batch_and_another_is_refused(queue: TaskQueue) -> None:
    queue.put("b", work(2), Terms())
    queue.lease("w")
    queue.put("b", work(2), Terms())
    assert queue.state("b")["rollouts"] == {"leased": 1, "waiting": 1}
    for other, terms in ((work(1), Terms()), (work(2), Terms(queue="q"))):
        with pytest.raises(BatchExists):
            queue.put("b", other, terms)


def test_a_result_said_twice_counts_once(queue: TaskQueue) -> None:
    queue.put("b", work(1), Terms())
    (lease,) = queue.lease("w")
    queue.end(lease.lease_id, State.DONE, "a")
    queue.end(lease.lease_id, State.DONE, "b")
    assert [end.output for end in queue.ended("b")] == ["a"]


def test_queues_and_projects_keep_apart(queue: TaskQueue) -> None:
    queue.put("a", work(1), Terms(project="one", queue="sql"))
    queue.put("b", work(1), Terms(project="two"))
    assert queue.lease("w", project="one") == []
    assert queue.lease("w", queue="sql", project="two") == []
    (lease,) = queue.lease("w", queue="sql", project="one", request_id="same")
    assert queue.lease("w", queue="sql", project="two", request_id="same") == []
    with pytest.raises(LeaseNotFound):
        queue.end(lease.lease_id, State.DONE, project="two")
    assert queue.extend([lease.lease_id], "two") == {lease.lease_id: LeaseEnd.EXPIRED}
    for ask in (queue.state, queue.ended, queue.cancel):
        with pytest.raises(BatchNotFound):
            ask("a", project="two")  # type: ignore[operator]
    assert [batch["batch_id"] for batch in queue.batches("two")] == ["b"]
    assert {batch["batch_id"] for batch in queue.batches()} == {"a", "b"}


def test_another_process_goes_on_where_one_was_killed(tmp_path: Path, clock: Clock) -> None:
    """The first is not closed before the second reads: what was answered is in the file."""
    before = TaskQueue(tmp_path / "q", now=clock)
    before.put("b", work(3), Terms(lease_s=10))
    done, running = before.lease("w", 2)
    before.end(done.lease_id, State.DONE, "done")
    clock += 600
    after = TaskQueue(tmp_path / "q", now=clock)
    assert after.state("b")["rollouts"] == {"done": 1, "leased": 1, "waiting": 1}
    clock += 9  # its worker could not say that it lives, and gets a term to say so
    assert after.extend([running.lease_id]) == {running.lease_id: LeaseEnd.HELD}
    clock += 60
    after.renew()  # as it is asked to where it could not be reached for a while
    assert after.extend([running.lease_id]) == {running.lease_id: LeaseEnd.HELD}
    after.end(running.lease_id, State.DONE, "too")
    assert [end.output for end in after.ended("b")] == ["done", "too"]
    after.close()
    before.close()


def test_old_batches_are_forgotten_when_nothing_of_them_is_open(queue: TaskQueue, clock: Clock) -> None:
    for name in ("ended", "open"):
        queue.put(name, work(1), Terms())
        (lease,) = queue.lease("w")
        if name == "ended":
            queue.end(lease.lease_id, State.DONE)
    clock += FORGET_S + 1
    queue.put("new", work(1), Terms())
    assert {batch["batch_id"] for batch in queue.batches()} == {"open", "new"}
    states, events = queue.counts()
    assert states == {"waiting": 2}
    assert events == {"put": 3, "leased": 2, "done": 1, "expired": 1}


def test_what_is_erased_is_in_no_file_of_the_queue(tmp_path: Path, clock: Clock) -> None:
    with closing(TaskQueue(tmp_path / "q", now=clock)) as queue:
        queue.put("b", [Assignment("r0", "g", 0, "a secret"), Assignment("r1", "g", 0, "a word")], Terms())
        (lease, _) = queue.lease("w", 2)
        assert erase(tmp_path / "q", ["r0", "nobody's"]) == 1
        assert queue.state("b")["rollouts"] == {"leased": 1}
        with pytest.raises(LeaseNotFound):
            queue.end(lease.lease_id, State.DONE, "a secret too")
        assert [path.name for path in tmp_path.iterdir() if b"secret" in path.read_bytes()] == []
    assert erase(tmp_path / "none", ["r0"]) == 0


STEPS = st.lists(st.sampled_from(["lease", "end", "fail", "late", "beat", "wait", "back", "reopen"]), max_size=40)


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_every_rollout_ends_exactly_once(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    clock = Clock()
    path = tmp_path_factory.mktemp("q") / "tasks.sqlite"
    queue = TaskQueue(path, now=clock)
    queue.put("b", work(4), Terms(lease_s=10, max_tries=2))
    held: list[str] = []
    over: list[str] = []
    for step in steps:
        match step:
            case "lease":
                held += [lease.lease_id for lease in queue.lease("w", 2)]
            case "end" | "fail" | "back" if held:
                lease = held.pop(0)
                over.append(lease)
                if queue.extend([lease])[lease] is LeaseEnd.HELD:
                    if step == "back":
                        queue.give_back(lease)
                    else:
                        queue.end(lease, State.FAILED if step == "fail" else State.DONE, step)
            case "late" if over:
                with suppress(LeaseLost):
                    queue.end(over[-1], State.DONE, "late")
            case "beat":
                queue.extend(held)
            case "wait":
                clock += 6
            case "reopen":
                queue.close()
                queue = TaskQueue(path, now=clock)
        ends = Counter(end.rollout_id for end in queue.ended("b"))
        state = queue.state("b")
        assert set(ends.values()) <= {1}
        assert sum(ends.values()) + state["open"] == 4
        assert all(end.output != "late" for end in queue.ended("b"))
    for _ in range(20):
        clock += 100
        for one in queue.lease("w", 4):
            queue.end(one.lease_id, State.DONE)
    assert queue.state("b")["open"] == 0
    assert [end.cursor for end in queue.ended("b")] == [1, 2, 3, 4]
    queue.close()


def test_many_workers_at_once_take_each_rollout_once(tmp_path: Path) -> None:
    queue = TaskQueue(tmp_path / "q")
    queue.put("b", work(60), Terms())
    taken: list[str] = []

    def pull(name: str) -> None:
        while leases := queue.lease(name, 2):
            for lease in leases:
                taken.append(lease.rollout_id)
                queue.end(lease.lease_id, State.DONE, name)

    threads = [threading.Thread(target=pull, args=(f"w{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(taken) == Counter({f"r{n}": 1 for n in range(60)})
    assert queue.state("b")["rollouts"] == {"done": 60}
    queue.close()
