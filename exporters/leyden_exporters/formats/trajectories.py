"""`trajectories`: token ids, mask, logprobs and advantages, one row per trajectory (see `columns`)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from leyden_exporters.build import Builder
from leyden_exporters.columns import schema_for
from leyden_exporters.formats._format import Format
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import new_rows
from leyden_exporters.spill import scored_batches
from leyden_store.turns import Rollout


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write trajectories as `.jsonl`, `.parquet` or a folder."""
    builder = Builder(options)
    with new_rows(path, schema_for(options)) as file:
        for batch in scored_batches(builder, rollouts, path.parent):
            file.add_batch(batch)
    return builder.report


FORMAT = Format("trajectories", "token ids, loss mask, logprobs and advantages; one row per trajectory", write)
