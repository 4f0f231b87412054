"""Which spans each row of a data set is made of: the way from a training row back to what was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from leyden_exporters.report import Report, SpanRow

SCHEMA = pa.schema(
    [
        pa.field("split", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("rollout_id", pa.string(), nullable=False),
        pa.field("trace_id", pa.string(), nullable=False),
        pa.field("span_id", pa.string(), nullable=False),
    ]
)
"""`row` counts from 0 through the split's files in the order of their names."""

NAME = "lineage.parquet"

_AT_ONCE = 1 << 16


class RowSpans:
    """Writes `lineage.parquet`, part by part."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")

    def add(self, split: str, report: Report) -> None:
        """The rows of one part. A report that does not say which row a span is in adds none."""
        places = row_places(report)
        waiting: list[tuple[str, int, str, str, str]] = []
        for place, row in places:
            waiting.append((split, place, row.rollout_id, row.trace_id, row.span_id))
            if len(waiting) == _AT_ONCE:
                self._write(waiting)
                waiting = []
        self._write(waiting)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    def _write(self, rows: list[tuple[str, int, str, str, str]]) -> None:
        if rows:
            columns = [
                pa.array(values, kind.type) for values, kind in zip(zip(*rows, strict=True), SCHEMA, strict=True)
            ]
            self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))


def row_places(report: Report) -> Iterator[tuple[int, SpanRow]]:
    """The row of each span that was kept, by the order in which formats write: rollout by rollout, branch by branch.

    A pair says its row itself; a span that names no branch is a row of its own.
    """
    start, rollout, members = 0, None, list[SpanRow]()
    pairs: list[tuple[int, SpanRow]] = []

    def placed() -> Iterator[tuple[int, SpanRow]]:
        branches = sorted({row.branch for row in members if row.branch is not None})
        for at, row in enumerate(members):
            yield start + (at if row.branch is None else branches.index(row.branch)), row

    def rows() -> int:
        branches = {row.branch for row in members if row.branch is not None}
        return len(branches) or len(members)

    for row in report.spans:
        if row.reason is not None:
            continue
        if row.detail.startswith("pair "):
            pairs.append((int(row.detail.removeprefix("pair ")), row))
            continue
        if row.rollout_id != rollout:
            yield from placed()
            start, rollout, members = start + rows(), row.rollout_id, []
        members.append(row)
    yield from placed()
    yield from sorted(pairs, key=lambda pair: pair[0])
