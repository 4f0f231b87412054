"""What stands beside a checkpoint until it is whole, so that another process can go on: which run it is, and its rows.

`NAME.partial/` holds `run.json`, `rows.arrow`, a lock that its process keeps, and `NAME/`, the checkpoint so far.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_trainers.checkpoints import RUN_FILE, has_state, partial_of
from leyden_trainers.errors import CannotResume

_ROWS = "rows.arrow"
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The place beside one checkpoint."""

    out: Path

    @property
    def folder(self) -> Path:
        """The place itself."""
        return partial_of(self.out)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep it to this process. Raises CannotResume while another has it: a lock goes when its process does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CannotResume(f"another process trains in {self.folder} now: wait for its end") from error
            yield

    def asked(self) -> tuple[str, Mapping[str, Any]] | None:
        """The run that stands here, and what was asked of it; None where none does."""
        path = self.folder / RUN_FILE
        if not path.is_file():
            return None
        told = json.loads(path.read_text(encoding="utf-8"))
        return told["run_id"], told["asked"]

    def write(self, run_id: str, asked: Mapping[str, Any], rows: pa.Table | None) -> str:
        """Begin a run; the SHA-256 of its rows, "" where it has none of its own."""
        digest = ""
        if rows is not None:
            with pa.OSFile(str(self.folder / _ROWS), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
                writer.write_table(rows.combine_chunks())
            digest = _sha256(self.folder / _ROWS)
        written = self.folder / f"{RUN_FILE}.part"
        written.write_text(json.dumps({"run_id": run_id, "asked": asked}))
        written.rename(self.folder / RUN_FILE)
        return digest

    def rows(self, digest: str) -> pa.Table:
        """The rows the run began with. Raises CannotResume when they are others."""
        path = self.folder / _ROWS
        if not path.is_file() or _sha256(path) != digest:
            raise CannotResume(
                f"{path} does not hold the rows that the run began with: start it anew with another --out"
            )
        with pa.memory_map(str(path)) as file:
            return pa.ipc.open_file(file).read_all()

    @property
    def resumable(self) -> bool:
        """Whether something would be lost with it: a state to go on from, or a checkpoint that is not recorded yet."""
        return has_state(self.folder / self.out.name) or self.out.exists()

    def remove(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """As it comes back from JSON, to be compared with what does."""
    made: dict[str, Any] = json.loads(json.dumps(value, sort_keys=True, default=str))
    return made


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
