"""`axolotl`: conversations for Axolotl's `chat_template` datasets, each message saying whether it is trained."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.conversations import Conversation
from leyden_exporters.formats._format import Format
from leyden_exporters.formats._messages import write_conversations
from leyden_exporters.formats.openai_sft import plain
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import JSON
from leyden_store.turns import Rollout

_SCHEMA = pa.schema([pa.field("messages", pa.list_(JSON), nullable=False), pa.field("tools", pa.list_(JSON))])


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write `.jsonl` for this configuration, so that only sampled replies are trained, each once:

    ```yaml
    datasets:
      - path: out.jsonl
        ds_type: json
        type: chat_template
        field_messages: messages
        field_tools: tools
        roles_to_train: []
        train_on_eos: turn
        message_field_training: train
    ```
    """
    return write_conversations(rollouts, path, options, _SCHEMA, row, (".jsonl",))


def row(conversation: Conversation) -> dict[str, Any]:
    """One line; tool arguments stay text, which Axolotl parses, as `datasets` would fill missing keys with null."""
    messages = plain(conversation.messages)
    for place, message in enumerate(messages):
        message["train"] = place in conversation.replies
    return {"messages": messages, "tools": list(conversation.tools) or None}


FORMAT = Format("axolotl", "conversations for Axolotl's chat_template datasets", write, (".jsonl",), supervised=True)
