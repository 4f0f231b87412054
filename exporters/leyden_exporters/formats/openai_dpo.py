"""`openai-dpo`: OpenAI's preference fine-tuning file, one pair a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.formats._format import Format
from leyden_exporters.formats._pairs import write_pairs
from leyden_exporters.formats.openai_sft import plain
from leyden_exporters.options import Options
from leyden_exporters.pairs import Pair
from leyden_exporters.report import Report
from leyden_exporters.rows import JSON
from leyden_store.turns import Rollout

_SCHEMA = pa.schema(
    [
        pa.field("input", JSON, nullable=False),
        pa.field("preferred_output", pa.list_(JSON), nullable=False),
        pa.field("non_preferred_output", pa.list_(JSON), nullable=False),
    ]
)


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write `.jsonl` as OpenAI takes it: https://developers.openai.com/api/docs/guides/direct-preference-optimization."""
    return write_pairs(rollouts, path, options, _SCHEMA, row, (".jsonl",))


def row(pair: Pair) -> dict[str, Any]:
    """One line."""
    asked: dict[str, Any] = {"messages": plain(pair.messages)}
    if pair.tools:
        asked |= {"tools": list(pair.tools), "parallel_tool_calls": True}
    return {
        "input": asked,
        "preferred_output": plain([pair.chosen]),
        "non_preferred_output": plain([pair.rejected]),
    }


FORMAT = Format("openai-dpo", "OpenAI's preference fine-tuning file", write, (".jsonl",))
