"""Deleting rows for good: by hashes of their ids, since a mutation's text stays on disk, and with their old parts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from leyden_store.cluster import part_of
from leyden_store.connection import Connection
from leyden_store.errors import StoreError
from leyden_store.span_sets import SpanKey

_PIECE = 5000
"""Ids a statement holds; a client's request may not exceed some megabytes."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows where `expression` is one of `values`, and where `also` holds."""

    expression: str
    values: Sequence[str]
    also: str = "true"

    @property
    def where(self) -> str:
        """A condition with the parameter `ids`."""
        return f"{self.also} AND {self.expression} IN {{ids:Array(String)}}"

    @property
    def parameters(self) -> dict[str, Any]:
        """What `where` needs."""
        return {"ids": list(self.values)}


def of_traces(traces: Sequence[str]) -> Iterator[Rows]:
    """Rows of some traces."""
    return pieces("TraceId", traces)


def of_spans(spans: Sequence[SpanKey]) -> Iterator[Rows]:
    """Rows of some spans."""
    return pieces("concat(TraceId, SpanId)", [trace + span for trace, span in spans])


def pieces(expression: str, values: Sequence[str], also: str = "true") -> Iterator[Rows]:
    """Rows where an expression is one of many values, in pieces that fit a statement."""
    for start in range(0, len(values), _PIECE):
        yield Rows(expression, values[start : start + _PIECE], also)


def tables(connection: Connection) -> Mapping[str, set[str]]:
    """Every table that keeps rows of its own, with its columns: those of later migrations too.

    In a cluster what lies on shards is one table of all of them, not this node's part.
    """
    found = connection.rows(
        "SELECT table, groupArray(name) AS columns FROM system.columns WHERE database = currentDatabase() AND table IN"
        " (SELECT name FROM system.tables WHERE database = currentDatabase()"
        " AND (engine LIKE '%MergeTree' OR engine = 'Distributed')) GROUP BY table ORDER BY table"
    )
    named = {row["table"]: set(row["columns"]) for row in found}
    return {name: columns for name, columns in named.items() if name not in map(part_of, named)}


def count(connection: Connection, table: str, rows: Rows) -> int:
    """How many there are, retries counted."""
    return int(connection.rows(f"SELECT count() AS n FROM {table} WHERE {rows.where}", rows.parameters)[0]["n"])


def delete(connection: Connection, table: str, rows: Rows) -> None:
    """Delete rows: no query sees them when this returns. See `wait_for_disk` for their files."""
    hashes = ", ".join(map(str, hashes_of(connection, rows.values)))
    connection.ddl(
        f"ALTER TABLE {table} DELETE WHERE {rows.also} AND sipHash64({rows.expression}) IN ({hashes})"
        " SETTINGS mutations_sync = 2"
    )


@contextmanager
def wait_for_disk(connection: Connection, names: Iterable[str]) -> Iterator[None]:
    """After the block, wait until the parts that merges and deletions left behind in it are off the disk, of any node.

    ClickHouse is told to clear them at once, which it does when nothing reads them any more. Raises StoreError when
    they stay.
    """
    names = list(names)
    for table in names:
        connection.ddl(f"ALTER TABLE {table} MODIFY SETTING " + ", ".join(f"{k} = {v}" for k, v in _HASTE.items()))
    try:
        yield
        deadline = time.monotonic() + 180
        old = _OLD.format(parts=connection.of_every_node("system.parts"))
        while left := connection.rows(old, {"names": [*names, *map(part_of, names)]}):
            connection.let_go()  # asking holds the parts too, and what is held is not cleared
            if time.monotonic() > deadline:
                raise StoreError(
                    f"erased rows of {left[0]['table']} are still on disk: a query reads them; run it again"
                )
            time.sleep(1)
            with suppress(StoreError):  # who may not say so waits until it clears them by itself
                for table in names:
                    connection.ddl(f"SYSTEM START CLEANUP {table}")
    finally:
        for table in names:
            connection.ddl(f"ALTER TABLE {table} RESET SETTING {', '.join(_HASTE)}")


_HASTE = {
    "old_parts_lifetime": 1,
    "cleanup_delay_period": 1,
    "max_cleanup_delay_period": 2,
    "cleanup_delay_period_random_add": 0,
}
"""How ClickHouse clears old parts meanwhile, in seconds."""

_OLD = (
    "SELECT DISTINCT table FROM {parts}"
    " WHERE database = currentDatabase() AND table IN {{names:Array(String)}} AND NOT active"
)


def hashes_of(connection: Connection, names: Sequence[str]) -> list[int]:
    """ClickHouse's sipHash64 of each."""
    found: list[int] = []
    for piece in pieces("", names):
        found += connection.rows("SELECT arrayMap(n -> sipHash64(n), {ids:Array(String)}) AS hashes", piece.parameters)[
            0
        ]["hashes"]
    return found
