"""The report's rows: what became of each LLM span, held as columns, so that millions of them fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from leyden_exporters.reasons import Reason

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


@dataclass(frozen=True, slots=True)
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
        self._waiting: list[SpanRow] = []

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
        if len(self._waiting) >= _AT_ONCE:
            self._flush()

    def add_kept(self, rollout_ids: Sequence[str], trace_ids: Sequence[str], span_ids: Sequence[str]) -> None:
        """Append spans that were kept in their rollouts' first rows, with nothing more to say."""
        self._flush()
        nothing = pa.nulls(len(span_ids), pa.string())
        self._store(rollout_ids, trace_ids, span_ids, nothing, nothing, pa.array([0] * len(span_ids), pa.int32()))
        self.kept += len(span_ids)

    def __len__(self) -> int:
        return self._stored + len(self._waiting)

    def __iter__(self) -> Iterator[SpanRow]:
        for batch in self._batches:
            yield from map(_row, *(column.to_pylist() for column in batch.columns))
        yield from self._waiting

    def kept_keys(self) -> Iterator[tuple[str, str]]:
        """(trace id, span id) of every span that was kept."""
        return ((row.trace_id, row.span_id) for row in self if row.reason is None)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in the columns of `SPANS_SCHEMA`."""
        self._flush()
        yield from self._batches

    def _flush(self) -> None:
        rows, self._waiting = self._waiting, []
        if rows:
            self._store(
                [row.rollout_id for row in rows],
                [row.trace_id for row in rows],
                [row.span_id for row in rows],
                pa.array([None if row.reason is None else str(row.reason) for row in rows], pa.string()),
                pa.array([row.detail or None for row in rows], pa.string()),
                pa.array([row.branch for row in rows], pa.int32()),
            )

    def _store(
        self,
        rollout_ids: Sequence[str],
        trace_ids: Sequence[str],
        span_ids: Sequence[str],
        reasons: pa.Array,
        details: pa.Array,
        branches: pa.Array,
    ) -> None:
        columns = [
            pa.array(rollout_ids, pa.string()).dictionary_encode(),
            pa.array(trace_ids, pa.string()),
            pa.array(span_ids, pa.string()),
            reasons.dictionary_encode(),
            details.dictionary_encode(),
            branches,
        ]
        self._batches.append(pa.RecordBatch.from_arrays(columns, schema=SPANS_SCHEMA))
        self._stored += len(span_ids)


def _row(
    rollout_id: str, trace_id: str, span_id: str, reason: str | None, detail: str | None, branch: int | None
) -> SpanRow:
    return SpanRow(rollout_id, trace_id, span_id, None if reason is None else Reason(reason), detail or "", branch)
