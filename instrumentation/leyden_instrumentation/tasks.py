"""Many rollouts, one process: `python -m leyden_instrumentation.tasks AGENT.py:function TASKS.jsonl [--concurrency N]`.

The function is an ordinary one that takes a task's input and returns its output. Each line of the file is a JSON object
`{"input": …, "group_id"?, "rollout_id"?, "attempt"?, "policy_version"?}`. Each rollout
prints one JSON line on stdout as it ends, `{"rollout_id", "group_id", "attempt", "output" | "error"}`, and sends its
spans then; what the agent prints goes to stderr. `-` reads stdin, and starts each rollout as its line comes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import importlib.util
import inspect
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

from leyden_instrumentation.activation import activate
from leyden_instrumentation.process import Process
from leyden_instrumentation.rollouts import rollout


class TasksError(Exception):
    """The agent or the task file is not what the runner can use; one line says why."""


def run(
    function: Callable[[Any], Any], tasks: Iterable[dict[str, Any]], *, concurrency: int = 1, out: TextIO = sys.stdout
) -> tuple[int, int]:
    """Run `function` over the tasks, one rollout each, and print each result. Returns how many failed, and of how many.

    A rollout that raises is an error line and an error on its root span; the others go on.
    """
    lock = threading.Lock()
    name = getattr(function, "__name__", "agent")

    def one(task: dict[str, Any]) -> bool:
        who = {key: task.get(key) for key in ("rollout_id", "group_id", "attempt", "policy_version")}
        attempt = rollout(**who, name=name)
        line: dict[str, Any] = {
            "rollout_id": attempt.rollout_id,
            "group_id": task.get("group_id"),
            "attempt": task.get("attempt"),
        }
        try:
            with attempt:
                line["output"] = _call(function, task["input"])
        except (Exception, SystemExit) as error:
            line["error"] = f"{type(error).__name__}: {error}"
        if Process.current is not None:
            Process.current.deliver()
        with lock:
            print(json.dumps(line, ensure_ascii=False, default=str), file=out, flush=True)
        return "error" in line

    with ThreadPoolExecutor(max_workers=concurrency) as pool:
        failures = [pool.submit(one, task) for task in tasks]
        return sum(failed.result() for failed in failures), len(failures)


def load_function(target: str) -> Callable[[Any], Any]:
    """The function that `path/to/agent.py:name` or `package.module:name` means. Raises TasksError."""
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise TasksError(f"{target!r} names no function: write AGENT.py:function")
    try:
        module = _load_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except (ImportError, OSError) as error:
        raise TasksError(f"cannot load {place}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise TasksError(f"{place} has no function {name!r}")
    return function  # type: ignore[no-any-return]


def load_tasks(path: str) -> Iterable[dict[str, Any]]:
    """The tasks of a JSON Lines file, or of stdin for `-`, as they come. Raises TasksError with the line's number."""
    if path == "-":
        return _tasks(sys.stdin, "stdin")
    try:
        return list(_tasks(Path(path).read_text(encoding="utf-8").splitlines(), path))
    except OSError as error:
        raise TasksError(f"cannot read {path}: {error.strerror}") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 when every task was run, whatever came of it; 2 when nothing could be run."""
    parser = argparse.ArgumentParser(prog="python -m leyden_instrumentation.tasks", description=__doc__)
    parser.add_argument("agent", metavar="AGENT.py:function")
    parser.add_argument("tasks", metavar="TASKS.jsonl")
    parser.add_argument("--concurrency", type=int, default=1, metavar="N", help="rollouts at a time, in threads")
    options = parser.parse_args(argv)
    _record_rollouts_only()
    out = sys.stdout
    try:
        tasks = load_tasks(options.tasks)
        with contextlib.redirect_stdout(sys.stderr):
            failed, count = run(load_function(options.agent), tasks, concurrency=max(1, options.concurrency), out=out)
    except TasksError as error:
        print(f"leyden: {error}", file=sys.stderr)
        return 2
    if failed:
        print(f"leyden: {failed} of {count} rollouts failed", file=sys.stderr)
    return 0


def _record_rollouts_only() -> None:
    """Each rollout is a trace of its own here, so the process needs no root span."""
    activate()
    if Process.current is not None:
        Process.current.forget_root()


def _call(function: Callable[[Any], Any], value: Any) -> Any:
    result = function(value)
    return asyncio.run(_await(result)) if inspect.isawaitable(result) else result


async def _await(result: Any) -> Any:
    return await result


def _load_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    # As `python agent.py` would: the agent's folder comes first.
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def _tasks(lines: Iterable[str], path: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            task = json.loads(line)
        except json.JSONDecodeError as error:
            raise TasksError(f"{path}, line {number}: no JSON: {error}") from error
        if not isinstance(task, dict) or "input" not in task:
            raise TasksError(f'{path}, line {number}: a task is an object with "input"')
        yield task


if __name__ == "__main__":
    sys.exit(main())
