"""`sharegpt`: conversations as `from`/`value` pairs, in the strict alternation that LLaMA-Factory asks of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.conversations import Conversation, arguments
from leyden_exporters.formats._format import Format
from leyden_exporters.formats._messages import UnfitError, write_conversations
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import to_text
from leyden_store.turns import Message, Rollout

SCHEMA = pa.schema(
    [
        pa.field("conversations", pa.list_(pa.struct({"from": pa.string(), "value": pa.string()})), nullable=False),
        pa.field("system", pa.string(), nullable=False),
        pa.field("tools", pa.string(), nullable=False),
    ]
)

_ASKING = ("human", "observation")
_SPEAKERS = {"user": "human", "tool": "observation", "assistant": "gpt"}


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write `conversations`, `system` and `tools` (JSON text), the latter two "" when there are none.

    The asking side (human, observation) and the answering side (gpt, function_call) must alternate; a conversation
    that does not, says text beside a tool call, or holds parts other than text, is dropped as `unfit`. As in
    `trl-sft`, replies that a fork repeats cannot be masked and are counted as `repeated_replies`.
    """
    return write_conversations(rollouts, path, options, SCHEMA, row)


def row(conversation: Conversation) -> dict[str, Any]:
    """One conversation as ShareGPT rows have it. Raises UnfitError."""
    messages = list(conversation.messages)
    system = _text(messages.pop(0)) if messages[0].get("role") in ("system", "developer") else ""
    said = [_said(message) for message in messages]
    for place, one in enumerate(said):
        if (one["from"] in _ASKING) != (place % 2 == 0):
            raise UnfitError(f"message {place} is {one['from']}: the sides do not alternate")
    tools = to_text([tool.get("function", tool) for tool in conversation.tools]) if conversation.tools else ""
    return {"conversations": said, "system": system, "tools": tools}


def _said(message: Message) -> dict[str, str]:
    calls = message.get("tool_calls")
    if calls:
        if _text(message):
            raise UnfitError("text beside a tool call")
        made = [_call(call) for call in calls]
        return {"from": "function_call", "value": to_text(made[0] if len(made) == 1 else made)}
    speaker = _SPEAKERS.get(str(message.get("role")))
    if speaker is None:
        raise UnfitError(f"a {message.get('role')} message amid the conversation")
    return {"from": speaker, "value": _text(message)}


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": (call.get("function") or {}).get("name"), "arguments": arguments(call)}


def _text(message: Message) -> str:
    content = message.get("content")
    if content is None or isinstance(content, str):
        return content or ""
    if not all(isinstance(part, Mapping) and part.get("type") == "text" for part in content):
        raise UnfitError("content that is not text")
    return "".join(str(part.get("text", "")) for part in content)


FORMAT = Format("sharegpt", "conversations as from/value pairs", write, supervised=True)
