"""A process of ours, run to its end, or until there is a reason to end it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from leyden_store.errors import LeydenError

_PATIENCE_S = 10.0
"""How long a process told to end may take."""

_LOOK_S = 0.2


class Unfinished(LeydenError):
    """A process did not end well; says how."""


def ran(command: Sequence[str], about: Mapping[str, str], why_end: Callable[[], str]) -> str:
    """What a process printed. Raises Unfinished when it fails, or was ended for a reason.

    about:   variables beside this process's own: a password is not for the command line, where everyone can read it
    why_end: asked every moment; the reason to end it now, or ""
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        # A group of its own: Ctrl-C at `leyden up` is for the collector to pass on, and its children end with it.
        child = subprocess.Popen(command, stdout=out, stderr=err, env=os.environ | about, process_group=0)
        why = ""
        while child.poll() is None and not why:
            with suppress(subprocess.TimeoutExpired):
                child.wait(_LOOK_S)
            why = why_end()
        if child.poll() is None:
            _end(child)
            raise Unfinished(why)
        printed, said = _text(out), _text(err)
    if child.returncode:
        last = (said.strip() or printed.strip() or "it said nothing").splitlines()[-1]
        raise Unfinished(f"{Path(command[0]).name} ended with {child.returncode}: {last}")
    return printed


def _end(child: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, how)
        try:
            child.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            continue
        return


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
