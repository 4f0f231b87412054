"""Processes of ours beside a command: started, waited for until they answer, and ended by pid whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

from leyden_store.errors import LeydenError
from leyden_store.owned import owned


class ProcessFailed(LeydenError):
    """A process did not do its work; says which, and its last words."""


@contextmanager
def serving(arguments: Sequence[str], *, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run `python -m …` as a server; gives the first line it prints. Told to stop, and waited for, at the end.

    It ends with this process too, should that be killed.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=owned(os.environ if env is None else env),
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline().strip()
            if not line:
                process.wait()
                raise ProcessFailed(f"{arguments[0]} did not start: {_last_words(log)}")
            yield line
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def finish(arguments: Sequence[str], *, env: Mapping[str, str] | None = None) -> str:
    """Run `python -m …` to its end; what it printed. Raises ProcessFailed with its last words when it fails."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=env and dict(env),
            check=False,
        )
        if done.returncode:
            raise ProcessFailed(f"{' '.join(arguments[:2])} failed: {_last_words(log)}")
        return done.stdout


def flags(**values: object) -> list[str]:
    """Command line options: `flags(http_port=0)` is `["--http-port", "0"]`."""
    return [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def _last_words(log: IO[str]) -> str:
    log.seek(0)
    lines = [line for line in log.read().splitlines() if line.strip()]
    return " ".join(lines[-3:])[-600:] or "it said nothing"
