"""Lanes: for each signal its spool, the flusher that empties it, and the writer into its table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

from leyden_collector.flusher import Flusher
from leyden_collector.intake import Signal
from leyden_collector.spool import Limits, Spool
from leyden_store.connection import Connection
from leyden_store.ingest import OtlpWriter

_IN_FLIGHT = 2
"""Inserts at once: ClickHouse parses one on one core while it writes another on the next."""


class Lane:
    """One signal's way from acknowledged to stored, in folders of its own under the spool's."""

    def __init__(self, signal: Signal, folder: Path, limits: Limits, connection: Connection) -> None:
        """Open the spool; what an earlier process left in it goes first. Raises StoreError when it cannot."""
        self.signal = signal
        self.quarantine = quarantine_of(folder, signal)
        self.spool = Spool(folder / signal, limits, lambda: self.flusher.wake(), in_flight=_IN_FLIGHT)
        self._writer = OtlpWriter(connection, signal)
        self.flusher = Flusher(self.spool, self._writer, self.quarantine, in_flight=_IN_FLIGHT)

    def append(self, request: bytes) -> Future[None]:
        """Spool a request; the future is done when it is on disk. Raises SpoolFull, from here or from the future."""
        return self.spool.append(request)

    def stop(self, deadline_s: float) -> bool:
        """Take no more and store what is spooled; whether all of it was in time."""
        self.spool.stop()
        stored = self.flusher.stop(deadline_s=deadline_s)
        self._writer.close()
        return stored


class Lanes:
    """All of them, as one whole."""

    def __init__(self, folder: Path, limits: Limits, connection: Connection) -> None:
        """Open every lane under a folder."""
        self.traces = Lane("traces", folder, limits, connection)
        self.logs = Lane("logs", folder, limits, connection)
        self.all = (self.traces, self.logs)

    @property
    def bytes(self) -> int:
        """Spooled, not yet stored."""
        return sum(lane.spool.bytes for lane in self.all)

    @property
    def quarantined(self) -> int:
        """Requests set aside since the start."""
        return sum(lane.flusher.quarantined for lane in self.all)

    def failing_s(self) -> float:
        """For how many seconds the store has taken nothing; 0 while it takes."""
        since = [lane.flusher.failing_since for lane in self.all if lane.flusher.failing_since is not None]
        return time.monotonic() - min(since) if since else 0.0

    def start(self) -> None:
        """Begin to store."""
        for lane in self.all:
            lane.flusher.start()

    def seal(self) -> Mapping[Signal, int]:
        """Send what is acknowledged so far to the store now; a mark for `stored`."""
        return {lane.signal: lane.spool.seal() for lane in self.all}

    def stored(self, mark: Mapping[Signal, int]) -> bool:
        """Whether all that was acknowledged before the mark is stored."""
        return all(lane.spool.stored(mark[lane.signal]) for lane in self.all)

    def stop(self, deadline_s: float) -> bool:
        """Take no more and store what is spooled; whether all of it was in time."""
        deadline = time.monotonic() + deadline_s
        stored = [lane.stop(max(0.1, deadline - time.monotonic())) for lane in self.all]
        return all(stored)


def quarantine_of(folder: Path, signal: Signal) -> Path:
    """Where a spool folder's poison of a signal is set aside."""
    return folder / "quarantine" / signal if signal != "traces" else folder / "quarantine"
