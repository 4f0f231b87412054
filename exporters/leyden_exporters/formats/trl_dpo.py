"""`trl-dpo`: preference pairs for TRL's DPOTrainer: `prompt`, `chosen`, `rejected`, `tools`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.formats._format import Format
from leyden_exporters.formats._pairs import write_pairs
from leyden_exporters.formats.trl_sft import for_template, tools_text
from leyden_exporters.options import Options
from leyden_exporters.pairs import Pair
from leyden_exporters.report import Report
from leyden_exporters.rows import JSON
from leyden_store.turns import Rollout

_SCHEMA = pa.schema(
    [
        pa.field("prompt", pa.list_(JSON), nullable=False),
        pa.field("chosen", pa.list_(JSON), nullable=False),
        pa.field("rejected", pa.list_(JSON), nullable=False),
        pa.field("tools", pa.string()),
    ]
)


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write one row per pair (see `pairs`); `chosen` and `rejected` are one assistant message each."""
    return write_pairs(rollouts, path, options, _SCHEMA, row)


def row(pair: Pair) -> dict[str, Any]:
    """One pair in TRL's columns."""
    return {
        "prompt": [for_template(message) for message in pair.messages],
        "chosen": [for_template(pair.chosen)],
        "rejected": [for_template(pair.rejected)],
        "tools": tools_text(pair.tools),
    }


FORMAT = Format("trl-dpo", "preference pairs for TRL's DPOTrainer", write)
