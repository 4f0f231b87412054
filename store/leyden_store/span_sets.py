"""Sets of spans: what a run or a data set was made of, and the hash by which two are known to be the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import cached_property

import pyarrow as pa

from leyden_store.connection import Connection

SpanKey = tuple[str, str]
"""(trace id, span id)."""

_TEXT = pa.large_string()
_KEYS = pa.schema([pa.field("trace_id", _TEXT), pa.field("span_id", _TEXT)])


class SpanSet:
    """Spans, each once, sorted. One of many is dear to sort and to hash, so that it is handed on as it is."""

    def __init__(self, spans: Iterable[SpanKey] | pa.Table) -> None:
        """spans: the keys, or a table with the columns `trace_id` and `span_id`."""
        if not isinstance(spans, pa.Table):
            keys = list(spans)
            columns = [pa.array([key[place] for key in keys], _TEXT) for place in range(2)]
            spans = pa.table(columns, schema=_KEYS)
        self._keys = _once(spans.select(_KEYS.names).cast(_KEYS))

    @classmethod
    def of(cls, spans: Iterable[SpanKey]) -> SpanSet:
        """The spans as a set; itself where they are one."""
        return spans if isinstance(spans, SpanSet) else cls(spans)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[SpanKey]:
        return zip(*(column.to_pylist() for column in self._keys.columns), strict=True)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the set, in hex."""
        import pyarrow.compute as pc  # takes as long as to open a store, and few commands need it

        lines = pc.binary_join_element_wise(*self._keys.columns, pa.scalar(":", _TEXT)).combine_chunks()
        whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
        return hashlib.sha256(pc.binary_join(whole, pa.scalar("\n", _TEXT))[0].as_buffer()).hexdigest()

    def record(self, connection: Connection, kind: str, subject_id: str) -> None:
        """Record that a run (`run`) or a data set (`dataset`) was made of these spans."""
        columns = {
            "Kind": pa.repeat(kind, len(self)),
            "SubjectId": pa.repeat(subject_id, len(self)),
            "TraceId": self._keys["trace_id"],
            "SpanId": self._keys["span_id"],
        }
        connection.insert_table("lineage", pa.table(columns))


def _once(keys: pa.Table) -> pa.Table:
    """The keys sorted, without doubles."""
    import pyarrow.compute as pc

    keys = keys.sort_by([(name, "ascending") for name in _KEYS.names])
    traces, spans = (column.combine_chunks() for column in keys.columns)
    is_new = pc.or_(pc.not_equal(traces[1:], traces[:-1]), pc.not_equal(spans[1:], spans[:-1]))
    return keys.filter(pa.concat_arrays([pa.array([True] * min(len(keys), 1), pa.bool_()), is_new]))
