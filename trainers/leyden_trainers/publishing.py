"""Where a checkpoint goes: a folder of this machine, or any URL fsspec knows (`s3://…`, `gs://…`, `memory://…`).

For a URL it is made here first, and then put there, the file that makes it whole last.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leyden_exporters.snapshots.target import Target, check_untaken, parse_target, upload_folder

WHOLE = "checkpoint.json"
"""In a checkpoint at a URL: its files with their hashes, and the run that made it. Without it, it is none."""

_TOLD = {"curves.png", "README.md", WHOLE}  # a card names the folder it was made in
_LOGS = "runs"


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint in its place. path: absolute, or the URL; sha256: as of `folder_hash`; size: in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a checkpoint goes. local: the folder it is made in, the place itself unless that is a URL."""

    target: Target
    local: Path

    @property
    def recorded(self) -> str:
        """As the store records it: absolute, or the URL."""
        return self.target.recorded

    def check(self) -> None:
        """Raise PathUnwritable when a checkpoint is at the URL already, or it cannot be reached."""
        if self.target.remote:
            check_untaken(self.target, WHOLE)

    def publish(self, about: Mapping[str, Any]) -> Published:
        """Put the checkpoint where it goes. about: what `checkpoint.json` says of it beside its files."""
        # One that could not be put there before may have left its list.
        sizes = {path: path.stat().st_size for path in _files(self.local) if path != self.local / WHOLE}
        made = Published(self.recorded, folder_hash(self.local), sum(sizes.values()))
        if self.target.remote:
            files = {str(path.relative_to(self.local)): _sha256(path) for path in sizes}
            told = {**about, "sha256": made.sha256, "files": files}
            (self.local / WHOLE).write_text(json.dumps(told, indent=1, sort_keys=True))
            upload_folder(self.local, self.target, WHOLE)
        return made

    def tidy(self) -> None:
        """Remove what was made here of a checkpoint that is elsewhere now."""
        if self.target.remote:
            shutil.rmtree(self.local, ignore_errors=True)


def place_of(out: Path | str) -> Place:
    """The place that `--out` names. Raises PathUnwritable for a URL whose file system is not installed."""
    target = parse_target(out)
    if not target.remote:
        return Place(target, target.path)
    # The same URL is the same place from wherever it is asked for, so that a run can be gone on with.
    named = f"{target.path.name}-{hashlib.sha256(target.text.encode()).hexdigest()[:12]}"
    return Place(target, cache_folder() / "checkpoints" / named)


def cache_folder() -> Path:
    """Where what is elsewhere too is kept: `$XDG_CACHE_HOME/leyden`, else `~/.cache/leyden`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leyden"


def folder_hash(folder: Path) -> str:
    """SHA-256 over what a checkpoint loads, names included: not its card and curves, nor what is logged of its run."""
    digest = hashlib.sha256()
    for path in _files(folder):
        name = path.relative_to(folder)
        if str(name) not in _TOLD and name.parts[0] != _LOGS:
            digest.update(f"{name}\0".encode())
            digest.update(bytes.fromhex(_sha256(path)))
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
