"""Who holds an embedded store: one process at a time, said in the folder itself.

An exclusive `flock` on `holder.lock` is the truth: the kernel releases it even after kill -9. `holder.json` beside it
says who that is and, for a running collector, the URL and token by which others reach the store through its gateway.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from leyden_store.errors import StoreError, StoreLocked


@dataclass(frozen=True, slots=True)
class HolderInfo:
    """What `holder.json` says. url and token are "" unless the holder serves a gateway."""

    pid: int
    command: str
    url: str = ""
    token: str = ""


class Holder:
    """The right to open a folder's engine, kept until `release` or the process's end."""

    def __init__(self, path: Path, lock: IO[str]) -> None:
        self._path = path
        self._lock = lock
        self._write(HolderInfo(os.getpid(), _command()))

    def announce(self, url: str, token: str) -> None:
        """Tell other processes where this one serves the store. The token makes the file private to its owner."""
        self._write(HolderInfo(os.getpid(), _command(), url, token))

    def withdraw(self) -> None:
        """Tell them that it does so no more: they wait until the store is free."""
        self._write(HolderInfo(os.getpid(), _command()))

    def release(self) -> None:
        """Give the store up. Does nothing the second time."""
        if self._lock.closed:
            return
        (self._path / "holder.json").unlink(missing_ok=True)
        self._lock.close()

    def _write(self, info: HolderInfo) -> None:
        temporary = self._path / f"holder.json.{os.getpid()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(info), file)
        temporary.replace(self._path / "holder.json")


def hold(path: Path, *, wait_s: float = 10.0) -> Holder | HolderInfo:
    """Take the store at `path`, or say who serves it.

    A holder that serves no gateway is a short command: it is waited for. Raises StoreLocked when it stays longer than
    `wait_s` seconds, StoreError when the folder cannot be made or written.
    """
    deadline = time.monotonic() + wait_s
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / "holder.lock").open("a")
    except OSError as error:
        raise StoreError(
            f"cannot use {path} as a store folder: {error.strerror}; choose another with --store chdb:///…"
        ) from error
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Holder(path, lock)
        except BlockingIOError:
            info = read_holder(path)
        if info is not None and info.url:
            lock.close()
            return info
        if time.monotonic() >= deadline:
            lock.close()
            who = f"process {info.pid} ({info.command})" if info else "another process"
            raise StoreLocked(
                f"the store {path} is held by {who}, which serves no gateway; wait for it to end, or stop it"
            )
        time.sleep(0.05)


def read_holder(path: Path) -> HolderInfo | None:
    """Who says to hold the store at `path`; None when nobody does. A killed holder's word stands until the next."""
    try:
        return HolderInfo(**json.loads((path / "holder.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _command() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]
