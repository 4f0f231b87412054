"""`trl-sft`: conversations for TRL's SFTTrainer, which renders them with the model's own chat template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.conversations import Conversation, arguments
from leyden_exporters.formats._format import Format
from leyden_exporters.formats._messages import write_conversations
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import JSON, to_text
from leyden_store.turns import Message, Rollout

_SCHEMA = pa.schema([pa.field("messages", pa.list_(JSON), nullable=False), pa.field("tools", pa.string())])


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write `messages`, and `tools` as JSON text (null without tools), one row per conversation.

    TRL trains every assistant message of a row, or none: replies that a fork repeats from another row, and assistant
    messages nobody sampled (few-shot examples), cannot be masked here. The report counts them as
    `repeated_replies`; `trl-sft-tokens` masks them.
    """
    return write_conversations(rollouts, path, options, _SCHEMA, row)


def row(conversation: Conversation) -> dict[str, Any]:
    """One conversation in TRL's columns."""
    messages = [for_template(message) for message in conversation.messages]
    return {"messages": messages, "tools": tools_text(conversation.tools)}


def tools_text(tools: Sequence[Mapping[str, Any]]) -> str | None:
    """Tool definitions as JSON text, which TRL parses; None without any."""
    return to_text(list(tools)) if tools else None


def for_template(message: Message) -> dict[str, Any]:
    """A message as chat templates read it: content never null, tool arguments an object, no empty keys."""
    made = {key: value for key, value in message.items() if value is not None and key != "tool_calls"}
    made.setdefault("content", "")
    if message.get("tool_calls"):
        made["tool_calls"] = [_call(call) for call in message["tool_calls"]]
    return made


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {**call, "function": {**(call.get("function") or {}), "arguments": arguments(call)}}


FORMAT = Format("trl-sft", "conversations (messages and tools) for TRL's SFTTrainer", write, supervised=True)
