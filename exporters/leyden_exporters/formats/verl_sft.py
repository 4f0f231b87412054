"""`verl-sft`: Parquet for verl's `MultiTurnSFTDataset`: a `messages` column, and `tools` where there are any."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.conversations import Conversation
from leyden_exporters.formats._format import Format
from leyden_exporters.formats._messages import write_conversations
from leyden_exporters.formats._verl import MESSAGES, as_text
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import to_text
from leyden_store.turns import Rollout

_SCHEMA = pa.schema([pa.field("messages", MESSAGES, nullable=False), pa.field("tools_json", pa.string())])


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write `.parquet` for `data.multiturn.messages_key=messages`; verl trains every assistant message of a row.

    Tool definitions are JSON text under `tools_json`, a name verl does not read: its `tools` column takes structs,
    which would put null into every schema. Render them into the system prompt if the model is to see them.
    """
    return write_conversations(rollouts, path, options, _SCHEMA, row, (".parquet", ""))


def row(conversation: Conversation) -> dict[str, Any]:
    """One conversation. Raises UnfitError for content that is not text."""
    tools = to_text(list(conversation.tools)) if conversation.tools else None
    return {"messages": as_text(conversation.messages), "tools_json": tools}


FORMAT = Format("verl-sft", "conversations for verl's SFT trainer", write, (".parquet", ""), supervised=True)
