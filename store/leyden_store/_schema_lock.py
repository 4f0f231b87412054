"""The right to change a server's schema: one process at a time, by a table that only one of them can create.

An embedded store needs none: its folder belongs to one process.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from leyden_store.connection import Connection
from leyden_store.errors import QueryFailed, StoreError

_ABANDONED_S = 120
"""A holder that was killed leaves its lock. Statements are idempotent: taking over from one that works is harmless."""


@contextmanager
def schema_lock(connection: Connection, *, wait_s: float = 300.0) -> Iterator[None]:
    """Hold the lock for the block. Raises StoreError when another process keeps it longer than `wait_s` seconds."""
    if connection.holder is not None:
        yield
        return
    _take(connection, wait_s)
    try:
        yield
    finally:
        connection.ddl("DROP TABLE IF EXISTS schema_lock")


def _take(connection: Connection, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    owner = f"process {os.getpid()} on {socket.gethostname()}, {uuid.uuid4().hex[:8]}".replace("'", "")
    while True:
        now = connection.rows("SELECT toUnixTimestamp(now()) AS now")[0]["now"]
        try:
            connection.ddl(f"CREATE TABLE schema_lock (Nothing UInt8) ENGINE = Memory COMMENT '{now} {owner}'")
            return
        except QueryFailed as error:
            held = connection.rows(
                "SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = 'schema_lock'"
            )
            if not held and "schema_lock" not in str(error):
                raise
        if held:
            since, _, who = held[0]["comment"].partition(" ")
            if since.isdigit() and now - int(since) > _ABANDONED_S:
                connection.ddl("DROP TABLE IF EXISTS schema_lock")
                continue
            if time.monotonic() > deadline:
                raise StoreError(f"the schema is being changed by {who} since {since}; wait, or drop table schema_lock")
        time.sleep(0.1)
