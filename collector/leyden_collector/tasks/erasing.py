"""Erasing rollouts from a task queue's file, whether or not a collector has it open."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from leyden_store.errors import StoreError


def erase(path: Path, rollout_ids: Collection[str]) -> int:
    """Remove rollouts with their inputs and outputs, from the disk too. How many those were. Raises StoreError."""
    if not rollout_ids or not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as db:
            db.executescript("PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;")
            removed = sum(
                db.execute("DELETE FROM rollouts WHERE rollout_id = ?", (rollout_id,)).rowcount
                for rollout_id in rollout_ids
            )
            if removed:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise StoreError(f"the task queue {path} cannot be cleaned: {error}; try again") from error
    return removed
