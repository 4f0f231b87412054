"""`trl-sft-tokens`: pretokenised rows for TRL's SFTTrainer, trained exactly on what the policy sampled."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from leyden_exporters.build import Builder
from leyden_exporters.formats._format import Format
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import new_rows
from leyden_store.turns import Rollout

IGNORED = -100
"""The label that cross-entropy leaves out, by torch's and transformers' convention."""

_SCHEMA = pa.schema(
    [
        pa.field("input_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("labels", pa.list_(pa.int32()), nullable=False),
    ]
)


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write `input_ids` and `labels` [T]: the id where the loss mask is 1, -100 elsewhere."""
    builder = Builder(options)
    with new_rows(path, _SCHEMA) as file:
        for batch in builder.batches(rollouts):
            file.add_batch(labelled(batch))
    return builder.report


def labelled(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`input_ids` and `labels` of a batch of trajectories."""
    ids, mask = batch["input_ids"], batch["loss_mask"].flatten().to_numpy()
    labels = np.where(mask == 1, ids.flatten().to_numpy(), np.int32(IGNORED))
    return pa.RecordBatch.from_arrays([ids, pa.ListArray.from_arrays(ids.offsets, labels)], schema=_SCHEMA)


FORMAT = Format("trl-sft-tokens", "pretokenised input_ids and labels for TRL's SFTTrainer", write)
