"""What verl's formats share: messages as structs of text, since verl reads Parquet with pandas and `datasets`.

verl hands the messages to the chat template as they come, so columns that all rows lack must not be there, and tool
calls are text in the way the model family writes them: Parquet's structs would fill absent keys with null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from leyden_exporters.curation.candidates import plain_content
from leyden_exporters.formats._messages import UnfitError
from leyden_exporters.rows import to_text
from leyden_store.turns import Message

MESSAGES = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))
"""verl's `messages` and `prompt`."""


def as_text(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Messages of role and content alone; a tool call is written as Hermes and Qwen write it. Raises UnfitError."""
    return [{"role": _role(message), "content": _content(message)} for message in messages]


def _role(message: Message) -> str:
    role = str(message.get("role"))
    return "system" if role == "developer" else role


def _content(message: Message) -> str:
    said = plain_content(message)
    if said is None:
        raise UnfitError("content that is not text")
    calls: Sequence[Mapping[str, object]] = message.get("tool_calls") or ()
    return "\n".join([*([said] if said else []), *map(_call, calls)])


def _call(call: Mapping[str, object]) -> str:
    function = call.get("function")
    named = function if isinstance(function, Mapping) else {}
    # The arguments' own bytes: what the model wrote is what is trained.
    arguments = str(named.get("arguments") or "{}")
    return f'<tool_call>\n{{"name": {to_text(named.get("name"))}, "arguments": {arguments}}}\n</tool_call>'
