"""The runner `ray`, on a Ray cluster of this machine: as `local`, and when Ray's own processes die."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leyden_trainers.online.runner import Assignment, Policy, Ran, Runner, start_runner
from leyden_trainers.online.tasks import Task
from tests.support.fake_llm import FakeLlm
from tests.support.otlp_sink import OtlpSink

ray = pytest.importorskip("ray")
EXAMPLE = Path(__file__).parents[3] / "examples" / "tool_agent" / "agent.py"
POLICY = Policy("http://127.0.0.1:9/v1", "fake", "3")

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own, of its threads and sockets


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _node_ip_address="127.0.0.1",
    )
    yield
    ray.shutdown()


def started(agent: str, **settings: Any) -> Runner:
    given = {"agent": agent, "collector": "http://127.0.0.1:9", "timeout_s": 60.0, "cpus": 0.5, **settings}
    return start_runner("ray", given)


def work(*inputs: Any) -> list[Assignment]:
    return [Assignment(f"r{i}", f"g{i}", 0, Task(f"t{i}", value)) for i, value in enumerate(inputs)]


def function(folder: Path, body: str) -> str:
    (folder / "agent.py").write_text(f"import os, time\nfolder = {str(folder)!r}\ndef act(value):\n    {body}\n")
    return f"{folder / 'agent.py'}:act"


def test_an_unmodified_agent_is_recorded_as_the_rollout_it_was_given() -> None:
    with FakeLlm() as llm, OtlpSink() as sink:
        runner = started(f"{EXAMPLE}:answer", collector=sink.url, concurrency=2, project="p")
        found = {ran.rollout_id: ran for ran in runner.run(work("tool: a", "hello"), Policy(llm.url, "fake", "3"))}
        deadline = time.monotonic() + 20
        while len(roots := {s.attributes["leyden.rollout.id"] for s in sink.spans if not s.parent_id}) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        runner.close()
    assert {r: ran.output for r, ran in found.items()} == {"r0": "The tools say 391, 9.", "r1": "echo: hello"}
    assert roots == {"r0", "r1"}
    assert ray.is_initialized(), "the cluster was not this runner's"


@pytest.mark.online
def test_failures_and_time_up_are_told(tmp_path: Path) -> None:
    runner = started(function(tmp_path, "time.sleep(60 if value == 'slow' else 0); return 10 // value"), timeout_s=4.0)
    found = {ran.rollout_id: ran for ran in runner.run(work(5, 0, "slow"), POLICY)}
    assert found["r0"] == Ran("r0", 2, None)
    assert found["r1"] == Ran("r1", None, "ZeroDivisionError: integer division or modulo by zero")
    assert found["r2"] == Ran("r2", None, "took longer than 4 s and was killed", timed_out=True)


def test_a_process_of_rays_that_dies_costs_a_try(tmp_path: Path) -> None:
    """The agent kills the Ray process that waits for it: its parent's parent would be the cluster's own."""
    body = (
        "first = value == 'dies' and not os.path.exists(folder + '/died');"
        " first and open(folder + '/died', 'w').close();"
        f" first and (os.kill(os.getppid(), {int(signal.SIGKILL)}), time.sleep(1)); return value"
    )
    runner = started(function(tmp_path, body), concurrency=2)
    found = {ran.rollout_id: ran for ran in runner.run(work("a", "dies", "b"), POLICY)}
    assert {r: (ran.output, ran.error, ran.attempts) for r, ran in found.items()} == {
        "r0": ("a", None, 1),
        "r1": ("dies", None, 2),
        "r2": ("b", None, 1),
    }
    body = f"os.kill(os.getppid(), {int(signal.SIGKILL)}); time.sleep(1)"
    (lost,) = started(function(tmp_path, body), max_tries=2).run(work("a"), POLICY)
    assert (lost.attempts, (lost.error or "").startswith("lost 2 times")) == (2, True)


@pytest.mark.online
def test_what_is_not_taken_is_called_off(tmp_path: Path) -> None:
    body = "open(f'{folder}/{os.getpid()}.pid', 'w').close(); time.sleep(0 if value == 'quick' else 120); return value"
    runner = started(function(tmp_path, body), concurrency=2)
    answers = iter(runner.run(work("quick", "slow"), POLICY))
    assert next(answers).output == "quick"
    deadline = time.monotonic() + 20
    while len(pids := [int(path.stem) for path in tmp_path.glob("*.pid")]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    answers.close()  # type: ignore[attr-defined]
    while all(_runs(pid) for pid in pids):
        assert time.monotonic() < deadline, "the slow agent goes on"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return b"State:\tZ" not in Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return False
