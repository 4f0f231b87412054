"""Connections: one interface to ClickHouse, be it a server, the embedded engine, or a collector's gateway to one.

clickhouse-connect speaks all three. A chDB handle runs one query at a time, so clients are pooled: each concurrent user
has its own, and a long read does not hold up an insert.
"""

from __future__ import annotations

import json
import logging
import queue
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import pyarrow as pa
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
from urllib3.exceptions import InsecureRequestWarning

from leyden_store import _arrow
from leyden_store import dsn as dsns
from leyden_store._utc import engine_in_utc
from leyden_store.errors import QueryFailed, StoreError, StoreUnreachable
from leyden_store.guard import quoted
from leyden_store.holder import Holder, HolderInfo, hold, read_holder

Parameters = Mapping[str, Any]
Settings = Mapping[str, Any]

# It logs what it raises too; whoever catches it says it better.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)

READ_ONLY: Settings = {"readonly": 1}
"""For SQL that a user wrote: refuses everything but reading, `file()` and other escapes included, within `LIMITS`."""

LIMITS: Settings = {
    "max_execution_time": 120,
    "max_memory_usage": 4_000_000_000,
    "max_result_rows": 20_000_000,
    "result_overflow_mode": "throw",
}
"""What SQL that a user wrote may take: seconds, bytes, rows. A gateway has limits of its own."""

_FILTERS = "additional_table_filters"

FINAL_BY_DAY: Settings = {"do_not_merge_across_partitions_select_final": 1}
"""What a table is partitioned by is in its key: FINAL compares rows of a day alone, none where it is one part."""

_READING: Settings = {
    **FINAL_BY_DAY,
    # How many bytes of rows an engine takes up at once. Rows of tokens and messages are long: by its own measure, 1 MB,
    # it takes 200 of them, and then going through some sixty expressions is a third of the work.
    "preferred_block_size_bytes": 8_000_000,
}

_IN_PROCESS: Settings = {**_READING, "output_format_arrow_compression_method": "none"}
"""For an engine in this process: what it answers goes nowhere, and packing it costs a tenth of a query for tokens."""

_INSERTING: Settings = {"async_insert": 0, "date_time_input_format": "best_effort"}
"""For rows as text: they are stored when the answer comes, and times have a zone."""


def reading(tables: Mapping[str, str]) -> Settings:
    """`READ_ONLY`, where the engine adds a condition to every read of these tables (name → condition over its rows)."""
    if not tables:
        return READ_ONLY
    named = ", ".join(f"{quoted(table)}: {quoted(condition)}" for table, condition in sorted(tables.items()))
    return {**READ_ONLY, _FILTERS: "{" + named + "}"}


class Connection:
    """A pool of clients of one store."""

    def __init__(self, target: dsns.Embedded | dsns.Server, *, size: int = 4) -> None:
        """Connect. Raises StoreLocked, StoreUnreachable or StoreError, each saying what to do."""
        self.target = target
        self.holder: Holder | None = None
        self.gateway: HolderInfo | None = None
        # An embedded engine's handle keeps its settings, so readers have handles of their own, by what they may see.
        self._idle: dict[str, queue.LifoQueue[Client]] = {"": queue.LifoQueue()}
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
            self._idle[""].put(self._open({}))
        except BaseException:
            self.close()
            raise

    @property
    def engine_path(self) -> Path | None:
        """The chDB folder, when this process runs the engine."""
        return self.target.path / "db" if isinstance(self.target, dsns.Embedded) and self.holder else None

    @contextmanager
    def client(self, settings: Settings | None = None) -> Iterator[Client]:
        """A client of this caller's own; waits while all are in use. settings: `READ_ONLY` or of `reading`."""
        fixed = {} if settings is None or not settings.get("readonly") else {**LIMITS, **settings}
        idle = self._idle.setdefault(repr(fixed) if fixed else "", queue.LifoQueue())
        self._permits.get()
        try:
            try:
                client = idle.get_nowait()
            except queue.Empty:
                client = self._open(fixed)
            gateway = self.gateway
            try:
                yield client
            except ClickHouseError as error:
                if self._follow():
                    raise StoreUnreachable("the collector that holds the store was started again: ask again") from error
                raise _translated(error, self.target) from error
            finally:
                if self._closed or self.gateway is not gateway:
                    client.close()
                else:
                    idle.put(client)
        finally:
            self._permits.put(None)

    def _follow(self) -> bool:
        """After an error: whether the collector was started again. It has another token then, perhaps another URL."""
        if self.gateway is None or not isinstance(self.target, dsns.Embedded):
            return False
        held = read_holder(self.target.path)
        if held is None or not held.url or held == self.gateway:
            return False
        self.gateway = held
        self._drain()
        return True

    def _drain(self) -> None:
        for idle in self._idle.values():
            with suppress(queue.Empty):
                while True:
                    idle.get_nowait().close()

    def table(self, sql: str, parameters: Parameters | None = None, settings: Settings | None = None) -> pa.Table:
        """Run a SELECT; the result as an Arrow table, strings as utf-8."""
        with self.client(settings) as client:
            return client.query_arrow(
                sql, parameters=dict(parameters or {}), settings=self._sent(settings or {}), use_strings=True
            )

    def rows(
        self, sql: str, parameters: Parameters | None = None, settings: Settings | None = None
    ) -> list[dict[str, Any]]:
        """Run a SELECT; one dict a row. For small results."""
        return _arrow.rows(self.table(sql, parameters, settings))

    def command(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement that gives no rows."""
        with self.client() as client:
            client.command(sql, parameters=dict(parameters or {}))

    def ddl(self, sql: str) -> None:
        """Run a statement that changes the schema or deletes rows: on every node where the server is of a cluster."""
        for statement in self._everywhere(sql):
            self.command(statement)

    def _everywhere(self, sql: str) -> list[str]:
        if not self.cluster:
            return [sql]
        from leyden_store.cluster import clustered, sharded_tables

        return clustered(sql, self.cluster, sharded_tables())

    def of_every_node(self, table: str) -> str:
        """A system table for FROM: where the server is of a cluster, with the rows of all its replicas."""
        return f"clusterAllReplicas(`{self.cluster}`, {table})" if self.cluster else table

    @property
    def cluster(self) -> str:
        """The cluster that the server is a node of, "" for none."""
        return self.target.cluster if isinstance(self.target, dsns.Server) else ""

    @property
    def database(self) -> str:
        """The database's name; an embedded store has one."""
        return self.target.database if isinstance(self.target, dsns.Server) else "default"

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows (all with the same columns), synchronously: they are stored when this returns."""
        if not rows:
            return
        # As text, which the engine reads by its columns' types: a client that packs them itself asks for the types
        # first, and imports pandas where it is installed, a third of a second.
        block = "\n".join(json.dumps(row, default=_text) for row in rows)
        with self.client() as client:
            client.raw_insert(table, list(rows[0]), block, dict(_INSERTING), fmt="JSONEachRow")

    def insert_table(self, table: str, rows: pa.Table) -> None:
        """As `insert`, for many rows."""
        if len(rows):
            with self.client() as client:
                client.insert_arrow(table, rows, settings={"async_insert": 0})

    def save(self, sql: str, path: Path) -> None:
        """Run a SELECT; its rows go to a new file on this machine, in Native format under zstd."""
        if isinstance(self.target, dsns.Embedded):  # its engine runs on this machine, here or in the collector
            self.ddl(f"{sql} INTO OUTFILE {quoted(str(path.resolve()))} COMPRESSION 'zstd' FORMAT Native")
            return
        with self.client() as client, path.open("wb") as file:
            from leyden_store._zstd import packed

            with client.raw_stream(sql, fmt="Native") as stream, packed(file) as written:
                shutil.copyfileobj(stream, written, 1 << 20)

    def load(self, insert: str, path: Path) -> None:
        """Insert a file that `save` wrote. `insert`: `INSERT INTO table (columns)`."""
        if isinstance(self.target, dsns.Embedded):
            self.ddl(f"{insert} FROM INFILE {quoted(str(path.resolve()))} COMPRESSION 'zstd' FORMAT Native")
            return
        table = insert.removeprefix("INSERT INTO ")
        with self.client() as client, path.open("rb") as file:
            client.raw_insert(table, insert_block=file, fmt="Native", compression="zstd")

    def let_go(self) -> None:
        """Let idle clients forget their last query: until its next one an embedded handle keeps the files it read."""
        for idle in self._idle.values():
            for client in list(idle.queue):
                client.command("SELECT 1")

    def close(self) -> None:
        """Close every client and give the store up."""
        self._closed = True
        self._drain()
        if self.holder:
            self.holder.release()

    def _sent(self, settings: Settings) -> dict[str, Any]:
        """The settings that go with a query; a gateway's readers have theirs already.

        So have an embedded engine's handles, and none go to it: for a query that brings some the driver asks the engine
        which it had and puts them back, which takes six times as long as a small query.
        """
        if not settings.get("readonly"):
            return {**_READING, **settings} if isinstance(self.target, dsns.Server) else dict(settings)
        if isinstance(self.target, dsns.Server) or self.gateway:
            return {**LIMITS, **settings}
        return {}

    def _open(self, fixed: Settings) -> Client:
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
                if url.scheme == "https":
                    urllib3.disable_warnings(InsecureRequestWarning)
                return clickhouse_connect.get_client(
                    host=url.hostname,
                    port=url.port,
                    username="leyden",
                    password=self.gateway.token,
                    proxy_path=url.path.strip("/"),
                    autogenerate_session_id=False,
                    secure=url.scheme == "https",
                    # It is on this machine, at the address its holder wrote down: a certificate says nothing more.
                    verify=False,
                )
            path = self.target.path / "db"
            path.mkdir(exist_ok=True)
            with engine_in_utc():
                import chdb  # noqa: F401 - clickhouse-connect's own words for its absence name no extra of ours

                client = clickhouse_connect.get_client(interface="chdb", path=str(path))
            # `readonly` comes last: it refuses to let the others be set, by the query too.
            settings = {**_IN_PROCESS, **fixed}
            for name, value in sorted(settings.items(), key=lambda item: item[0] == "readonly"):
                client.set_client_setting(name, value)
            return client
        except (ClickHouseError, RuntimeError) as error:
            raise _translated(error, self.target) from error


def _text(value: object) -> str:
    """What JSON has no form for, as the engine reads it."""
    if isinstance(value, date):  # or a datetime
        return value.isoformat()
    raise TypeError(f"a column takes no {type(value).__name__}")


_TOO_MUCH = {
    "(TIMEOUT_EXCEEDED)": f"ran longer than {LIMITS['max_execution_time']} s",
    "(TOO_MANY_ROWS_OR_BYTES)": f"gives more than {LIMITS['max_result_rows']:,} rows",
    "(MEMORY_LIMIT_EXCEEDED)": "needs more memory than is allowed",
}

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
    for code, said in _TOO_MUCH.items():
        if code in text:
            return QueryFailed(f"the query {said}; select less, by time (--since), agent or model")
    if "Code:" in text:
        return QueryFailed(f"ClickHouse refused the query: {text[text.index('Code:') :][:500]}")
    return StoreError(f"the store {where} cannot be used: {text[:400]}")
