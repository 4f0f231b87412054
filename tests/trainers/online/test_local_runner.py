"""The runner `local`: every rollout is answered once, within its time, by an agent that knows nothing of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from leyden_trainers.errors import RunnerInvalid
from leyden_trainers.online.runner import Assignment, Policy, Ran, Runner, start_runner
from leyden_trainers.online.tasks import Task
from tests.support.fake_llm import FakeLlm
from tests.support.otlp_sink import OtlpSink

EXAMPLE = Path(__file__).parents[3] / "examples" / "tool_agent" / "agent.py"
NOWHERE = "http://127.0.0.1:9"
"""Of agents that record nothing, or are never started."""
POLICY = Policy(f"{NOWHERE}/v1", "fake", "3")


@pytest.fixture(scope="module")
def sink() -> Iterator[OtlpSink]:
    with OtlpSink() as listening:
        yield listening


@pytest.fixture
def running(sink: OtlpSink) -> Callable[..., AbstractContextManager[Runner]]:
    @contextmanager
    def start(agent: str, **settings: Any) -> Iterator[Runner]:
        runner = start_runner("local", {"agent": agent, "collector": sink.url, "timeout_s": 60.0, **settings})
        try:
            yield runner
        finally:
            runner.close()

    return start


Running = Callable[..., AbstractContextManager[Runner]]


def work(*inputs: Any) -> list[Assignment]:
    return [Assignment(f"r{i}", f"g{i}", 0, Task(f"g{i}", value)) for i, value in enumerate(inputs)]


def by_id(found: Iterator[Ran]) -> dict[str, Ran]:
    answers = list(found)
    assert len(answers) == len({answer.rollout_id for answer in answers}), "each exactly once"
    return {answer.rollout_id: answer for answer in answers}


def function(folder: Path, body: str) -> str:
    """An agent whose function `act(value)` has that body."""
    (folder / "agent.py").write_text(f"import os, sys, time, subprocess\ndef act(value):\n    {body}\n")
    return f"{folder / 'agent.py'}:act"


def shell(*words: str) -> str:
    return f"{sys.executable} -c " + " ".join(repr(word) for word in words)


@pytest.mark.parametrize("kind", ["function", "command"])
def test_an_unmodified_agent_is_recorded_as_the_rollout_it_was_given(running: Running, kind: str) -> None:
    agent = f"{EXAMPLE}:answer" if kind == "function" else f"{sys.executable} {EXAMPLE} {{input}}"
    with FakeLlm() as llm, OtlpSink() as own, running(agent, collector=own.url, concurrency=2, project="p") as runner:
        found = by_id(runner.run(work("tool: a", "hello"), Policy(llm.url, "fake", "3")))
        runner.close()
        roots = {s.attributes["leyden.rollout.id"]: s for s in own.spans if not s.parent_id}
    assert {r: ran.output for r, ran in found.items()} == {"r0": "The tools say 391, 9.", "r1": "echo: hello"}
    assert {r: s.attributes["leyden.group.id"] for r, s in roots.items()} == {"r0": "g0", "r1": "g1"}
    assert {str(s.attributes["leyden.policy.version"]) for s in roots.values()} == {"3"}
    assert {s.attributes["leyden.project"] for s in roots.values()} == {"p"}


def test_a_command_without_a_place_for_the_input_reads_it_from_stdin(running: Running) -> None:
    with running(shell("import sys; print(sys.stdin.read()[::-1])")) as runner:
        found = by_id(runner.run(work("abc", {"a": 1}), POLICY))
    assert [found[r].output for r in ("r0", "r1")] == ["cba", '{"a": 1}'[::-1]]


def test_an_agent_that_fails_is_told_of_and_the_others_go_on(running: Running, tmp_path: Path) -> None:
    agent = function(tmp_path, "return os._exit(3) if value == 'die' else 10 // value")
    with running(agent, concurrency=1) as runner:
        found = by_id(runner.run(work(0, "die", 5), POLICY))
    assert found["r0"].error == "ZeroDivisionError: integer division or modulo by zero"
    assert (found["r1"].error or "").startswith("the agent's process ended with 3")
    assert found["r2"] == Ran("r2", 2, None)
    with running(shell("import sys; print('half'); sys.exit('no key')")) as runner:
        assert by_id(runner.run(work("x"), POLICY))["r0"] == Ran("r0", None, "ended with 1: no key")


@pytest.mark.parametrize("kind", ["function", "command"])
def test_a_rollout_that_takes_too_long_is_killed_with_its_children(running: Running, kind: str, tmp_path: Path) -> None:
    body = "subprocess.Popen(['sleep', '60']); print(value); time.sleep(60 if value == 'slow' else 0)"
    command = "sh -c 'sleep 60 & read -r value; echo $value; if [ $value = slow ]; then sleep 60; fi'"
    told = function(tmp_path, f"{body}; return value") if kind == "function" else command
    with running(told, concurrency=1, timeout_s=5.0) as runner:
        found = by_id(runner.run(work("slow", "quick"), POLICY))
        assert found["r0"].error == "took longer than 5 s and was killed"
        assert found["r1"] == Ran("r1", "quick", None)
    deadline = time.monotonic() + 20  # what is killed takes a moment to go
    while children := sleeping(tmp_path):
        assert time.monotonic() < deadline, f"its children end with it: {children}"
        time.sleep(0.05)


def sleeping(folder: Path) -> list[str]:
    """Children of this test's agents that still sleep."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ") if sys.platform == "linux" else ():
        try:
            if f"PYTEST_CURRENT_TEST={os.environ['PYTEST_CURRENT_TEST']}" in path.read_bytes().decode(errors="replace"):
                found.append(str(path))
        except OSError:
            continue
    return [path for path in found if path != f"/proc/{os.getpid()}/environ"]


def test_processes_stay_for_the_next_rollout_and_not_for_another_server(running: Running, tmp_path: Path) -> None:
    with running(function(tmp_path, "return os.getpid()"), concurrency=1) as runner:
        first = {ran.output for ran in runner.run(work(1, 2), POLICY)}
        again = {ran.output for ran in runner.run(work(1), POLICY)}
        other = {ran.output for ran in runner.run(work(1), Policy(f"{NOWHERE}/v2", "fake", "3"))}
    assert len(first) == 1
    assert first == again != other


def test_what_is_not_taken_is_called_off(running: Running, tmp_path: Path) -> None:
    agent = function(tmp_path, "time.sleep(0 if value == 'quick' else 60); return value")
    with running(agent, concurrency=2) as runner:
        start = time.monotonic()
        answers = iter(runner.run(work("quick", "slow", "slow"), POLICY))
        assert next(answers).output == "quick"
        answers.close()  # type: ignore[attr-defined]
        assert time.monotonic() - start < 20
        assert by_id(runner.run(work("quick"), POLICY))["r0"].output == "quick", "and it can be used again"


def test_no_more_run_at_a_time_than_asked_for(running: Running, tmp_path: Path) -> None:
    # Nobody ends before two have begun: the second process may take longer to start than six rollouts by the first.
    log, both = f"open(r'{tmp_path}/log', 'a')", f"open(r'{tmp_path}/log').read().count('+') > 1"
    body = f"{log}.write('+'); any({both} or time.sleep(0.1) for _ in range(200)); time.sleep(0.1); {log}.write('-')"
    with running(function(tmp_path, body), concurrency=2) as runner:
        by_id(runner.run(work(*range(6)), POLICY))
    depth = [0]
    for mark in (tmp_path / "log").read_text():
        depth.append(depth[-1] + (1 if mark == "+" else -1))
    assert (max(depth), depth[-1]) == (2, 0)


@pytest.mark.parametrize(
    ("name", "agent", "said"),
    [
        ("lokal", "true", "no runner is called 'lokal': use local"),
        ("local", "no-such-program --x", "cannot be started"),
        ("local", "nowhere.py:act", "there is no file nowhere.py"),
        ("local", "'", "is no command"),
    ],
)
def test_an_agent_that_nothing_can_start_is_said_at_once(name: str, agent: str, said: str) -> None:
    with pytest.raises(RunnerInvalid, match=said):
        start_runner(name, {"agent": agent, "collector": NOWHERE})


def test_settings_a_runner_does_not_know_are_refused() -> None:
    for key, value in (("concurrency", 0), ("threads", 4)):
        with pytest.raises(RunnerInvalid, match=key):
            start_runner("local", {"agent": "true", "collector": NOWHERE, key: value})
