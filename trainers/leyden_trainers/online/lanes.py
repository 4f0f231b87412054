"""One place in the pool of `local`: an agent's process, one rollout at a time, never longer than its time."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from leyden_trainers.errors import RunnerInvalid
from leyden_trainers.online.runner import Assignment, Policy, Ran, RunnerConfig, agent_environment

_GRACE_S = 2.0
"""Seconds an agent has between SIGTERM and SIGKILL to send its last spans."""
_FUNCTION = re.compile(r"(?P<place>[^\s:]+\.py|\w+(\.\w+)*):\w+")
_PRINTED = 1 << 20
"""Bytes of what a command printed that are its output."""


class TimeUp(Exception):
    """The rollout took too long."""


class Ended(Exception):
    """The agent's process ended without a result; says how."""


class Lane:
    """Runs rollouts one after the other. `close` may be called from another thread, and ends what runs."""

    def __init__(self, config: RunnerConfig) -> None:
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - open as long as the lane
        self._closed = False
        self._starting = threading.Lock()
        self._working = threading.Lock()

    def run(self, assignment: Assignment, policy: Policy) -> Ran:
        """Make the rollout. Whatever goes wrong is told in `error`."""
        deadline = time.monotonic() + self._config.timeout_s
        output, error, timed_out = None, None, False
        with self._working:
            try:
                self._log.truncate(0)
                output, error = self._make(assignment, policy, deadline)
            except TimeUp:
                self._end()
                error, timed_out = f"took longer than {self._config.timeout_s:g} s and was killed", True
            except Exception as failed:
                self._end()
                error = str(failed) or type(failed).__name__
        return Ran(assignment.rollout_id, output, error, timed_out=timed_out)

    def close(self) -> None:
        """End the process, and let no other start."""
        with self._starting:
            self._closed = True
        if self._process is not None:
            _stop(self._process)
        with self._working:
            self._end()
            self._log.close()

    def _make(self, assignment: Assignment, policy: Policy, deadline: float) -> tuple[Any, str | None]:
        """The output, or the agent's own error. Raises TimeUp, Ended: the process is no more of use."""
        raise NotImplementedError

    def _start(self, command: list[str], env: dict[str, str], stdin: Any, stdout: Any) -> subprocess.Popen[bytes]:
        with self._starting:
            if self._closed:
                raise Ended("called off")
            try:
                # A session of its own: its children end with it, and Ctrl-C is the trainer's to pass on.
                self._process = subprocess.Popen(
                    command, env=env, stdin=stdin, stdout=stdout, stderr=self._log, start_new_session=True
                )
            except OSError as error:
                raise Ended(f"cannot start {command[0]!r}: {error.strerror}") from error
            return self._process

    def _end(self) -> None:
        if self._process is None:
            return
        _stop(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process = None

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = [line for line in self._log.read()[-4000:].decode(errors="replace").splitlines() if line.strip()]
        its_own = [line for line in lines if not line.startswith("leyden: ")] or lines
        return its_own[-1].strip()[:300] if its_own else "it said nothing"


class CommandLane(Lane):
    """An agent that is a command: one process a rollout; what it prints is its output."""

    def _make(self, assignment: Assignment, policy: Policy, deadline: float) -> tuple[Any, str | None]:
        words = shlex.split(self._config.agent)
        command = [word.replace("{input}", assignment.task.text) for word in words]
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
            if not any("{input}" in word for word in words):
                given.write(assignment.task.text.encode())
                given.seek(0)
            process = self._start(command, agent_environment(self._config, policy, assignment), given, printed)
            try:
                code = process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise TimeUp from None
            if code:
                raise Ended(f"ended with {code}: {self._last_words()}")
            self._end()  # the children it left behind
            printed.seek(0)
            return printed.read(_PRINTED).decode(errors="replace").rstrip("\n"), None


class FunctionLane(Lane):
    """An agent that is a function: a process of `leyden_instrumentation.tasks`, told one task a line."""

    def __init__(self, config: RunnerConfig) -> None:
        super().__init__(config)
        self._at: tuple[str, str, str] | None = None
        self._read = b""

    def _make(self, assignment: Assignment, policy: Policy, deadline: float) -> tuple[Any, str | None]:
        process = self._ready(policy)
        task = {
            "rollout_id": assignment.rollout_id,
            "group_id": assignment.group_id,
            "attempt": assignment.attempt,
            "policy_version": policy.version or None,
            "input": assignment.task.input,
        }
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(task).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise Ended(self._death(process)) from None
        answer: dict[str, Any] = {}
        while answer.get("rollout_id") != assignment.rollout_id:
            answer = self._answer(process, deadline)
        return answer.get("output"), answer.get("error")

    def _ready(self, policy: Policy) -> subprocess.Popen[bytes]:
        """A process of that environment: the one there is, or a new one."""
        at = (policy.base_url, policy.model, json.dumps(policy.prompts, sort_keys=True))
        if self._process is not None and self._process.poll() is None and self._at == at:
            return self._process
        self._end()
        self._at, self._read = at, b""
        command = [sys.executable, "-m", "leyden_instrumentation.tasks", self._config.agent, "-"]
        return self._start(command, agent_environment(self._config, policy), subprocess.PIPE, subprocess.PIPE)

    def _answer(self, process: subprocess.Popen[bytes], deadline: float) -> dict[str, Any]:
        """The next line that is an answer; {} for one that is not: the agent printed it, past Python."""
        assert process.stdout is not None
        poll = select.poll()
        poll.register(process.stdout, select.POLLIN | select.POLLHUP)
        while b"\n" not in self._read:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeUp
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                raise Ended(self._death(process))
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        try:
            value = json.loads(line)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def _death(self, process: subprocess.Popen[bytes]) -> str:
        _stop(process)
        return f"the agent's process ended with {process.returncode}: {self._last_words()}"


def open_lane(config: RunnerConfig) -> Lane:
    """A lane for the agent that a config names: a function's, or a command's."""
    return (FunctionLane if _FUNCTION.fullmatch(config.agent) else CommandLane)(config)


def check_agent(agent: str) -> None:
    """Raise RunnerInvalid when nothing of that name can be started; what is inside shows when it runs."""
    function = _FUNCTION.fullmatch(agent)
    if function:
        place = function["place"]
        if place.endswith(".py") and not Path(place).is_file():
            raise RunnerInvalid(f"the agent {agent} cannot be started: there is no file {place}")
        return
    try:
        words = shlex.split(agent)
    except ValueError as error:
        raise RunnerInvalid(f"the agent {agent!r} is no command: {error}") from error
    if not words or shutil.which(words[0]) is None:
        raise RunnerInvalid(f"the agent {agent!r} cannot be started: give a command, or file.py:function")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and all of its group: asked first, then killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            _signal_group(process, number)
        try:
            process.wait(_GRACE_S)
            break
        except subprocess.TimeoutExpired:
            continue
    _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS gives the second for a group of zombies
        os.killpg(process.pid, number)
