"""The runner `hybrid` and `leyden worker`: every rollout ends once, whoever is killed in the middle."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from leyden_collector.spool_folder import TASKS_FILE
from leyden_collector.tasks.erasing import erase
from leyden_trainers.errors import QueueRefused, QueueUnreachable
from leyden_trainers.online.runner import Assignment, Policy, Ran, start_runner
from leyden_trainers.online.tasks import Task
from tests.support.clickhouse_server import Proxy, pump
from tests.support.collector import Collector, ask

POLICY = Policy("http://127.0.0.1:9/v1", "fake", "3")


class Worker:
    """A `leyden worker` in a process of its own."""

    def __init__(self, collector: str, agent: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "leyden", "worker", "--collector", collector, "--agent", agent, *arguments]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("LEYDEN_", "OTEL_"))}
        self.process = subprocess.Popen(command, env=env, text=True, stderr=subprocess.PIPE, start_new_session=True)
        self.said = ""
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr:
            for line in self.process.stderr:
                self.said += line

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reading.join()
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reading.join()


Starting = Callable[..., Worker]


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    folder = tmp_path_factory.mktemp("collector")
    with Collector(f"chdb://{folder}/store", folder) as running:
        yield running


@pytest.fixture
def starting(collector: Collector, tmp_path: Path) -> Iterator[Starting]:
    """Starts workers of a queue of the test's own, on a function `act(value)` of that body."""
    workers: list[Worker] = []

    def start(body: str, *arguments: str, url: str = "") -> Worker:
        path = tmp_path / "agent.py"
        path.write_text(f"import os, time\nfolder = {str(tmp_path)!r}\ndef act(value):\n    {body}\n")
        workers.append(Worker(url or collector.url, f"{path}:act", "--queue", tmp_path.name, *arguments))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


def work(*inputs: Any) -> list[Assignment]:
    return [Assignment(f"r{i}", "g", 0, Task(f"t{i}", value)) for i, value in enumerate(inputs)]


def running(url: str, tmp_path: Path, inputs: list[Any], **settings: Any) -> Iterator[Ran]:
    runner = start_runner("hybrid", {"collector": url, "queue": tmp_path.name, "timeout_s": 60.0, **settings})
    with closing(runner):
        yield from runner.run(work(*inputs), POLICY)


def eventually(condition: Callable[[], object], timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.05)


def batch(collector: Collector, tmp_path: Path) -> dict[str, Any]:
    """How the newest batch of this test's queue stands."""
    items = ask(f"{collector.url}/api/tasks").json()["items"]
    return next(item for item in items if item["queue"] == tmp_path.name)  # type: ignore[no-any-return]


def test_workers_run_what_the_trainer_wants_run(collector: Collector, starting: Starting, tmp_path: Path) -> None:
    starting("time.sleep(60 if value == 'slow' else 0); return [10 // value, os.environ['OPENAI_MODEL']]")
    found = {ran.rollout_id: ran for ran in running(collector.url, tmp_path, [5, 0, "slow"], timeout_s=6.0)}
    assert found["r0"] == Ran("r0", [2, "fake"], None)
    assert found["r1"] == Ran("r1", None, "ZeroDivisionError: integer division or modulo by zero")
    assert found["r2"] == Ran("r2", None, "took longer than 6 s and was killed", timed_out=True)


def test_a_killed_workers_rollout_is_given_to_another_and_counted(
    collector: Collector, starting: Starting, tmp_path: Path
) -> None:
    """The first try of one rollout never ends; its worker is killed, and a second worker runs all that is left."""
    body = (
        "first = value == 'hang' and not os.path.exists(folder + '/hung');"
        " first and open(folder + '/hung', 'w').close(); time.sleep(60 if first else 0); return value"
    )
    doomed = starting(body)
    found: list[Ran] = []
    training = threading.Thread(
        target=lambda: found.extend(running(collector.url, tmp_path, ["a", "hang", "b"], lease_s=2.0))
    )
    training.start()
    eventually((tmp_path / "hung").exists)
    doomed.close()
    starting(body)
    training.join(60)
    assert {ran.rollout_id: (ran.output, ran.error, ran.attempts) for ran in found} == {
        "r0": ("a", None, 1),
        "r1": ("hang", None, 2),
        "r2": ("b", None, 1),
    }
    assert batch(collector, tmp_path)["retries"] == 1


def test_told_to_stop_a_worker_ends_what_it_runs_and_takes_no_more(
    collector: Collector, starting: Starting, tmp_path: Path
) -> None:
    worker = starting("open(folder + '/began', 'w').close(); time.sleep(2); return value")
    answers = running(collector.url, tmp_path, ["a", "b"])
    taking = threading.Thread(target=lambda: got.append(next(answers)))
    got: list[Ran] = []
    taking.start()
    eventually((tmp_path / "began").exists)
    assert worker.end(signal.SIGTERM) == 0
    assert "ran 1 rollouts" in worker.said
    taking.join(30)
    assert [ran.output for ran in got] == ["a"]
    assert (batch(collector, tmp_path)["rollouts"], batch(collector, tmp_path)["retries"]) == (
        {"done": 1, "waiting": 1},
        0,
    )
    answers.close()  # type: ignore[attr-defined]
    assert batch(collector, tmp_path)["rollouts"] == {"cancelled": 1, "done": 1}


def test_told_twice_it_gives_back_what_runs_and_what_is_called_off_is_ended(
    collector: Collector, starting: Starting, tmp_path: Path
) -> None:
    body = "open(f'{folder}/{os.getpid()}', 'w').close(); time.sleep(120)"
    first = starting(body)
    answers = running(collector.url, tmp_path, ["a"], lease_s=3.0)
    failing = threading.Thread(target=lambda: list(answers))
    failing.start()

    def agents() -> list[Path]:
        return [path for path in tmp_path.iterdir() if path.name.isdecimal()]

    def alive(pid: str) -> bool:
        return Path(f"/proc/{pid}/cmdline").exists()

    eventually(lambda: len(agents()) == 1)
    first.process.send_signal(signal.SIGTERM)
    eventually(lambda: "taking no more" in first.said)
    assert first.end(signal.SIGTERM) == 0
    assert batch(collector, tmp_path)["rollouts"] == {"waiting": 1}
    second = starting(body)
    eventually(lambda: len(agents()) == 2)
    ask(f"{collector.url}/api/tasks/{batch(collector, tmp_path)['batch_id']}", method="DELETE")
    failing.join(30)
    eventually(lambda: "called off: ended here" in second.said)
    eventually(lambda: not any(alive(path.name) for path in agents()))
    assert second.process.poll() is None  # it waits for others


@pytest.mark.slow
def test_a_collector_killed_and_started_again_costs_nothing(starting: Starting, tmp_path: Path) -> None:
    with Collector(f"chdb://{tmp_path}/store", tmp_path) as own, Proxy(int(own.url.rpartition(":")[2])) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        worker = starting("time.sleep(0.2); return value", url=url)
        found: list[Ran] = []
        training = threading.Thread(target=lambda: found.extend(running(url, tmp_path, list(range(30)), lease_s=5.0)))
        training.start()
        eventually(lambda: len(found) >= 5)
        own.kill()
        time.sleep(2)
        own.start()
        proxy.target = int(own.url.rpartition(":")[2])
        training.join(60)
        assert [(ran.output, ran.attempts) for ran in sorted(found, key=lambda ran: ran.output)] == [
            (n, 1) for n in range(30)
        ]
        assert "trying again" in worker.said
        assert "answers again" in worker.said


class Losing(Proxy):
    """A way to a server on which the first answer that gives a lease is lost."""

    lost = False

    def forward(self, near: socket.socket, far: socket.socket) -> None:
        threading.Thread(target=pump, args=(near, far), daemon=True).start()
        with far, suppress(OSError):  # whoever asked may be killed meanwhile
            answer = b"".join(iter(lambda: far.recv(1 << 16), b""))  # urllib asks once a connection
            if b"lease_s" in answer and not self.lost:
                self.lost = True
            else:
                near.sendall(answer)
            near.shutdown(socket.SHUT_RDWR)


def test_an_answer_that_is_lost_costs_no_try(collector: Collector, starting: Starting, tmp_path: Path) -> None:
    proxy = Losing(int(collector.url.rpartition(":")[2]))
    with proxy:
        starting("return value", url=f"http://127.0.0.1:{proxy.port}")
        found = [(ran.output, ran.attempts) for ran in running(collector.url, tmp_path, [1, 2], lease_s=5.0)]
        assert found == [(1, 1), (2, 1)]
        assert proxy.lost


def test_a_rollout_that_is_erased_meanwhile_is_waited_for_no_longer(collector: Collector, tmp_path: Path) -> None:
    answers = running(collector.url, tmp_path, ["a"])
    found: list[Ran] = []
    waiting = threading.Thread(target=lambda: found.extend(answers))
    waiting.start()
    eventually(lambda: tmp_path.name in ask(f"{collector.url}/api/tasks").body.decode())
    assert erase(collector.spool / TASKS_FILE, ["r0"]) >= 1
    waiting.join(30)
    assert [(ran.rollout_id, ran.error) for ran in found] == [("r0", "was erased from the task queue")]


def test_what_cannot_be_is_said_in_a_line(collector: Collector, tmp_path: Path) -> None:
    with pytest.raises(QueueUnreachable, match="no collector answers at"):
        list(running("http://127.0.0.1:9", tmp_path, ["a"], patience_s=0.1))
    runner = start_runner("hybrid", {"collector": collector.url})
    with pytest.raises(QueueRefused, match="every rollout_id once"):
        list(runner.run(work("a") * 2, POLICY))
    for arguments, code, said in (
        (("--agent", "nowhere.py:act"), 2, "there is no file nowhere.py"),
        (("--agent", "true", "--concurrency", "0"), 2, "a whole number above 0"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "leyden", "worker", "--collector", collector.url, *arguments],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (done.returncode, said in done.stderr, done.stderr.count("\n")) == (code, True, 1), done.stderr
