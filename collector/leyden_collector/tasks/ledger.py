"""The task queue's file: one SQLite database, one transaction a call, on disk before the call returns."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leyden_collector.tasks.words import State
from leyden_store.errors import StoreError

_SCHEMA = Path(__file__).with_name("schema.sql")


class Ledger:
    """The file, and what every transaction on it begins with: leases whose time is up are over.

    Safe to call from several threads. now: Unix seconds
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        """Open or make the file. Raises StoreError."""
        self._now = now
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            self._db.row_factory = sqlite3.Row
            # Written ahead and fsynced at every commit: what was answered survives kill -9 and a power cut.
            self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
            self._db.executescript(_SCHEMA.read_text(encoding="utf-8"))
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot use {path} as the task queue: {error}; choose another with --spool") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self, *, expiring: bool = True) -> Iterator[sqlite3.Connection]:
        """All or nothing of what is done in the block. Raises StoreError when the file cannot be used."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    if expiring:
                        self._expire()
                    yield self._db
                    self._db.execute("COMMIT")
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise StoreError(f"the task queue cannot be used: {error}; retry") from error

    def end(self, number: int, state: State, output: Any = None, error: str | None = None) -> None:
        """A rollout ends, within the caller's transaction."""
        self._db.execute(
            "UPDATE rollouts SET state = ?, output = ?, error = ?, ended = 1 + (SELECT coalesce(max(ended), 0)"
            " FROM rollouts AS others WHERE others.batch_id = rollouts.batch_id) WHERE number = ?",
            (state, None if output is None else text(output), error, number),
        )
        self.count(state)

    def count(self, event: str, n: int = 1) -> None:
        """Count what happened, within the caller's transaction."""
        self._db.execute(
            "INSERT INTO counts VALUES (?, ?) ON CONFLICT (event) DO UPDATE SET n = n + excluded.n", (event, n)
        )

    def _expire(self) -> None:
        rows = self._db.execute(
            "SELECT lease_id, number, lost, max_tries FROM leases JOIN rollouts USING (number)"
            " JOIN batches USING (batch_id) WHERE ended_as = 'held' AND expires_at < ?",
            (self._now(),),
        ).fetchall()
        for row in rows:
            self._db.execute("UPDATE leases SET ended_as = 'expired' WHERE lease_id = ?", (row["lease_id"],))
            self._db.execute(
                "UPDATE rollouts SET state = 'waiting', lost = lost + 1 WHERE number = ?", (row["number"],)
            )
            self.count("expired")
            if row["lost"] + 1 >= row["max_tries"]:
                self.end(row["number"], State.LOST, error=f"{row['max_tries']} workers in turn were lost over it")


def text(value: Any) -> str:
    """A value as the JSON that is stored: the same for equal values."""
    return json.dumps(value, sort_keys=True, allow_nan=False)
