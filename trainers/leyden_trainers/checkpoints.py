"""Checkpoint folders: whole or absent. What is unfinished stands beside, in `NAME.partial`, until it is whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leyden_trainers.errors import OutputTaken

RUN_FILE = "run.json"
"""In `NAME.partial`, of a run that is recorded: which one it is. The folder is then the job's to remove."""


def check_output(out: Path) -> None:
    """Raise OutputTaken when something is there already."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise OutputTaken(f"{out} exists already: choose another --out, or remove it")


def partial_of(out: Path) -> Path:
    """Where what is unfinished stands."""
    return out.with_name(f"{out.name}.partial")


@contextmanager
def checkpoint_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` to write into; it becomes `out` at the end.

    After an error it stays if a run can go on from it (`resumable`), and else nothing is left of it.
    """
    partial = partial_of(out)
    folder = partial / out.name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
        if out.is_dir():
            out.rmdir()  # empty: `check_output` saw to that
        folder.rename(out)
    finally:
        if not has_state(folder) and not (partial / RUN_FILE).exists():
            shutil.rmtree(partial, ignore_errors=True)


MARK = "whole.json"
"""In a state that was written to its end."""


def states(folder: Path) -> list[Path]:
    """The states that transformers wrote into a folder, whole or not, the newest last."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def has_state(folder: Path) -> bool:
    """Whether a run could go on from here."""
    return any((state / MARK).is_file() for state in states(folder))
