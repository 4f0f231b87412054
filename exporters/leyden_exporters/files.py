"""Writing files whole or not at all: a temporary sibling, fsync, rename.

A process that is killed leaves the old file, or none, under the name asked for; never half of a new one.
"""

from __future__ import annotations

import errno
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leyden_exporters.errors import PathUnwritable

_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A temporary path to write to; it becomes `path` when the block ends well, and is removed when it does not.

    Raises PathUnwritable before the block is entered if nothing can be written there, or when the disk refuses.
    """
    if path.is_dir():
        raise PathUnwritable(f"{path} is a folder: give a file name in it")
    temporary = _sibling(path)
    _sweep(path)
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with _disk_errors(path):
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder to fill; it becomes `path` when the block ends well, and is removed when it does not.

    Raises PathUnwritable if `path` exists and is anything but an empty folder: two exports never mix.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise PathUnwritable(f"{path} already exists: remove it or choose another name")
    temporary = _sibling(path)
    _sweep(path)
    try:
        temporary.mkdir()
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with _disk_errors(path):
            yield temporary
            for inside in sorted(temporary.rglob("*")):
                _sync(inside)
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sibling(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def _sweep(path: Path) -> None:
    """Remove what processes that were killed left of this path."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        pid = left.name.split(".")[-2]
        if pid.isdigit() and not _alive(int(pid)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    # Only what a disk says: an OSError from the stream being read (a lost connection) is not about this path.
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise _unwritable(path, error) from error
        raise


def _unwritable(path: Path, error: OSError) -> PathUnwritable:
    if not path.parent.is_dir():
        return PathUnwritable(f"cannot write {path}: the folder {path.parent} does not exist, create it first")
    return PathUnwritable(f"cannot write {path}: {os.strerror(error.errno) if error.errno else error}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
