"""What became of each LLM span a data set was made from: kept, or dropped and why. The manifest has the counts."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from leyden_exporters.report import Report
from leyden_exporters.span_rows import SPANS_SCHEMA

SCHEMA = pa.schema([pa.field("split", pa.string(), nullable=False), *SPANS_SCHEMA])
"""`SPANS_SCHEMA`, and the split whose making the span was read for."""

NAME = "report.parquet"


class Fates:
    """Writes `report.parquet`, part by part."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")

    def add(self, split: str, report: Report) -> None:
        """The spans of one part."""
        for batch in report.spans.batches():
            splits = pa.array([split] * batch.num_rows, pa.string())
            self._writer.write_batch(pa.RecordBatch.from_arrays([splits, *batch.columns], schema=SCHEMA))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
