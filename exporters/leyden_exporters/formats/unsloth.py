"""`unsloth`: `conversations` of role and content, as Unsloth's notebooks render them with the model's chat template."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.conversations import Conversation
from leyden_exporters.formats import trl_sft
from leyden_exporters.formats._format import Format
from leyden_exporters.formats._messages import write_conversations
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import JSON
from leyden_store.turns import Rollout

_SCHEMA = pa.schema([pa.field("conversations", pa.list_(JSON), nullable=False), pa.field("tools", pa.string())])


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write `conversations`, what `standardize_sharegpt` would make of ShareGPT rows, and `tools` as JSON text.

    They go to `tokenizer.apply_chat_template(row["conversations"], tools=…)` as they are; `train_on_responses_only`
    then masks what is not the assistant's. As in `trl-sft`, replies that a fork repeats are trained again.
    """
    return write_conversations(rollouts, path, options, _SCHEMA, row)


def row(conversation: Conversation) -> dict[str, Any]:
    """One conversation."""
    made = trl_sft.row(conversation)
    return {"conversations": made["messages"], "tools": made["tools"]}


FORMAT = Format("unsloth", "conversations of role and content for Unsloth", write, supervised=True)
