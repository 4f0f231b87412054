"""Which spans each row of a data set is made of: the way from a training row back to what was recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from leyden_exporters.report import Report
from leyden_exporters.span_rows import SPANS_SCHEMA

_SPAN = [pa.field(name, pa.string(), nullable=False) for name in ("rollout_id", "trace_id", "span_id")]
SCHEMA = pa.schema(
    [pa.field("split", pa.string(), nullable=False), pa.field("row", pa.int64(), nullable=False), *_SPAN]
)
"""`row` counts from 0 through the split's files in the order of their names."""

NAME = "lineage.parquet"

_PAIR = "pair "
"""How the detail of a span begins whose row is one of a pair: the row's number follows."""

_NO_BRANCH = 1 << 31
"""Above every branch's number."""


class RowSpans:
    """Writes `lineage.parquet`, part by part."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")

    def add(self, split: str, report: Report) -> None:
        """The rows of one part. A report that does not say which row a span is in adds none."""
        places = row_places(report)
        if len(places):
            splits = pa.repeat(split, len(places))
            self._writer.write_table(pa.Table.from_arrays([splits, *places.columns], schema=SCHEMA))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def row_places(report: Report) -> pa.Table:
    """The row of each span that was kept, by the order in which formats write: rollout by rollout, branch by branch.

    A pair says its row itself; a span that names no branch is a row of its own. Columns of `SCHEMA`, without the split.
    """
    kept = _kept(report)
    in_pairs = pc.starts_with(kept["detail"], _PAIR).fill_null(False)
    others, pairs = kept.filter(pc.invert(in_pairs)), kept.filter(in_pairs)
    numbers = pc.cast(pc.utf8_slice_codeunits(pairs["detail"], len(_PAIR)), pa.int64())
    return pa.concat_tables([_rows(others, _places(others)), _rows(pairs, numbers).sort_by("row")])


def _kept(report: Report) -> pa.Table:
    """The spans in the output, as plain text and numbers."""
    plain = pa.schema([field.with_type(_undictionaried(field.type)) for field in SPANS_SCHEMA])
    return report.spans.kept_table().cast(plain)


def _undictionaried(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _places(kept: pa.Table) -> pa.Array:
    """How many rows stand before each span's: one for each branch of each rollout before its own."""
    rollouts = kept["rollout_id"].combine_chunks()
    begins = np.ones(len(kept), bool)
    begins[1:] = pc.not_equal(rollouts[1:], rollouts[:-1]).to_numpy(zero_copy_only=False)
    branches = kept["branch"].fill_null(-1).to_numpy().astype(np.int64)
    # A span without a branch counts as one of its own, after all real ones, by where it stands.
    within = np.where(branches < 0, np.arange(len(kept)) + _NO_BRANCH, branches)
    return pa.array(np.unique(np.cumsum(begins) * 2 * _NO_BRANCH + within, return_inverse=True)[1].astype(np.int64))


def _rows(kept: pa.Table, numbers: pa.Array) -> pa.Table:
    return pa.Table.from_arrays([numbers, *(kept[field.name] for field in _SPAN)], schema=SCHEMA.remove(0))
