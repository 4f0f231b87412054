"""`openai-sft`: OpenAI's fine-tuning file; replies trained here weigh 1, other assistant messages 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.conversations import Conversation
from leyden_exporters.formats._format import Format
from leyden_exporters.formats._messages import write_conversations
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import JSON
from leyden_store.turns import Message, Rollout

_SCHEMA = pa.schema([pa.field("messages", pa.list_(JSON), nullable=False), pa.field("tools", pa.list_(JSON))])

_KEYS = ("role", "content", "name", "tool_calls", "tool_call_id", "refusal")
"""What OpenAI's file takes; reasoning and other extensions are left out."""


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write `.jsonl` as OpenAI takes it: https://developers.openai.com/api/docs/guides/supervised-fine-tuning."""
    return write_conversations(rollouts, path, options, _SCHEMA, row, (".jsonl",))


def row(conversation: Conversation) -> dict[str, Any]:
    """One line; without tools the key is left out, as an empty list is refused."""
    messages = plain(conversation.messages)
    for place, message in enumerate(messages):
        if message["role"] == "assistant":
            message["weight"] = int(place in conversation.replies)
    made: dict[str, Any] = {"messages": messages}
    if conversation.tools:
        made["tools"] = list(conversation.tools)
    return made


def plain(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages with OpenAI's keys only; absent keys stay absent, tool arguments stay the exact string."""
    return [{key: message[key] for key in _KEYS if message.get(key) is not None} for message in messages]


FORMAT = Format("openai-sft", "OpenAI's supervised fine-tuning file", write, (".jsonl",), supervised=True)
