"""The runner `local`: a bounded pool of agent processes on this machine."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence

from leyden_trainers.online.lanes import Lane, check_agent, open_lane
from leyden_trainers.online.runner import Assignment, Policy, Ran, RunnerConfig, as_they_end


class Local:
    """Rollouts in processes of their own, `concurrency` at a time.

    A function's processes stay for the next rollout, since importing an agent takes longer than running it; a command
    is started anew each time. Either has a process group of its own, which is killed when time is up.
    """

    Config = RunnerConfig

    def __init__(self, config: RunnerConfig) -> None:
        check_agent(config.agent)
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
        try:
            yield from as_they_end(answers, len(work), self.close)
        finally:
            for thread in threads:
                thread.join()

    def close(self) -> None:
        """End every agent that still runs, and those that wait for work."""
        lanes, self._lanes = self._lanes, []
        for lane in lanes:
            lane.close()

    def _open(self, wanted: int) -> list[Lane]:
        while len(self._lanes) < min(self._config.concurrency, wanted):
            self._lanes.append(open_lane(self._config))
        return self._lanes[:wanted]
