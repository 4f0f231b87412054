"""A collector's own metrics, written to the store every while: what its dashboard and alerts read."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from leyden_collector.exposition import Family
from leyden_store.connection import Connection
from leyden_store.errors import LeydenError

log = logging.getLogger(__name__)

_STOP_S = 10.0


class MetricsKeeper:
    """A thread that writes samples. What cannot be written just then is left out: the next sample says more.

    every_s: seconds between samples; the last is written on the way out
    """

    def __init__(self, connection: Connection, families: Callable[[], Iterable[Family]], every_s: float) -> None:
        self._connection = connection
        self._families = families
        self._every_s = every_s
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Write a last sample and end, if it ever began."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        self._write()  # counters begin at 0 here: what rises from now on is counted whole
        while not self._stop.wait(self._every_s):
            self._write()
        self._write()

    def _write(self) -> None:
        now = datetime.now(UTC)
        rows: list[dict[str, Any]] = [
            {
                "Timestamp": now,
                "Collector": self._name,
                "Name": family.name + sample.suffix,
                "Labels": dict(sample.labels),
                "Value": float(sample.value),
            }
            for family in self._families()
            for sample in family.samples
            if sample.suffix != "_bucket"  # a dozen rows each, and no panel's
        ]
        try:
            self._connection.insert("collector_metrics", rows)
        except LeydenError as error:
            log.debug("the collector's metrics were not kept: %s", error)
