"""The spool: export requests on disk, acknowledged once fsynced, in segments that are inserts to be.

A segment is a file of length-delimited requests, which is exactly what `INSERT … FORMAT Protobuf` reads. One thread
writes and fsyncs for everybody (group commit: whoever arrives during an fsync shares the next). What was acknowledged
survives kill -9; a torn tail was never acknowledged and is cut off at the next start.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from leyden_collector.exposition import Histogram
from leyden_store.errors import StoreError
from leyden_store.ingest import varint

_GROWN = 8
_BESIDE = 2
_PATIENT = 10


class SpoolFull(StoreError):
    """The spool has no room: its bound is reached or the disk is full. Retry later."""


@dataclass(frozen=True, slots=True)
class Limits:
    """max_bytes: spooled, not yet stored. A segment closes at segment_bytes, or segment_age_s after its first byte;
    while another is being stored it grows, to twice as much or for ten times as long, and while the store is behind to
    eight times as much."""

    max_bytes: int = 1 << 30
    segment_bytes: int = 8 << 20
    segment_age_s: float = 0.2


class Spool:
    """Appends requests to segments in a folder; closed segments wait in `closed` for the flusher, oldest first.

    in_flight: how many segments are stored at once; with so many closed the store is behind
    """

    def __init__(
        self, folder: Path, limits: Limits, on_closed: Callable[[], None] = lambda: None, *, in_flight: int = 1
    ) -> None:
        """Open the folder; segments an earlier process left are closed ones. Raises StoreError when it cannot."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = (folder / "lock").open("a")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise StoreError(
                f"another collector uses the spool {folder}; give this one its own with --spool"
            ) from error
        except OSError as error:
            raise StoreError(
                f"cannot use {folder} as a spool: {error.strerror}; choose another with --spool"
            ) from error
        self._folder = folder
        self._limits = limits
        self._on_closed = on_closed
        self._in_flight = in_flight
        self._claimed: set[Path] = set()
        self._wake = threading.Condition()
        self._waiting: list[tuple[bytes, Future[None]]] = []
        self._stopping = False
        self._seal = False
        self.closed: deque[Path] = deque(sorted(folder.glob("*.seg")))
        for path in self.closed:
            _cut_torn_tail(path)
        self._number = int(self.closed[-1].stem) if self.closed else 0
        self.bytes = sum(path.stat().st_size for path in self.closed)
        self.lag = Histogram()
        # When a segment's first request was acknowledged (Unix time); of one left by an earlier process, its last.
        self._since = {path: path.stat().st_mtime for path in self.closed}
        self._file: int | None = None
        self._path: Path | None = None
        self._size = 0
        self._opened_at = 0.0
        self._thread = threading.Thread(target=self._commit_forever, name="leyden-spool", daemon=True)
        self._thread.start()

    def append(self, request: bytes) -> Future[None]:
        """Spool a request; the future is done when it is on disk. Raises SpoolFull, from here or from the future."""
        done: Future[None] = Future()
        with self._wake:
            if self._stopping:
                raise SpoolFull("the collector is stopping; retry")
            if self.bytes + len(request) > self._limits.max_bytes:
                raise SpoolFull(f"the spool holds {self.bytes} bytes that the store has not taken yet; retry")
            self.bytes += _size(request)
            self._waiting.append((request, done))
            self._wake.notify()
        return done

    def seal(self) -> int:
        """Close the segment that is open, so that what is in it goes to the store now; a mark for `stored`."""
        with self._wake:
            self._seal = True
            self._wake.notify()
            return self._number

    def stored(self, mark: int) -> bool:
        """Whether all that was acknowledged before the `seal` that gave the mark is stored; later ones may wait."""
        with self._wake:
            oldest = int(self.closed[0].stem) if self.closed else self._number if self._file is not None else None
            return oldest is None or oldest > mark

    def claim(self) -> Path | None:
        """The oldest closed segment that nobody has claimed; it is the caller's until `done`."""
        with self._wake:
            found = next((path for path in self.closed if path not in self._claimed), None)
            if found is not None:
                self._claimed.add(found)
            return found

    def done(self, path: Path) -> None:
        """A segment is stored (or quarantined): forget it."""
        size = path.stat().st_size
        path.unlink()
        with self._wake:
            self.closed.remove(path)
            self._claimed.discard(path)
            self.lag.observe(max(0.0, time.time() - self._since.pop(path)))
            self.bytes -= size
            self._wake.notify()

    def oldest_s(self) -> float:
        """Age in seconds of the oldest request that is acknowledged and not stored; 0 when there is none."""
        with self._wake:
            return max(0.0, time.time() - min(self._since.values())) if self._since else 0.0

    @property
    def empty(self) -> bool:
        """Whether everything that was appended has been stored."""
        with self._wake:
            return not (self._waiting or self.closed or self._file is not None)

    def stop(self) -> None:
        """Commit what waits, close the open segment, end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()
        self._lock.close()

    def _commit_forever(self) -> None:
        while True:
            with self._wake:
                while not (self._waiting or self._stopping or self._seal or self._due()):
                    self._wake.wait(self._until_due())
                # Whoever went away meanwhile is not written; of the others nobody can cancel any more.
                batch = [(request, done) for request, done in self._waiting if done.set_running_or_notify_cancel()]
                self.bytes -= sum(_size(request) for request, done in self._waiting if done.cancelled())
                self._waiting = []
                stopping, seal, self._seal = self._stopping, self._seal, False
            if batch:
                self._commit(batch)
            if self._file is not None and (stopping or seal or self._due()):
                self._close()
            if stopping and not batch:
                return

    def _commit(self, batch: list[tuple[bytes, Future[None]]]) -> None:
        data = b"".join(part for request, _ in batch for part in (varint(len(request)), request))
        try:
            if self._file is None:
                self._open()
            assert self._file is not None
            _write_all(self._file, data)
            os.fdatasync(self._file)
        except OSError as error:
            self._undo(len(data))
            for _, done in batch:
                done.set_exception(SpoolFull(f"the spool cannot be written: {error.strerror}; retry"))
            return
        self._size += len(data)
        for _, done in batch:
            done.set_result(None)

    def _undo(self, size: int) -> None:
        """Cut a partial write off, so that what is in the segment is whole; room is given back."""
        if self._file is not None:
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
        with self._wake:
            self.bytes -= size

    def _open(self) -> None:
        path = self._folder / f"{self._number + 1:012d}.seg"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with self._wake:
            self._number, self._path, self._file = self._number + 1, path, file
            self._size, self._opened_at = 0, time.monotonic()
            self._since[path] = time.time()
        _sync_folder(self._folder)

    def _close(self) -> None:
        assert self._file is not None
        assert self._path is not None
        os.close(self._file)
        with self._wake:
            self._file = None
            if self._size:
                self.closed.append(self._path)
            else:
                self._path.unlink()
                del self._since[self._path]
        self._on_closed()

    def _due(self) -> bool:
        """Whether the open segment is large or old enough.

        An insert costs as much as 5,000 spans before its first: while one is under way the next grows. It does so but a
        little as long as the store takes another one at once, which would have nothing to do meanwhile.
        """
        if self._file is None:
            return False
        behind = len(self.closed) >= self._in_flight
        grown = _GROWN if behind else _BESIDE if self.closed else 1
        return self._size >= grown * self._limits.segment_bytes or self._until_due() == 0

    def _until_due(self) -> float | None:
        """Seconds until the open segment is old enough; None while the store is behind: it grows instead.

        An insert costs the same for a few spans as for thousands, so small ones would fall ever further back.
        """
        if self._file is None or len(self.closed) >= self._in_flight:
            return None
        age = self._limits.segment_age_s * (_PATIENT if self.closed else 1)
        return max(0.0, self._opened_at + age - time.monotonic())


def requests(segment: bytes) -> tuple[list[bytes], int]:
    """Split a segment into its requests; also how many of its bytes they cover: less than all when the tail is torn."""
    found: list[bytes] = []
    position = 0
    while position < len(segment):
        length = shift = 0
        cursor = position
        while cursor < len(segment):
            byte = segment[cursor]
            cursor += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        else:
            break
        if cursor + length > len(segment):
            break
        found.append(segment[cursor : cursor + length])
        position = cursor + length
    return found, position


def _size(request: bytes) -> int:
    """Bytes a request takes in a segment."""
    return len(varint(len(request))) + len(request)


def _cut_torn_tail(path: Path) -> None:
    data = path.read_bytes()
    _, whole = requests(data)
    if whole < len(data):
        os.truncate(path, whole)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _sync_folder(folder: Path) -> None:
    """A new file's name is durable only when its folder is synced too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
