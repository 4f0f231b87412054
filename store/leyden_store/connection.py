"""Connections: one interface to ClickHouse, be it a server, the embedded engine, or a collector's gateway to one.

clickhouse-connect speaks all three. A chDB handle runs one query at a time, so clients are pooled: each concurrent user
has its own, and a long read does not hold up an insert.
"""

from __future__ import annotations

import logging
import queue
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from leyden_store import dsn as dsns
from leyden_store.errors import QueryFailed, StoreError, StoreUnreachable
from leyden_store.holder import Holder, HolderInfo, hold

Parameters = Mapping[str, Any]
Settings = Mapping[str, Any]

# It logs what it raises too; whoever catches it says it better.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)

READ_ONLY: Settings = {"readonly": 1}
"""For SQL that a user wrote: refuses everything but reading, `file()` and other escapes included."""


class Connection:
    """A pool of clients of one store."""

    def __init__(self, target: dsns.Embedded | dsns.Server, *, size: int = 4) -> None:
        """Connect. Raises StoreLocked, StoreUnreachable or StoreError, each saying what to do."""
        self.target = target
        self.holder: Holder | None = None
        self.gateway: HolderInfo | None = None
        # An embedded engine's handle stays read-only once it was, so readers have handles of their own.
        self._idle: dict[bool, queue.LifoQueue[Client]] = {False: queue.LifoQueue(), True: queue.LifoQueue()}
        self._permits: queue.Queue[None] = queue.Queue()
        self._closed = False
        if isinstance(target, dsns.Embedded):
            held = hold(target.path)
            if isinstance(held, Holder):
                self.holder = held
            else:
                self.gateway = held
        for _ in range(size):
            self._permits.put(None)
        try:
            self._idle[False].put(self._open())
        except BaseException:
            self.close()
            raise

    @property
    def engine_path(self) -> Path | None:
        """The chDB folder, when this process runs the engine."""
        return self.target.path / "db" if isinstance(self.target, dsns.Embedded) and self.holder else None

    @contextmanager
    def client(self, *, read_only: bool = False) -> Iterator[Client]:
        """A client of this caller's own; waits while all are in use."""
        idle = self._idle[read_only]
        self._permits.get()
        try:
            try:
                client = idle.get_nowait()
            except queue.Empty:
                client = self._open()
            try:
                yield client
            except ClickHouseError as error:
                raise _translated(error, self.target) from error
            finally:
                if self._closed:
                    client.close()
                else:
                    idle.put(client)
        finally:
            self._permits.put(None)

    def table(self, sql: str, parameters: Parameters | None = None, settings: Settings | None = None) -> pa.Table:
        """Run a SELECT; the result as an Arrow table, strings as utf-8."""
        with self.client(read_only=settings is READ_ONLY) as client:
            return client.query_arrow(
                sql, parameters=dict(parameters or {}), settings=dict(settings or {}), use_strings=True
            )

    def rows(
        self, sql: str, parameters: Parameters | None = None, settings: Settings | None = None
    ) -> list[dict[str, Any]]:
        """Run a SELECT; one dict a row. For small results."""
        rows: list[dict[str, Any]] = self.table(sql, parameters, settings).to_pylist()
        return rows

    def command(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement that gives no rows."""
        with self.client() as client:
            client.command(sql, parameters=dict(parameters or {}))

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows (all with the same columns), synchronously: they are stored when this returns."""
        if not rows:
            return
        columns = list(rows[0])
        with self.client() as client:
            client.insert(
                table, [[row[c] for c in columns] for row in rows], column_names=columns, settings={"async_insert": 0}
            )

    def close(self) -> None:
        """Close every client and give the store up."""
        self._closed = True
        for idle in self._idle.values():
            with suppress(queue.Empty):
                while True:
                    idle.get_nowait().close()
        if self.holder:
            self.holder.release()

    def _open(self) -> Client:
        try:
            if isinstance(self.target, dsns.Server):
                return clickhouse_connect.get_client(
                    host=self.target.host,
                    port=self.target.port,
                    username=self.target.user,
                    password=self.target.password,
                    database=self.target.database,
                    secure=self.target.secure,
                    autogenerate_session_id=False,
                )
            if self.gateway:
                url = urlsplit(self.gateway.url)
                return clickhouse_connect.get_client(
                    host=url.hostname,
                    port=url.port,
                    username="leyden",
                    password=self.gateway.token,
                    proxy_path=url.path.strip("/"),
                    autogenerate_session_id=False,
                )
            import chdb  # noqa: F401 - clickhouse-connect's own words for its absence name no extra of ours

            path = self.target.path / "db"
            path.mkdir(exist_ok=True)
            return clickhouse_connect.get_client(interface="chdb", path=str(path))
        except (ClickHouseError, RuntimeError) as error:
            raise _translated(error, self.target) from error


_NOT_OURS = ("UNKNOWN_DATABASE", "AUTHENTICATION_FAILED", "REQUIRED_PASSWORD", "WRONG_PASSWORD", "UNKNOWN_USER")


def _translated(error: Exception, target: dsns.Embedded | dsns.Server) -> StoreError | QueryFailed:
    """The engine's error as ours, in one line: which of the two it is depends on whether ClickHouse answered at all."""
    text = " ".join(str(error).split()).partition(" (for url ")[0]
    where = f"{target.host}:{target.port}" if isinstance(target, dsns.Server) else str(target.path)
    if isinstance(error, OperationalError) or "Connection refused" in text or "Max retries" in text:
        cause = re.search(r"\[Errno -?\d+\] ([^\"')\]]+)", text)
        said = cause[1] if cause else text[:300]
        return StoreUnreachable(f"no ClickHouse answers at {where}: {said}; start it, or name another with --store")
    if any(name in text for name in _NOT_OURS):
        reason = re.sub(r" If you use ClickHouse Cloud.*?\. \(", ". (", text[text.index("DB::Exception:") + 15 :])
        return StoreError(
            f"the store {where} does not let us in: {reason[:200]}; check the DSN's database, user and password"
        )
    if "Code:" in text:
        return QueryFailed(f"ClickHouse refused the query: {text[text.index('Code:') :][:500]}")
    return StoreError(f"the store {where} cannot be used: {text[:400]}")
