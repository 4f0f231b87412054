"""Advantages in one pass over the rollouts: trajectories wait on disk until every reward is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile

import pyarrow as pa

from leyden_exporters.build import Builder, scored
from leyden_exporters.waiting import waiting_schema
from leyden_store.turns import Rollout


def scored_batches(builder: Builder, rollouts: Iterable[Rollout], folder: Path) -> Iterator[pa.RecordBatch]:
    """The builder's batches in the columns of `SCHEMA`; memory holds one batch and a reward per rollout.

    folder: where the waiting batches lie, in a file without a name, so that a killed process leaves nothing
    """
    with TemporaryFile(dir=folder) as waiting:
        with pa.ipc.new_stream(waiting, waiting_schema(builder.options)) as writer:
            for batch in builder.batches(rollouts):
                writer.write_batch(batch)
        scores = builder.scores()
        waiting.seek(0)
        for batch in pa.ipc.open_stream(waiting):
            yield scored(batch, scores)
