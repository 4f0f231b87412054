"""Triggers beside a running collector: a thread that looks at them every while, over the collector's own store."""

from __future__ import annotations

import logging
import queue
import threading
import time
from contextlib import nullcontext
from types import TracebackType
from typing import Self

from leyden.triggers.tick import tick
from leyden_store.errors import LeydenError
from leyden_store.lightning import LightningStore

log = logging.getLogger(__name__)


class Watch:
    """Looks at the triggers while its block lasts; training under way is ended then, and recorded as failed.

    dsn: where a training process finds the store (None: where this one does); it goes through this collector's
         gateway to an embedded one
    """

    def __init__(self, store: LightningStore, dsn: str | None, every_s: float) -> None:
        self._store = store
        self._dsn = dsn
        self._every_s = every_s
        self._wanted: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="triggers")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        self._wanted.put("")
        self._thread.join()

    def fire(self, name: str) -> None:
        """Let a trigger train soon, whatever its condition says. Raises TriggerNotFound."""
        self._store.triggers.get(name)
        self._wanted.put(name)

    def _run(self) -> None:
        due = time.monotonic() + self._every_s
        while not self._stop.is_set():
            try:
                name = self._wanted.get(timeout=max(due - time.monotonic(), 0))
            except queue.Empty:
                name, due = "", time.monotonic() + self._every_s
            if not self._stop.is_set():
                self._look(name)

    def _look(self, name: str) -> None:
        try:
            opened = tick(
                lambda: nullcontext(self._store), self._dsn, only=name or None, force=bool(name), stop=self._stop
            )
            for looked in opened:
                if looked.firing is not None or name:
                    log.info("trigger %s: %s", looked.trigger, looked.why)
        except LeydenError as error:
            log.warning("the triggers could not be looked at: %s", error)
