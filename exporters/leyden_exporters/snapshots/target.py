"""Targets: where an export goes, a path of this machine or any URL fsspec knows (`s3://…`, `gs://…`, `memory://…`)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leyden_exporters.errors import PathUnwritable
from leyden_exporters.snapshots.manifest import NAME


@dataclass(frozen=True, slots=True)
class Target:
    """A path or URL. `path` is what suffixes are read from; for a URL it is not to be written to."""

    text: str
    path: Path
    remote: bool

    @property
    def recorded(self) -> str:
        """How the store records it: absolute, or the URL."""
        return self.text if self.remote else str(self.path.absolute())


def parse_target(given: str | Path) -> Target:
    """Read `--out`. Raises PathUnwritable for a URL whose file system is not installed."""
    text = str(given)
    if "://" not in text or isinstance(given, Path):
        return Target(text, Path(text), remote=False)
    if text.startswith("file://"):
        return Target(text, Path(text.removeprefix("file://")), remote=False)
    _filesystem(text)
    return Target(text, Path(text.rstrip("/").rpartition("/")[2]), remote=True)


@contextmanager
def local_file(target: Target) -> Iterator[Path]:
    """A path to write the file to; a remote file is put in its place when the block ends well."""
    if not target.remote:
        yield target.path
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / target.path.name
        yield path
        with _said(target):
            filesystem, where = _filesystem(target.text)
            filesystem.put_file(str(path), where)


def upload_folder(folder: Path, target: Target, last: str = NAME) -> None:
    """Put a snapshot where it belongs, its manifest last: without one, what is there is no snapshot.

    last: the name of the file that makes it whole, where it is none of ours

    Raises PathUnwritable, having removed what was put there.
    """
    check_untaken(target, last)
    with _said(target):
        filesystem, where = _filesystem(target.text)
        where = where.rstrip("/")
        put: list[str] = []
        try:
            with suppress(NotImplementedError):
                filesystem.makedirs(where, exist_ok=True)
            files = sorted(p for p in folder.rglob("*") if p.is_file())
            for path in sorted(files, key=lambda one: one.name == last):
                put.append(f"{where}/{path.relative_to(folder).as_posix()}")
                filesystem.put_file(str(path), put[-1])
        except BaseException:
            for name in put:
                with suppress(Exception):
                    filesystem.rm_file(name)
            raise


def check_untaken(target: Target, last: str = NAME) -> None:
    """Raise PathUnwritable when something whole is there already."""
    with _said(target):
        filesystem, where = _filesystem(target.text)
        if filesystem.exists(f"{where.rstrip('/')}/{last}"):
            what = "a snapshot" if last == NAME else f"a {last}"
            raise PathUnwritable(f"{target.text} already holds {what}: choose another name")


def remove_folder(target: Target) -> None:
    """Remove a folder and all in it. Raises PathUnwritable."""
    with _said(target):
        if not target.remote:
            shutil.rmtree(target.path)
            return
        filesystem, where = _filesystem(target.text)
        filesystem.rm(where, recursive=True)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a snapshot that goes elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="leyden-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _said(target: Target) -> Iterator[None]:
    """What a file system raises, in one line."""
    try:
        yield
    except PathUnwritable:
        raise
    except Exception as error:  # Every file system has errors of its own.
        raise PathUnwritable(f"cannot write {target.text}: {type(error).__name__}: {error}") from error


def _filesystem(url: str) -> tuple[Any, str]:
    scheme = url.partition("://")[0]
    try:
        from fsspec.core import url_to_fs

        found: tuple[Any, str] = url_to_fs(url)
    except ImportError as error:
        package = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}.get(scheme, "fsspec")
        raise PathUnwritable(f"cannot write to {scheme}://: this needs {package}: pip install {package}") from error
    except ValueError as error:
        raise PathUnwritable(f"cannot write {url}: {error}") from error
    return found
