"""`replay`: rows for policy-gradient training from stored rollouts, with the logprobs they were sampled under."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from leyden_exporters.build import Builder
from leyden_exporters.columns import SCHEMA
from leyden_exporters.formats._format import Format
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import new_rows
from leyden_exporters.spill import scored_batches
from leyden_store.turns import Rollout

_COLUMNS = (
    "input_ids",
    "loss_mask",
    "old_logps",
    "advantages",
    "reward",
    "group_id",
    "rollout_id",
    "policy_version",
)


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write a choice of the trajectory columns. Logprobs and a reward are required here: a ratio needs both."""
    builder = Builder(replace(options, require_logprobs=True, require_reward=True))
    schema = pa.schema([SCHEMA.field(name) for name in _COLUMNS])
    with new_rows(path, schema) as file:
        for batch in scored_batches(builder, rollouts, path.parent):
            file.add_batch(batch.select(_COLUMNS))
    return builder.report


FORMAT = Format("replay", "trajectories with logprobs, rewards and advantages, for reinforcement learning", write)
