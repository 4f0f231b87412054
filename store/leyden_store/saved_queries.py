"""Saved queries: named, versioned selections. Saving again makes a new version; nothing is overwritten."""

from __future__ import annotations

import difflib
import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from leyden_store.connection import READ_ONLY, Connection
from leyden_store.errors import QueryNotFound, QueryRefused
from leyden_store.guard import check
from leyden_store.selection import Selection


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """One version of a saved query."""

    name: str
    version: int
    sql: str
    description: str
    owner: str
    created_at: datetime

    def to_json(self) -> dict[str, Any]:
        """What `leyden query show --json` prints."""
        return {
            "name": self.name,
            "version": self.version,
            "sql": self.sql,
            "description": self.description,
            "owner": self.owner,
            "created_at": self.created_at.isoformat(),
        }


class SavedQueries:
    """The saved queries of a store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(self, name: str, sql: str, *, description: str = "", owner: str | None = None) -> SavedQuery:
        """Keep `sql` under `name`, as the next version.

        It is run once, reading nothing, so that what cannot work is refused now: raises QueryRefused when it gives no
        TraceId, QueryFailed when ClickHouse does not take it.
        """
        sql = sql.strip().rstrip(";").rstrip()
        check(sql)
        self.columns(sql)
        versions = self._versions(name, deleted=True)
        saved = SavedQuery(
            name=name,
            version=max((v.version for v in versions), default=0) + 1,
            sql=sql,
            description=description,
            owner=owner or getpass.getuser(),
            created_at=datetime.now(UTC),
        )
        self._write(saved, deleted=False)
        return saved

    def get(self, name: str, version: int | None = None) -> SavedQuery:
        """The newest version, or the one asked for. Raises QueryNotFound, naming the near ones."""
        versions = self._versions(name)
        wanted = [v for v in versions if version in (None, v.version)]
        if wanted:
            return wanted[-1]
        if versions:
            have = ", ".join(str(v.version) for v in versions)
            raise QueryNotFound(f"the saved query {name!r} has no version {version}; it has {have}")
        names = sorted({q.name for q in self.all()})
        near = difflib.get_close_matches(name, names, n=3) or names[:5]
        hint = f"did you mean {', '.join(near)}?" if near else "save one with: leyden query save NAME --where SQL"
        raise QueryNotFound(f"no saved query is called {name!r}; {hint}")

    def all(self) -> list[SavedQuery]:
        """The newest version of each, by name."""
        newest: dict[str, SavedQuery] = {}
        for saved in self._versions(None):
            newest[saved.name] = saved
        return [newest[name] for name in sorted(newest)]

    def delete(self, name: str) -> None:
        """Take a query and its versions out of use; its rows stay, since runs point to them. Raises QueryNotFound."""
        self.get(name)
        for saved in self._versions(name):
            self._write(saved, deleted=True)

    def selection(
        self, name: str, version: int | None = None, parameters: Mapping[str, Any] | None = None
    ) -> Selection:
        """The selection a saved query stands for. Raises QueryNotFound."""
        saved = self.get(name, version)
        by_span = "SpanId" in self.columns(saved.sql, parameters)
        return Selection(saved.sql, parameters or {}, saved.name, saved.version, by_span)

    def columns(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[str]:
        """The columns a selection's SQL gives. Raises QueryRefused when TraceId is not among them."""
        names: list[str] = self._connection.table(
            f"SELECT * FROM ({sql}\n) LIMIT 0", parameters, READ_ONLY
        ).column_names
        if "TraceId" not in names:
            raise QueryRefused(
                f"the query gives {', '.join(names) or 'no columns'}, but must give TraceId (and SpanId to choose "
                "turns); for example: SELECT DISTINCT TraceId FROM otel_traces WHERE Model = 'gpt-4o'"
            )
        return names

    def _versions(self, name: str | None, *, deleted: bool = False) -> list[SavedQuery]:
        rows = self._connection.rows(
            "SELECT Name, Version, Sql, Description, Owner, CreatedAt, Deleted FROM saved_queries FINAL"
            + (" WHERE Name = {name:String}" if name is not None else "")
            + " ORDER BY Name, Version",
            {"name": name} if name is not None else {},
        )
        return [
            SavedQuery(r["Name"], r["Version"], r["Sql"], r["Description"], r["Owner"], r["CreatedAt"])
            for r in rows
            if deleted or not r["Deleted"]
        ]

    def _write(self, saved: SavedQuery, *, deleted: bool) -> None:
        self._connection.insert(
            "saved_queries",
            [
                {
                    "Name": saved.name,
                    "Version": saved.version,
                    "Sql": saved.sql,
                    "Description": saved.description,
                    "Owner": saved.owner,
                    "CreatedAt": datetime.now(UTC) if deleted else saved.created_at,
                    "Deleted": deleted,
                }
            ],
        )
