"""The flusher: closed segments into the store, oldest first, each once; what no store can read goes to quarantine."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import threading
import time
from pathlib import Path

from leyden_collector.spool import Spool, requests
from leyden_store.errors import MemoryShort, OtlpInvalid
from leyden_store.ingest import OtlpWriter, delimited

log = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 10.0

_TRIES_FOR_MEMORY = 30
"""How often a single request is tried that takes more memory than the store has: for some minutes, since other queries
may need it just then. After that it would keep all that comes behind it out of the store for good."""


class Flusher:
    """Threads that empty a spool into a store, each with one segment at a time.

    A segment's SHA-256 is its deduplication token: one that was stored just before a crash is not stored twice.
    """

    def __init__(self, spool: Spool, writer: OtlpWriter, quarantine: Path, *, in_flight: int = 1) -> None:
        self._spool = spool
        self._writer = writer
        self._quarantine = quarantine
        self._wake = threading.Condition()
        self._stop = threading.Event()
        self.failing_since: float | None = None
        self.stored_segments = 0
        self.quarantined = 0
        self._threads = [
            threading.Thread(target=self._run, name=f"leyden-flusher-{n}", daemon=True) for n in range(in_flight)
        ]

    def start(self) -> None:
        """Begin; segments left by an earlier process go first."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Say that a segment was closed."""
        with self._wake:
            self._wake.notify()

    def stop(self, *, deadline_s: float) -> bool:
        """Store what is left, for at most so long and while the store takes it; whether all of it was.

        The rest waits in the spool for the next start.
        """
        deadline = time.monotonic() + deadline_s
        while not self._spool.empty and self.failing_since is None and time.monotonic() < deadline:
            time.sleep(0.02)
        self._stop.set()
        with self._wake:
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        return self._spool.empty

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._wake:
                path = self._spool.claim()
                if path is None:
                    self._wake.wait(1.0)
            if path is not None and self._stored(path):
                with self._wake:
                    self.stored_segments += 1
                self._spool.done(path)

    def _stored(self, path: Path) -> bool:
        """Store a segment, however often it takes; False when told to stop meanwhile."""
        pause, tries = 0.1, 0
        while not self._stop.is_set():
            tries += 1
            try:
                self._store(path, last_try_for_memory=tries >= _TRIES_FOR_MEMORY)
            except Exception as error:  # Whatever it is, the segment is kept and this thread goes on.
                with self._wake:
                    if self.failing_since is None:
                        self.failing_since = time.monotonic()
                        log.warning("the store does not take spans, they wait in the spool: %s", error)
                self._stop.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause = min(pause * 2, _LONGEST_PAUSE_S)
                continue
            with self._wake:
                if self.failing_since is not None:
                    log.warning("the store takes spans again after %.1f s", time.monotonic() - self.failing_since)
                    self.failing_since = None
            return True
        return False

    def _store(self, path: Path, *, last_try_for_memory: bool) -> None:
        try:
            with path.open("rb") as file:
                self._writer.write(file, token=hashlib.file_digest(file, "sha256").hexdigest())
        except (OtlpInvalid, MemoryShort):
            short = self._bisect(requests(path.read_bytes())[0], last_try_for_memory)
            if short is not None:
                raise short from None

    def _bisect(self, found: list[bytes], last_try_for_memory: bool) -> MemoryShort | None:
        """Store what can be stored of a segment that is poisoned, or takes more memory at once than there is.

        A request that cannot be stored alone either is set aside with the reason; or, short of memory, is to be tried
        once more with the segment, for which the error is returned.
        """
        segment = delimited(found)
        try:
            self._writer.write(segment, token=hashlib.sha256(segment).hexdigest())
        except (OtlpInvalid, MemoryShort) as error:
            if len(found) > 1:
                middle = len(found) // 2
                short = [self._bisect(half, last_try_for_memory) for half in (found[:middle], found[middle:])]
                return next(filter(None, short), None)
            if isinstance(error, MemoryShort) and not last_try_for_memory:
                return error
            self._set_aside(found[0], str(error))
        return None

    def _set_aside(self, request: bytes, reason: str) -> None:
        self._quarantine.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{time.strftime('%Y%m%dT%H%M%S')}-{hashlib.sha256(request).hexdigest()[:16]}"
        (self._quarantine / f"{name}.pb").write_bytes(request)
        (self._quarantine / f"{name}.json").write_text(json.dumps({"reason": reason, "bytes": len(request)}))
        with self._wake:
            self.quarantined += 1
        log.error("a request of %d bytes went to quarantine as %s: %s", len(request), name, reason)
