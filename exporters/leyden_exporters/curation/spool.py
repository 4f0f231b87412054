"""A spool of rollouts on disk: read from the store once, gone over as often as curation asks.

It holds what the store said at one time, so both passes see the same. In a file without a name, a killed process
leaves nothing; in a folder that is named, an export that was cut off goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from leyden_store.turns import Rollout


class Spool:
    """Rollouts in a nameless file of a folder."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`

    def fill(self, rollouts: Iterable[Rollout]) -> Iterator[Rollout]:
        """Keep rollouts as they pass."""
        for rollout in rollouts:
            pickle.dump(rollout, self._file, pickle.HIGHEST_PROTOCOL)
            yield rollout

    def __iter__(self) -> Iterator[Rollout]:
        self._file.seek(0)
        while True:
            try:
                yield pickle.load(self._file)  # noqa: S301 - written by this process, readable by no other
            except EOFError:
                return

    def close(self) -> None:
        """Let the file go."""
        self._file.close()


class KeptBatches:
    """Batches of rollouts in a folder of the user's own, with the plan they were read by."""

    def __init__(self, folder: Path, plan: str) -> None:
        """plan: a hash of what is to be read; batches of another plan are thrown away."""
        self.folder = folder
        if folder.exists() and self._plan() != plan:
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "plan.json").write_text(json.dumps({"plan": plan}), encoding="utf-8")
        self.count = 0
        while self._path(self.count).exists():
            self.count += 1

    def kept(self) -> Iterator[Sequence[Rollout]]:
        """The batches that an earlier export read."""
        for number in range(self.count):
            with self._path(number).open("rb") as file:
                yield pickle.load(file)  # noqa: S301 - in a folder that only its owner may write

    def keep(self, batches: Iterable[Sequence[Rollout]]) -> Iterator[Sequence[Rollout]]:
        """Keep further batches as they pass, each whole or not at all."""
        for batch in batches:
            temporary = self.folder / "partial"
            with temporary.open("wb") as file:
                pickle.dump(batch, file, pickle.HIGHEST_PROTOCOL)
            os.replace(temporary, self._path(self.count))
            self.count += 1
            yield batch

    def done(self) -> None:
        """Remove them: the export is whole."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _plan(self) -> str:
        try:
            return str(json.loads((self.folder / "plan.json").read_text(encoding="utf-8"))["plan"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.rollouts"
