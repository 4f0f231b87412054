"""A process beside this one that does some of the work, where there is a core for it and enough to do.

Results come in the order of the work. What the process beside does not do, since it died or cannot find a function of
ours, is done here, so that it decides nothing but how long things take.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import IO, Any, Protocol, TypeVar

_WORTH = 6
"""A process is started for more pieces of work than these: it takes about two to pay for its start."""

_GIVEN = 2
"""Pieces the process beside has at once: the one it works on, and the next."""

_WAITING = 3
"""Results that may wait for an earlier one."""

_PIPE_BYTES = 1 << 20
"""What a pipe holds, where the system lets it be said: pieces have some 9 MB, for which 64 KiB take twice as long."""

_SIZE = 8


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
            if beside is not None and beside.works and given < _GIVEN:
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
    """The process. `works` is false once it has failed to do a piece; then nothing more need be asked of it."""

    def __init__(self, do: Callable[[Any], Any]) -> None:
        self.works = True
        self._do = do
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="beside")
        # What this process can import, that one can. A session of its own: a Ctrl-C here is no error there.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folder or os.getcwd() for folder in sys.path)},
            start_new_session=True,
        )
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(AttributeError, OSError):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)  # type: ignore[arg-type]

    def __enter__(self) -> Beside:
        self._thread.submit(self._ask, self._do)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._thread.shutdown(cancel_futures=True)
        self._process.communicate()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def ask(self, piece: object) -> Future[Any]:
        """The piece's result, or None where it was not done."""
        return self._thread.submit(self._ask, piece)

    def _ask(self, piece: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self.works:
            try:
                _send(self._process.stdin, pickle.dumps(piece, pickle.HIGHEST_PROTOCOL))
                return pickle.loads(_received(self._process.stdout))  # noqa: S301 - it is our own process
            except (OSError, EOFError, pickle.PickleError, AttributeError, TypeError):
                self.works = False
        return None


def _send(file: IO[bytes], pickled: bytes) -> None:
    file.write(len(pickled).to_bytes(_SIZE))
    file.write(pickled)
    file.flush()


def _received(file: IO[bytes]) -> bytes:
    """Raises EOFError where there is no more."""
    size = file.read(_SIZE)
    pickled = file.read(int.from_bytes(size)) if len(size) == _SIZE else b""
    if not pickled:
        raise EOFError
    return pickled


def main() -> None:
    """What the process does: it is given the function, then piece after piece, until there are no more."""
    # What anybody prints here must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with suppress(Exception):  # Who asked sees that no answer comes, does the piece, and meets whatever it was.
        do = pickle.loads(_received(sys.stdin.buffer))  # noqa: S301 - from the process that started this one
        _send(answers, pickle.dumps(True))
        while True:
            piece = pickle.loads(_received(sys.stdin.buffer))  # noqa: S301
            _send(answers, pickle.dumps(do(piece), pickle.HIGHEST_PROTOCOL))


if __name__ == "__main__":
    main()
