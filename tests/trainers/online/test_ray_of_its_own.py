"""The runner `ray` where there is no cluster yet: it starts one on this machine, and ends it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from leyden_trainers.online.runner import Assignment, Policy, Ran, Runner, start_runner
from leyden_trainers.online.tasks import Task

ray = pytest.importorskip("ray")
POLICY = Policy("http://127.0.0.1:9/v1", "fake", "3")

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own, of its threads and sockets


@pytest.mark.online
def test_agents_outlive_a_step_though_they_take_parts_of_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray ends processes that idle for a second beyond one for each core; agents that start anew take seconds."""
    monkeypatch.delenv("RAY_num_workers_soft_limit", raising=False)
    (tmp_path / "agent.py").write_text("import os, time\ndef act(value):\n    time.sleep(1)\n    return os.getpid()\n")
    settings = {"agent": f"{tmp_path / 'agent.py'}:act", "collector": "http://127.0.0.1:9", "timeout_s": 60.0}
    runner = start_runner("ray", settings | {"concurrency": 6, "cpus": 0.1})
    try:
        first = _pids(runner)
        time.sleep(4)
        assert _pids(runner) <= first
    finally:
        runner.close()
    assert not ray.is_initialized()


def _pids(runner: Runner) -> set[int]:
    ran: list[Ran] = list(runner.run([Assignment(f"r{i}", "g", 0, Task(f"t{i}", "")) for i in range(18)], POLICY))
    assert all(one.error is None for one in ran), ran
    return {one.output for one in ran}
