"""The runner `local`: a bounded pool of agent processes on this machine."""

from __future__ import annotations

import queue
import re
import shlex
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from leyden_trainers.errors import RunnerInvalid
from leyden_trainers.online.lanes import CommandLane, FunctionLane, Lane
from leyden_trainers.online.runner import Assignment, Policy, Ran, RunnerConfig

_FUNCTION = re.compile(r"(?P<place>[^\s:]+\.py|\w+(\.\w+)*):\w+")


class Local:
    """Rollouts in processes of their own, `concurrency` at a time.

    A function's processes stay for the next rollout, since importing an agent takes longer than running it; a command
    is started anew each time. Either has a process group of its own, which is killed when time is up.
    """

    Config = RunnerConfig

    def __init__(self, config: RunnerConfig) -> None:
        _check(config.agent)
        self._config = config
        self._lanes: list[Lane] = []

    def run(self, work: Sequence[Assignment], policy: Policy) -> Iterator[Ran]:
        """See `runner.Runner`."""
        waiting: queue.SimpleQueue[Assignment] = queue.SimpleQueue()
        for assignment in work:
            waiting.put(assignment)
        answers: queue.SimpleQueue[Ran] = queue.SimpleQueue()

        def serve(lane: Lane) -> None:
            while True:
                try:
                    assignment = waiting.get_nowait()
                except queue.Empty:
                    return
                answers.put(lane.run(assignment, policy))

        threads = [threading.Thread(target=serve, args=(lane,)) for lane in self._open(len(work))]
        for thread in threads:
            thread.start()
        taken = 0
        try:
            while taken < len(work):
                found = answers.get()
                taken += 1
                yield found
        finally:
            if taken < len(work):
                self.close()
            for thread in threads:
                thread.join()

    def close(self) -> None:
        """End every agent that still runs, and those that wait for work."""
        lanes, self._lanes = self._lanes, []
        for lane in lanes:
            lane.close()

    def _open(self, wanted: int) -> list[Lane]:
        made = FunctionLane if _FUNCTION.fullmatch(self._config.agent) else CommandLane
        while len(self._lanes) < min(self._config.concurrency, wanted):
            self._lanes.append(made(self._config))
        return self._lanes[:wanted]


def _check(agent: str) -> None:
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
