"""Sets of spans: what a run or a data set was made of, and the hash by which two are known to be the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import cached_property

import pyarrow as pa

from leyden_store.connection import Connection

SpanKey = tuple[str, str]
"""(trace id, span id)."""


class SpanSet:
    """Spans, each once, sorted. One of many is dear to sort and to hash, so that it is handed on as it is."""

    def __init__(self, spans: Iterable[SpanKey]) -> None:
        # As they come they mostly are in order, since so they lie in the store: a set would lose that.
        self._keys = sorted(dict.fromkeys(spans))

    @classmethod
    def of(cls, spans: Iterable[SpanKey]) -> SpanSet:
        """The spans as a set; itself where they are one."""
        return spans if isinstance(spans, SpanSet) else cls(spans)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[SpanKey]:
        return iter(self._keys)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the set, in hex."""
        return hashlib.sha256("\n".join(map(":".join, self._keys)).encode()).hexdigest()

    def record(self, connection: Connection, kind: str, subject_id: str) -> None:
        """Record that a run (`run`) or a data set (`dataset`) was made of these spans."""
        traces, spans = zip(*self._keys, strict=True) if self._keys else ((), ())
        columns = {
            "Kind": pa.repeat(kind, len(self)),
            "SubjectId": pa.repeat(subject_id, len(self)),
            "TraceId": pa.array(traces, pa.string()),
            "SpanId": pa.array(spans, pa.string()),
        }
        connection.insert_table("lineage", pa.table(columns))
