"""A process beside this one that does some of the work, where there is a core for it and enough to do.

Results come in the order of the work. What the process beside does not do, since it died or cannot find a function of
ours, is done here, so that it decides nothing but how long things take.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from tempfile import TemporaryFile
from typing import IO, Any, Protocol, TypeVar

import pyarrow as pa

_WORTH = 6
"""A process is started for more pieces of work than these: it takes about two to pay for its start."""

_GIVEN = 2
"""Pieces the process beside has at once: the one it works on, and the next."""

_WAITING = 3
"""Results that may wait for an earlier one."""

_HEAD = struct.Struct("<BQ")
"""What goes through the pipes: which slot, and how many bytes lie there."""


Work = TypeVar("Work", covariant=True)
Result = TypeVar("Result")


class Pieces(Protocol[Work]):
    """Pieces of work that come one by one, and how many will."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Work]: ...


def in_order(do: Callable[[Work], Result], pieces: Pieces[Work], *, cores: int | None = None) -> Iterator[Result]:
    """Do each piece of work, here or beside; `do` and the pieces pickle. cores: how many there are, None to find out.

    Raises what `do` raises.
    """
    cores = len(os.sched_getaffinity(0)) if cores is None else cores
    waiting: deque[tuple[Work | None, Future[Result | None]]] = deque()
    with ExitStack() as closing:
        # At once: it starts while the first pieces are still fetched.
        beside = closing.enter_context(Beside(do)) if cores > 1 and len(pieces) > _WORTH else None
        for piece in pieces:
            given = sum(not future.done() for _, future in waiting)
            if beside is not None and given < beside.room:
                waiting.append((piece, beside.ask(piece)))
            else:
                waiting.append((None, _done(do(piece))))
            while waiting and (waiting[0][1].done() or len(waiting) > _WAITING):
                yield _result(do, *waiting.popleft())
        while waiting:
            yield _result(do, *waiting.popleft())


def _done(result: Result) -> Future[Result | None]:
    future: Future[Result | None] = Future()
    future.set_result(result)
    return future


def _result(do: Callable[[Work], Result], piece: Work | None, future: Future[Result | None]) -> Result:
    result = future.result()
    if result is None:
        assert piece is not None
        return do(piece)
    return result


class Beside:
    """The process. `works` is false once it has failed to do a piece; then nothing more need be asked of it.

    Pieces and results lie in memory that both can see, where each is written and read by one call: through a pipe they
    would go in many, and after each of them a thread waits for Python's lock while another reads.
    """

    def __init__(self, do: Callable[[Any], Any]) -> None:
        self.works = True
        self._do = do
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="beside")
        # One more than pieces are given: the function may still lie in its own.
        self._slots = [_slot() for _ in range(_GIVEN + 1)]
        self._asked = 0
        # What this process can import, that one can. A session of its own: a Ctrl-C here is no error there.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, *(str(slot.fileno()) for slot in self._slots)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folder or os.getcwd() for folder in sys.path)},
            start_new_session=True,
            pass_fds=[slot.fileno() for slot in self._slots],
        )

    def __enter__(self) -> Beside:
        self._started = self.ask(self._do)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._thread.shutdown(cancel_futures=True)
        self._process.communicate()
        for slot in self._slots:
            slot.close()

    @property
    def room(self) -> int:
        """How many pieces it should have: until it has started, no more than it begins with."""
        return 0 if not self.works else _GIVEN if self._started.done() else 1

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def ask(self, piece: object) -> Future[Any]:
        """The piece's result, or None where it was not done. Two pieces may wait for theirs."""
        place = self._asked % len(self._slots)
        self._asked += 1
        try:
            size = _put(self._slots[place].fileno(), piece)
        except (OSError, pickle.PickleError, AttributeError, TypeError):
            self.works, size = False, 0
        return self._thread.submit(self._ask, place, size)

    def _ask(self, place: int, size: int) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self.works:
            try:
                _send(self._process.stdin, place, size)
                return _got(self._slots[place].fileno(), _received(self._process.stdout)[1])
            except (OSError, EOFError, pickle.PickleError, AttributeError, TypeError):
                self.works = False
        return None


def _slot() -> IO[bytes]:
    """A file without a name, in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("leyden-beside"), "r+b", buffering=0)
    return TemporaryFile(buffering=0)


def _put(slot: int, value: object) -> int:
    """Write a value into a slot; how many bytes it took."""
    pickled = memoryview(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
    written = 0
    while written < len(pickled):
        written += os.pwrite(slot, pickled[written:], written)
    return written


def _got(slot: int, size: int) -> Any:
    """The value of so many bytes in a slot."""
    pickled = os.pread(slot, size, 0)
    while len(pickled) < size:
        pickled += os.pread(slot, size - len(pickled), len(pickled)) or _ended()
    return pickle.loads(pickled)  # noqa: S301 - a process of our own wrote it


def _ended() -> bytes:
    raise EOFError


def _send(file: IO[bytes], place: int, size: int) -> None:
    file.write(_HEAD.pack(place, size))
    file.flush()


def _received(file: IO[bytes]) -> tuple[int, int]:
    """A slot's place and size. Raises EOFError where no more come."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError
    place, size = _HEAD.unpack(head)
    return place, size


def main() -> None:
    """What the process does: it is given the function, then piece after piece, until there are no more."""
    slots = [int(slot) for slot in sys.argv[1:]]
    # What anybody prints here must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    do: Callable[[Any], Any] | None = None
    with _NoPandas():
        pa.array([""]).to_numpy(zero_copy_only=False)
    with suppress(Exception):  # Who asked sees that no answer comes, does the piece, and meets whatever it was.
        while True:
            place, size = _received(sys.stdin.buffer)
            given = _got(slots[place], size)
            if do is None:
                do, made = given, True
            else:
                made = do(given)
            _send(answers, place, _put(slots[place], made))


class _NoPandas:
    """An importer that finds no pandas. pyarrow looks for it at its first array, which takes half a second, and rows
    need none of it; once it has looked, whoever imports pandas here gets it all the same."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)

    def __enter__(self) -> None:
        sys.meta_path.insert(0, self)

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)


if __name__ == "__main__":
    main()
