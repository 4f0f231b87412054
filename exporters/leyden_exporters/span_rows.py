"""The report's rows: what became of each LLM span, held as columns, so that millions of them fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from leyden_exporters.files import new_file
from leyden_exporters.reasons import Reason
from leyden_store.records import record

SPANS_SCHEMA = pa.schema(
    [
        pa.field("rollout_id", pa.dictionary(pa.int32(), pa.string())),
        pa.field("trace_id", pa.string()),
        pa.field("span_id", pa.string()),
        pa.field("reason", pa.dictionary(pa.int32(), pa.string())),
        pa.field("detail", pa.dictionary(pa.int32(), pa.string())),
        pa.field("branch", pa.int32()),
    ]
)
"""One row an LLM span; `reason` and what else is absent is null. `branch` is the row's place among its rollout's."""

_AT_ONCE = 8192
"""Rows held as values before they become a batch of columns."""


@record(frozen=True, slots=True)
class SpanRow:
    """What became of one LLM span: `reason` is None when it was kept, in the trajectory or row numbered `branch`."""

    rollout_id: str
    trace_id: str
    span_id: str
    reason: Reason | None = None
    detail: str = ""
    branch: int | None = None


class SpanRows:
    """Rows in the order in which they were added, and their counts.

    reasons: how many were dropped, by reason
    unread:  how many of those the store gave no turn for, by the store's own reason
    """

    def __init__(self) -> None:
        self.kept = 0
        self.reasons: Counter[Reason] = Counter()
        self.unread: Counter[str] = Counter()
        self._batches: list[pa.RecordBatch] = []
        self._stored = 0
        self._waiting = _Waiting()

    def add(self, rows: Iterable[SpanRow]) -> None:
        """Append rows one by one."""
        for row in rows:
            self._waiting.append(row)
            if row.reason is None:
                self.kept += 1
                continue
            self.reasons[row.reason] += 1
            if row.reason is Reason.UNREAD:
                self.unread[row.detail.partition(":")[0]] += 1
        self._make_room()

    def add_kept(self, rollout_id: str, trace_ids: Sequence[str], span_ids: Sequence[str], branch: int = 0) -> None:
        """Append spans of one rollout that were kept in one row, with nothing more to say."""
        self._waiting.append_kept(rollout_id, trace_ids, span_ids, branch)
        self.kept += len(span_ids)
        self._make_room()

    def extend(self, more: SpanRows) -> None:
        """Append another's rows."""
        self.kept += more.kept
        self.reasons += more.reasons
        self.unread += more.unread
        for batch in more._batches:
            self._waiting.extend([column.to_pylist() for column in batch.columns])
        self._waiting.extend(more._waiting.columns())
        self._make_room()

    def __len__(self) -> int:
        return self._stored + len(self._waiting.span_ids)

    def __iter__(self) -> Iterator[SpanRow]:
        for batch in self._batches:
            yield from map(_row, *(column.to_pylist() for column in batch.columns))
        yield from map(_row, *self._waiting.columns())

    def kept_keys(self) -> Iterator[tuple[str, str]]:
        """(trace id, span id) of every span that was kept."""
        kept = self.kept_table()
        yield from zip(kept["trace_id"].to_pylist(), kept["span_id"].to_pylist(), strict=True)

    def kept_table(self) -> pa.Table:
        """The rows of every span that was kept, in the columns of `SPANS_SCHEMA`."""
        kept = [batch.filter(batch["reason"].is_null()) for batch in self.batches()]
        return pa.Table.from_batches(kept, SPANS_SCHEMA)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in the columns of `SPANS_SCHEMA`."""
        if self._waiting.span_ids:
            self._store()
        yield from self._batches

    def _make_room(self) -> None:
        # Batches of one size, so that a report is the same file in whatever portions its rows came.
        while len(self._waiting.span_ids) >= _AT_ONCE:
            self._store()

    def _store(self) -> None:
        columns = [
            _column(values, column.type)
            for values, column in zip(self._waiting.taken(_AT_ONCE), SPANS_SCHEMA, strict=True)
        ]
        self._batches.append(pa.RecordBatch.from_arrays(columns, schema=SPANS_SCHEMA))
        self._stored += len(self._batches[-1])


def write_rows(rows: SpanRows, path: Path) -> None:
    """Write every row to a Parquet file in the columns of `SPANS_SCHEMA`. Raises PathUnwritable."""
    with new_file(path) as temporary, pq.ParquetWriter(temporary, SPANS_SCHEMA, compression="zstd") as writer:
        for batch in rows.batches():
            writer.write_batch(batch)


class _Waiting:
    """Rows as lists of values, a list a column."""

    def __init__(self) -> None:
        self.rollout_ids: list[str] = []
        self.trace_ids: list[str] = []
        self.span_ids: list[str] = []
        self.reasons: list[str | None] = []
        self.details: list[str | None] = []
        self.branches: list[int | None] = []

    def append(self, row: SpanRow) -> None:
        self.rollout_ids.append(row.rollout_id)
        self.trace_ids.append(row.trace_id)
        self.span_ids.append(row.span_id)
        self.reasons.append(None if row.reason is None else str(row.reason))
        self.details.append(row.detail or None)
        self.branches.append(row.branch)

    def append_kept(self, rollout_id: str, trace_ids: Sequence[str], span_ids: Sequence[str], branch: int) -> None:
        count = len(span_ids)
        self.rollout_ids += [rollout_id] * count
        self.trace_ids += trace_ids
        self.span_ids += span_ids
        self.reasons += [None] * count
        self.details += [None] * count
        self.branches += [branch] * count

    def extend(self, columns: Sequence[Sequence[Any]]) -> None:
        for own, more in zip(self.columns(), columns, strict=True):
            own += more

    def taken(self, count: int) -> list[list[Any]]:
        """The first rows, which are here no more."""
        first = [column[:count] for column in self.columns()]
        for column in self.columns():
            del column[:count]
        return first

    def columns(self) -> tuple[list[Any], ...]:
        return self.rollout_ids, self.trace_ids, self.span_ids, self.reasons, self.details, self.branches


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, kind)


def _row(
    rollout_id: str, trace_id: str, span_id: str, reason: str | None, detail: str | None, branch: int | None
) -> SpanRow:
    return SpanRow(rollout_id, trace_id, span_id, None if reason is None else Reason(reason), detail or "", branch)
