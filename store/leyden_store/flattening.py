"""The INSERT that flattens OTLP requests as they are read, by the query of the view on their landing table.

Inserted into the landing table, a segment's requests come to that view in one block, and every copy of their texts is
new memory. An INSERT … SELECT of the same query takes them a few at a time: a tenth more spans a second. The view stays
what defines the query, for this and for whoever inserts into the landing table.
"""

from __future__ import annotations

import re
import threading
import time
from typing import ClassVar

from leyden_store import sql
from leyden_store.connection import Connection
from leyden_store.errors import StoreError
from leyden_store.guard import quoted

_GOOD_FOR_S = 10.0
"""Asking costs as much as a tenth of an insert; a newer Leyden may exchange the view meanwhile."""

_LANDING = re.compile(r"\bFROM \S*\botlp_trace_requests\b")


class Flattening:
    """The statement for a store, and the settings it is to run with; threads may share it."""

    settings: ClassVar[dict[str, int | str]] = {
        "input_format_max_block_size_bytes": 8 << 20,
        # Rows stay in the order of the segment: an insert that is tried again is known by making the same blocks.
        "parallelize_output_from_storages": 0,
    }

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._row: dict[str, str] = {}
        self._asked_at = 0.0

    def insert(self, source: str) -> str:
        """The INSERT, out of a table function.

        source: its call, `{structure}` where the structure of what it reads belongs
        Raises StoreError when the store has no such view.
        """
        row = self._current()
        read = source.format(structure=quoted(row["structure"]))
        select = _LANDING.sub(lambda _: f"FROM {read}", row["query"])
        return f"INSERT INTO otlp_spans ({row['given']}) {select}"

    def forget(self) -> None:
        """Ask anew next time: an insert failed."""
        with self._lock:
            self._row = {}

    def _current(self) -> dict[str, str]:
        with self._lock:
            if not self._row or time.monotonic() > self._asked_at + _GOOD_FOR_S:
                (row,) = self._connection.rows(sql.query("flattening"))
                if not row["query"]:
                    raise StoreError("the store has no views that take OTLP; run: leyden store migrate")
                self._row, self._asked_at = row, time.monotonic()
            return self._row
