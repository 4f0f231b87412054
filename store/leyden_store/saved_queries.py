"""Saved queries: named, versioned selections. Saving again makes a new version; nothing is overwritten."""

from __future__ import annotations

import difflib
import getpass
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from leyden_store.connection import READ_ONLY, Connection
from leyden_store.errors import QueryFailed, QueryNotFound, QueryRefused
from leyden_store.query_parameters import parameters_of, with_defaults
from leyden_store.selection import Selection, bound


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


@dataclass(frozen=True, slots=True)
class Details:
    """What `leyden query show` tells beside the query itself.

    used_at, used_for: its last use, of any version; None and "" when it was never used
    rows_to_read: what the engine expects to read of the tables; None where it does not say
    traces: how many it selects now; None where it needs parameters or cannot be counted within the limits
    """

    parameters: dict[str, str]
    versions: list[int]
    used_at: datetime | None
    used_for: str
    rows_to_read: int | None
    traces: int | None

    def to_json(self) -> dict[str, Any]:
        """The same in plain JSON types."""
        return {
            "parameters": self.parameters,
            "versions": self.versions,
            "last_used_at": self.used_at.isoformat() if self.used_at else None,
            "last_used_for": self.used_for,
            "rows_to_read": self.rows_to_read,
            "traces": self.traces,
        }


class SavedQueries:
    """The saved queries of a store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(self, name: str, sql: str, *, description: str = "", owner: str | None = None) -> SavedQuery:
        """Keep `sql` under `name`, as the next version.

        It is run once, reading nothing, so that what cannot work is refused now: raises QueryRefused when it asks for
        more than reading our tables or gives no TraceId, QueryFailed when ClickHouse does not take it.
        """
        sql = sql.strip().rstrip(";").rstrip()
        if not name.strip():
            raise QueryRefused("a saved query needs a name")
        from leyden_store.select_check import check_select  # as in Selection

        check_select(sql)
        self.columns(with_defaults(sql))
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
        values = bound(saved.sql, {key: str(value) for key, value in (parameters or {}).items()})
        return self.of_sql(saved.sql, values, query=saved.name, version=saved.version)

    def of_sql(
        self, sql: str, parameters: Mapping[str, str] | None = None, *, query: str = "", version: int = 0
    ) -> Selection:
        """The selection a SELECT of the caller's stands for. Raises QueryRefused, QueryFailed."""
        sql = sql.strip().rstrip(";").rstrip()
        values = bound(sql, parameters or {})
        unchecked = Selection(sql, values, query, version)  # refused here, before the engine sees it
        return replace(unchecked, by_span="SpanId" in self.columns(sql, values))

    def used(self, selection: Selection, purpose: str) -> None:
        """Note that a saved query was used; who may only read is let by."""
        if not selection.query:
            return
        row = {"Name": selection.query, "Version": selection.version, "UsedFor": purpose, "UsedAt": datetime.now(UTC)}
        with suppress(QueryFailed):
            self._connection.insert("query_uses", [row])

    def details(self, saved: SavedQuery) -> Details:
        """What is to know about a saved query beside itself, its size as of now."""
        uses = self._connection.rows(
            "SELECT max(UsedAt) AS at, argMax(UsedFor, UsedAt) AS use FROM query_uses WHERE Name = {name:String}"
            " HAVING count() > 0",
            {"name": saved.name},
        )
        parameters = {parameter.name: parameter.type for parameter in parameters_of(saved.sql)}
        return Details(
            parameters=parameters,
            versions=[one.version for one in self._versions(saved.name)],
            used_at=uses[0]["at"] if uses else None,
            used_for=uses[0]["use"] if uses else "",
            rows_to_read=self._rows_to_read(with_defaults(saved.sql)),
            traces=None if parameters else self._number(f"SELECT uniqExact(TraceId) AS n FROM ({saved.sql}\n)"),
        )

    def _rows_to_read(self, sql: str) -> int | None:
        try:
            return sum(int(row["rows"]) for row in self._connection.rows(f"EXPLAIN ESTIMATE {sql}", settings=READ_ONLY))
        except QueryFailed:
            return None

    def _number(self, sql: str) -> int | None:
        try:
            return int(self._connection.rows(sql, settings=READ_ONLY)[0]["n"])
        except QueryFailed:
            return None

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
