"""Chunks of a streamed chat completion put together again, for captures that keep them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from leyden_store.dialects._values import integer, listed, mapping

_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")


def joined(chunks: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The reply's body as it would have come unstreamed, or None where there is no such chunk."""
    body: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        if chunk.get("object") != "chat.completion.chunk":
            continue
        body |= {key: value for key, value in chunk.items() if key != "choices" and value is not None}
        for raw in map(mapping, listed(chunk.get("choices"))):
            index = integer(raw.get("index")) or 0
            choice = choices.setdefault(index, {"index": index, "message": {"role": "assistant", "content": None}})
            _add(choice["message"], mapping(raw.get("delta")))
            if raw.get("finish_reason"):
                choice["finish_reason"] = raw["finish_reason"]
    return {**body, "choices": [choices[index] for index in sorted(choices)]} if choices else None


def _add(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for key in _TEXTS:
        if isinstance(delta.get(key), str):
            message[key] = (message.get(key) or "") + delta[key]
    calls = message.setdefault("tool_calls", [])
    for raw in map(mapping, listed(delta.get("tool_calls"))):
        at = integer(raw.get("index"))
        call = next((call for call in calls if call["index"] == at), None)
        if call is None:
            call = {"index": at, "id": "", "type": "function", "function": {"name": "", "arguments": ""}}
            calls.append(call)
        call["id"] = call["id"] or raw.get("id") or ""
        for key, value in mapping(raw.get("function")).items():
            if key in call["function"] and isinstance(value, str):
                call["function"][key] += value
