"""The task runner: an ordinary function over many tasks, each a rollout."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leyden_instrumentation.tasks import TasksError, load_function, load_tasks, main
from tests.instrumentation.conftest import EXAMPLES
from tests.support.otlp_sink import OtlpSink

AGENT = f"{EXAMPLES / 'tool_agent' / 'agent.py'}:answer"


@pytest.mark.parametrize("started_recorded", [True, False])
def test_each_task_is_a_rollout_and_failures_do_not_stop_the_others(
    started_recorded: bool, recorded: dict[str, str], bare: dict[str, str], sink: OtlpSink, tmp_path: Path
) -> None:
    tasks = [{"input": f"tool: {i}", "group_id": f"g{i}", "attempt": i, "rollout_id": f"r{i}"} for i in range(6)]
    tasks.append({"input": "fail: please"})
    (tmp_path / "tasks.jsonl").write_text("\n".join(map(json.dumps, tasks)))
    command = [sys.executable, "-m", "leyden_instrumentation.tasks", AGENT, "tasks.jsonl", "--concurrency", "3"]
    own = {k: v for k, v in recorded.items() if k in bare or k.startswith("OPENAI") or k.endswith("_ENDPOINT")}
    env = recorded if started_recorded else own
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "leyden: 1 of 7 rollouts failed\n")

    lines = {line["rollout_id"]: line for line in map(json.loads, done.stdout.splitlines())}
    for i in range(6):
        assert lines[f"r{i}"] == {
            "rollout_id": f"r{i}",
            "group_id": f"g{i}",
            "attempt": i,
            "output": "The tools say 391, 9.",
        }
    (failed,) = [line for line in lines.values() if "error" in line]
    assert failed["error"].startswith("BadRequestError")

    roots = [s for s in sink.spans if not s.parent_id]
    assert {s.name for s in roots} == {"invoke_workflow answer"}
    assert {s.attributes["leyden.rollout.id"]: s.status for s in roots} == {
        r: "Error" if r == failed["rollout_id"] else "Unset" for r in lines
    }
    for root in roots:
        inside = [s for s in sink.spans if s.trace_id == root.trace_id]
        assert len(inside) == (2 if root.status == "Error" else 5)
        assert {s.attributes["leyden.rollout.id"] for s in inside} == {root.attributes["leyden.rollout.id"]}


def test_a_rollout_s_spans_are_sent_when_it_ends(recorded: dict[str, str], sink: OtlpSink) -> None:
    """Not when the next batch is due: whoever trains waits for them."""
    env = recorded | {"OTEL_BSP_SCHEDULE_DELAY": "600000"}
    command = [sys.executable, "-m", "leyden_instrumentation.tasks", AGENT, "-"]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(2):
            process.stdin.write(json.dumps({"input": "tool: x", "rollout_id": f"r{number}"}) + "\n")
            process.stdin.flush()
            process.stdout.readline()
            deadline = time.monotonic() + 30
            while f"r{number}" not in {s.attributes["leyden.rollout.id"] for s in sink.spans if not s.parent_id}:
                assert time.monotonic() < deadline, "its root has not come"
                time.sleep(0.05)


def test_what_cannot_be_run_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"input": 1}\nnot json\n')
    with pytest.raises(TasksError, match="line 2: no JSON"):
        load_tasks(str(path))
    path.write_text('{"question": 1}\n')
    with pytest.raises(TasksError, match='line 1: a task is an object with "input"'):
        load_tasks(str(path))
    with pytest.raises(TasksError, match="names no function"):
        load_function("agent.py")
    with pytest.raises(TasksError, match="no such file"):
        load_function("nowhere.py:f")
    with pytest.raises(TasksError, match="has no function 'nothing'"):
        load_function("json:nothing")
    with pytest.raises(SystemExit, match="2"):
        main([])
