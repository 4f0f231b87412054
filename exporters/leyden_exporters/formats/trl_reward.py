"""`trl-reward`: preference pairs for TRL's RewardTrainer: whole conversations, `chosen` and `rejected`."""

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
        pa.field("chosen", pa.list_(JSON), nullable=False),
        pa.field("rejected", pa.list_(JSON), nullable=False),
        pa.field("tools", pa.string()),
    ]
)


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write one row per pair (see `pairs`), each side the shared messages and its reply."""
    return write_pairs(rollouts, path, options, _SCHEMA, row)


def row(pair: Pair) -> dict[str, Any]:
    """One pair in TRL's columns."""
    return {
        "chosen": [for_template(message) for message in (*pair.messages, pair.chosen)],
        "rejected": [for_template(message) for message in (*pair.messages, pair.rejected)],
        "tools": tools_text(pair.tools),
    }


FORMAT = Format("trl-reward", "preference pairs for TRL's RewardTrainer", write)
