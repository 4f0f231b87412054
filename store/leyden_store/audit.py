"""The audit log: who read content, exported, trained or changed keys; when, and how many rows."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from leyden_store.connection import Connection

_LONGEST_SUBJECT = 2000


class Action(StrEnum):
    """What was done."""

    READ = "read"
    SEARCH = "search"
    SQL = "sql"
    EXPORT = "export"
    DOWNLOAD = "download"
    TRAIN = "train"
    KEY_CREATED = "key created"
    KEY_REVOKED = "key revoked"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. key_id "" is a command on the store itself; subject: what it was done to."""

    action: Action
    subject: str
    rows: int = 0
    key_id: str = ""
    name: str = ""
    project: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    entry_id: str = field(default_factory=lambda: uuid.uuid4().hex[:16])

    def to_json(self) -> dict[str, Any]:
        """What `leyden audit --json` prints."""
        return {
            "at": self.at.isoformat(),
            "id": self.entry_id,
            "key_id": self.key_id,
            "name": self.name,
            "action": self.action.value,
            "subject": self.subject,
            "project": self.project,
            "rows": self.rows,
        }


class AuditLog:
    """The log of a store. It is appended to; nothing here changes or removes an entry."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def record(self, *entries: Entry) -> None:
        """Append entries; they are stored when this returns. Subjects are cut at 2000 characters."""
        self._connection.insert("audit_log", [_row(entry) for entry in entries])

    def read(
        self, *, since: datetime | None = None, before: tuple[datetime, str] | None = None, limit: int = 100
    ) -> list[Entry]:
        """The newest entries first, from `since` on; `before` is the (at, entry_id) of the last one already seen."""
        conditions, parameters = ["1"], dict[str, Any](limit=limit)
        if since is not None:
            conditions.append("At >= fromUnixTimestamp64Micro({since:Int64})")
            parameters["since"] = _micros(since)
        if before is not None:
            conditions.append("(At, Id) < (fromUnixTimestamp64Micro({at:Int64}), {id:String})")
            parameters |= {"at": _micros(before[0]), "id": before[1]}
        where = " AND ".join(conditions)
        rows = self._connection.rows(
            f"SELECT * FROM audit_log WHERE {where} ORDER BY At DESC, Id DESC LIMIT {{limit:UInt64}}", parameters
        )
        return [
            Entry(
                action=Action(row["Action"]),
                subject=row["Subject"],
                rows=row["Rows"],
                key_id=row["KeyId"],
                name=row["Name"],
                project=row["Project"],
                at=row["At"].replace(tzinfo=UTC),
                entry_id=row["Id"],
            )
            for row in rows
        ]


@contextmanager
def acting_as(key_id: str, name: str) -> Iterator[None]:
    """Say for whom this thread works in the block; without it, it works for the process's user."""
    before = _ACTING.set((key_id, name))
    try:
        yield
    finally:
        _ACTING.reset(before)


def done(connection: Connection, action: Action, subject: str, rows: int = 0) -> None:
    """Write down what whoever this thread works for has done: exports, training, changes of keys."""
    key_id, name = _ACTING.get() or ("", getpass.getuser())
    AuditLog(connection).record(Entry(action, subject, rows, key_id, name))


_ACTING: ContextVar[tuple[str, str] | None] = ContextVar("acting", default=None)


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "At": entry.at,
        "Id": entry.entry_id,
        "KeyId": entry.key_id,
        "Name": entry.name,
        "Action": entry.action.value,
        "Subject": entry.subject[:_LONGEST_SUBJECT],
        "Project": entry.project,
        "Rows": entry.rows,
    }


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
