"""Checkpoint folders: whole or absent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leyden_trainers.errors import OutputTaken


def check_output(out: Path) -> None:
    """Raise OutputTaken when something is there already."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise OutputTaken(f"{out} exists already: choose another --out, or remove it")


@contextmanager
def checkpoint_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` to write into; it becomes `out` at the end, and nothing is left of it after an error."""
    scratch = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    scratch.mkdir(parents=True)
    try:
        yield scratch
        if out.is_dir():
            out.rmdir()  # empty: `check_output` saw to that
        scratch.rename(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
