"""What a run tells the store while it trains: metrics, how far it is, and that it lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from leyden_store.errors import StoreError
from leyden_store.runs import Run, Runs
from leyden_trainers.plugin import PROGRESS

_METRICS_EVERY_S = 2.0
_BEAT_EVERY_S = 15.0


class Record:
    """A run on its way. A store that is away, because its collector is started again, is told later."""

    def __init__(self, runs: Runs, run: Run) -> None:
        self.run = run
        self._runs = runs
        self._waiting: list[tuple[int, Mapping[str, float]]] = []
        self._written = time.monotonic()

    def measured(self, step: int, values: Mapping[str, float]) -> None:
        """Note what was measured. It is written a few seconds at a time: an insert a step would slow small models."""
        told = {name: value for name, value in values.items() if name != PROGRESS}
        self._waiting.append((step, told))
        self.run = replace(self.run, progress=values.get(PROGRESS, self.run.progress))
        if time.monotonic() - self._written > _METRICS_EVERY_S:
            self.flush()

    def flush(self, *, at_most_s: float = 0.0) -> None:
        """Write what waits.

        at_most_s: how long a store that is away is waited for; StoreError after that, if this is not 0
        """
        deadline = time.monotonic() + at_most_s
        while self._waiting:
            try:
                self._runs.metrics(self.run.run_id, self._waiting)
                self._waiting = []
            except StoreError:
                if not at_most_s:
                    break
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
        self._written = time.monotonic()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Say every while that the run lives, as long as the block lasts."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(_BEAT_EVERY_S):
                with suppress(StoreError):
                    self._runs.beat(self.run)

        thread = threading.Thread(target=beat, name="leyden-heart", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
