"""The task queue: rollouts wait here until a worker leases them, and wait again when its lease expires.

SQLite beside the spool, not ClickHouse: a lease is a compare-and-set, and ClickHouse has none. Nothing is kept in
memory, so a killed collector forgets nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from leyden_collector.tasks.errors import BatchExists, BatchNotFound, LeaseLost, LeaseNotFound
from leyden_collector.tasks.ledger import Ledger, text
from leyden_collector.tasks.words import Assignment, Ended, Lease, LeaseEnd, State, Terms

FORGET_S = 7 * 86_400.0
"""A batch in which nothing waits or runs is forgotten so long after it was put in."""

_OF_LEASE = "leases JOIN rollouts USING (number) JOIN batches USING (batch_id)"


class TaskQueue:
    """The queue. A `project` given to a call keeps it to that project's batches; "" is all of them.

    Every call raises StoreError when the file cannot be used.
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        """Open or make the file, and `renew`."""
        self._now = now
        self._ledger = Ledger(path, now)
        self.renew()

    def renew(self) -> None:
        """Leases that are held begin anew: their workers had nobody to tell that they live."""
        with self._ledger.transaction(expiring=False) as db:
            db.execute(
                "UPDATE leases SET expires_at = ? + (SELECT lease_s FROM rollouts JOIN batches USING (batch_id)"
                " WHERE rollouts.number = leases.number) WHERE ended_as = 'held'",
                (self._now(),),
            )

    def close(self) -> None:
        """Close the file."""
        self._ledger.close()

    # What trainers ask

    def put(self, batch_id: str, work: Sequence[Assignment], terms: Terms) -> None:
        """Put a batch in; the same again changes nothing. Raises BatchExists when that id is another's."""
        rows = [(batch_id, one.rollout_id, one.group_id, one.attempt, text(one.task)) for one in work]
        content = hashlib.sha256(text([rows, terms.to_json()]).encode()).hexdigest()
        with self._ledger.transaction() as db:
            db.execute(
                "DELETE FROM batches WHERE created_at < ? AND batch_id NOT IN"
                " (SELECT batch_id FROM rollouts WHERE state IN ('waiting', 'leased'))",
                (self._now() - FORGET_S,),
            )
            known = db.execute("SELECT content FROM batches WHERE batch_id = ?", (batch_id,)).fetchone()
            if known is not None and known["content"] != content:
                raise BatchExists(f"there is another batch {batch_id!r}; give this one an id of its own")
            if known is None:
                db.execute(
                    "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (batch_id, terms.project, terms.queue, text(terms.policy), terms.timeout_s, terms.lease_s,
                     terms.max_tries, self._now(), content),
                )  # fmt: skip
                db.executemany(
                    "INSERT INTO rollouts (batch_id, rollout_id, group_id, attempt, task, state)"
                    " VALUES (?, ?, ?, ?, ?, 'waiting')",
                    rows,
                )
                self._ledger.count("put", len(rows))

    def batches(self, project: str = "") -> list[dict[str, Any]]:
        """Every batch that is not forgotten, each as `state` tells it, the newest first."""
        with self._ledger.transaction() as db:
            rows = db.execute(
                "SELECT * FROM batches WHERE ? IN ('', project) ORDER BY created_at DESC, batch_id DESC", (project,)
            ).fetchall()
            return [_told(db, row) for row in rows]

    def state(self, batch_id: str, project: str = "") -> dict[str, Any]:
        """`batch_id, project, queue, created_at` (Unix seconds), `rollouts{state: n}, open` (how many have not ended),
        `retries` (tries beyond each rollout's first), `late` (results refused). Raises BatchNotFound."""
        with self._ledger.transaction() as db:
            return _told(db, _batch(db, batch_id, project))

    def ended(self, batch_id: str, after: int = 0, limit: int = 1000, project: str = "") -> list[Ended]:
        """The rollouts of a batch that ended after a cursor, in the order they ended. Raises BatchNotFound."""
        with self._ledger.transaction() as db:
            _batch(db, batch_id, project)
            rows = db.execute(
                "SELECT * FROM rollouts WHERE batch_id = ? AND ended > ? ORDER BY ended LIMIT ?",
                (batch_id, after, limit),
            ).fetchall()
        return [
            Ended(
                cursor=row["ended"],
                rollout_id=row["rollout_id"],
                state=State(row["state"]),
                attempt=row["attempt"] + max(row["tries"], 1) - 1,
                tries=row["tries"],
                worker=row["worker"],
                output=None if row["output"] is None else json.loads(row["output"]),
                error=row["error"],
            )
            for row in rows
        ]

    def cancel(self, batch_id: str, project: str = "") -> int:
        """End what has not ended; workers learn of it when they extend. How many those were. Raises BatchNotFound."""
        with self._ledger.transaction() as db:
            _batch(db, batch_id, project)
            rows = db.execute(
                "SELECT number FROM rollouts WHERE batch_id = ? AND state IN ('waiting', 'leased')", (batch_id,)
            ).fetchall()
            for (number,) in rows:
                self._ledger.end(number, State.CANCELLED, error="cancelled")
                db.execute("UPDATE leases SET ended_as = 'cancelled' WHERE number = ? AND ended_as = 'held'", (number,))
        return len(rows)

    # What workers ask

    def lease(
        self, worker: str, n: int = 1, *, queue: str = "default", project: str = "", request_id: str = ""
    ) -> list[Lease]:
        """Up to `n` rollouts that wait, those put in first before others.

        request_id: asked again under the same, a worker that never saw the answer is given what it was given; what of
            that is over by now is not its own, and others are given
        """
        with self._ledger.transaction() as db:
            begins = hashlib.sha256(request_id.encode()).hexdigest()[:16] if request_id else secrets.token_hex(8)
            given = db.execute(
                f"SELECT * FROM {_OF_LEASE} WHERE lease_id BETWEEN ? AND ? AND ended_as = 'held'"
                " AND ? IN ('', project) ORDER BY number",
                (begins, begins + "~", project),
            ).fetchall()
            if given:
                return [_told_again(db, row, self._now()) for row in given]
            rows = db.execute(
                "SELECT * FROM rollouts JOIN batches USING (batch_id) WHERE state = 'waiting' AND queue = ?"
                " AND ? IN ('', project) ORDER BY number LIMIT ?",
                (queue, project, n),
            ).fetchall()
            if rows:  # those who wait look often, and looking writes nothing
                self._ledger.count("leased", len(rows))
            return [_leased(db, row, begins + secrets.token_hex(8), worker, self._now()) for row in rows]

    def extend(self, lease_ids: Sequence[str], project: str = "") -> dict[str, LeaseEnd]:
        """A worker's sign of life: what is still HELD is its own for another term; the rest is over."""
        said: dict[str, LeaseEnd] = {}
        with self._ledger.transaction() as db:
            for lease_id in lease_ids:
                row = _lease(db, lease_id, project)
                said[lease_id] = LeaseEnd.EXPIRED if row is None else LeaseEnd(row["ended_as"])
                if row is not None and said[lease_id] is LeaseEnd.HELD:
                    until = self._now() + row["lease_s"]
                    db.execute("UPDATE leases SET expires_at = ? WHERE lease_id = ?", (until, lease_id))
        return said

    def end(self, lease_id: str, state: State, output: Any = None, error: str | None = None, project: str = "") -> None:
        """A rollout ended, DONE, FAILED or TIMED_OUT. Saying it twice changes nothing.

        Raises LeaseLost when the lease was over: the result is counted as late and kept nowhere. LeaseNotFound.
        """
        with self._ledger.transaction() as db:
            row = _known(db, lease_id, project)
            if row["ended_as"] == LeaseEnd.HELD:
                _close(db, lease_id, LeaseEnd.FINISHED)
                self._ledger.end(row["number"], state, output, error)
            elif row["ended_as"] == LeaseEnd.EXPIRED:
                _close(db, lease_id, LeaseEnd.LATE)
                self._ledger.count("late")
        if row["ended_as"] not in (LeaseEnd.HELD, LeaseEnd.FINISHED):
            raise LeaseLost(
                f"the lease of rollout {row['rollout_id']!r} is over ({row['ended_as']}); it is not counted"
            )

    def give_back(self, lease_id: str, project: str = "") -> None:
        """A worker will not run the rollout after all: it waits again, and no worker counts as lost over it.

        Raises LeaseLost, LeaseNotFound.
        """
        with self._ledger.transaction() as db:
            row = _known(db, lease_id, project)
            if row["ended_as"] == LeaseEnd.HELD:
                _close(db, lease_id, LeaseEnd.RETURNED)
                db.execute("UPDATE rollouts SET state = 'waiting' WHERE number = ?", (row["number"],))
                self._ledger.count("returned")
        if row["ended_as"] not in (LeaseEnd.HELD, LeaseEnd.RETURNED):
            raise LeaseLost(f"the lease of rollout {row['rollout_id']!r} is over ({row['ended_as']})")

    # What those who wait, and the metrics, ask

    def next_expiry_s(self) -> float | None:
        """Seconds until the first lease expires unless extended; None when none is held."""
        with self._ledger.transaction() as db:
            (at,) = db.execute("SELECT min(expires_at) FROM leases WHERE ended_as = 'held'").fetchone()
        return None if at is None else max(0.0, at - self._now())

    def counts(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Rollouts by state now; and, since the file was made, what was put, leased, expired, late, returned, and ends
        by state."""
        with self._ledger.transaction() as db:
            states = db.execute("SELECT state, count(*) FROM rollouts GROUP BY state").fetchall()
            events = db.execute("SELECT event, n FROM counts").fetchall()
        return dict(map(tuple, states)), dict(map(tuple, events))


def _leased(db: sqlite3.Connection, row: sqlite3.Row, lease_id: str, worker: str, now: float) -> Lease:
    db.execute(
        "INSERT INTO leases VALUES (?, ?, ?, ?, 'held')", (lease_id, row["number"], worker, now + row["lease_s"])
    )
    db.execute(
        "UPDATE rollouts SET state = 'leased', tries = tries + 1, worker = ? WHERE number = ?", (worker, row["number"])
    )
    return _to_lease(row, lease_id, row["tries"])


def _told_again(db: sqlite3.Connection, row: sqlite3.Row, now: float) -> Lease:
    db.execute("UPDATE leases SET expires_at = ? WHERE lease_id = ?", (now + row["lease_s"], row["lease_id"]))
    return _to_lease(row, row["lease_id"], row["tries"] - 1)


def _to_lease(row: sqlite3.Row, lease_id: str, tries_before: int) -> Lease:
    return Lease(
        lease_id=lease_id,
        batch_id=row["batch_id"],
        project=row["project"],
        rollout_id=row["rollout_id"],
        group_id=row["group_id"],
        attempt=row["attempt"] + tries_before,
        task=json.loads(row["task"]),
        policy=json.loads(row["policy"]),
        timeout_s=row["timeout_s"],
        lease_s=row["lease_s"],
    )


def _close(db: sqlite3.Connection, lease_id: str, how: LeaseEnd) -> None:
    db.execute("UPDATE leases SET ended_as = ? WHERE lease_id = ?", (how, lease_id))


def _lease(db: sqlite3.Connection, lease_id: str, project: str) -> sqlite3.Row | None:
    sql = f"SELECT * FROM {_OF_LEASE} WHERE lease_id = ? AND ? IN ('', project)"
    row: sqlite3.Row | None = db.execute(sql, (lease_id, project)).fetchone()
    return row


def _known(db: sqlite3.Connection, lease_id: str, project: str) -> sqlite3.Row:
    row = _lease(db, lease_id, project)
    if row is None:
        raise LeaseNotFound(f"no lease {lease_id!r} is known")
    return row


def _batch(db: sqlite3.Connection, batch_id: str, project: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM batches WHERE batch_id = ? AND ? IN ('', project)", (batch_id, project)
    ).fetchone()
    if row is None:
        raise BatchNotFound(f"no batch {batch_id!r} is known; those that ended are forgotten after a week")
    return row


def _told(db: sqlite3.Connection, batch: sqlite3.Row) -> dict[str, Any]:
    states = db.execute(
        "SELECT state, count(*) AS n, sum(max(tries - 1, 0)) AS retries FROM rollouts"
        " WHERE batch_id = ? GROUP BY state",
        (batch["batch_id"],),
    ).fetchall()
    (late,) = db.execute(
        f"SELECT count(*) FROM {_OF_LEASE} WHERE batch_id = ? AND ended_as = 'late'", (batch["batch_id"],)
    ).fetchone()
    return {
        **{name: batch[name] for name in ("batch_id", "project", "queue", "created_at")},
        "rollouts": {row["state"]: row["n"] for row in states},
        "open": sum(row["n"] for row in states if not State(row["state"]).is_end),
        "retries": sum(row["retries"] for row in states),
        "late": late,
    }
