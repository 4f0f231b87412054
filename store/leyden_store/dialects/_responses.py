"""OpenAI's Responses API, whose one turn is a list of items, as chat messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from leyden_store.dialects._messages import from_openai, message, tool_call, tool_result
from leyden_store.dialects._values import Unreadable, listed, mapping


def from_response_items(items: Any, attribute: str) -> list[dict[str, Any]]:
    """Items of the Responses API as chat messages; what one assistant turn said and called is one message."""
    if isinstance(items, str):
        return [message("user", items)]
    if not isinstance(items, list | tuple):
        raise Unreadable(attribute, "the input is neither text nor a list of items")
    return join_assistant([from_response_item(item, attribute) for item in items])


def is_response_item(item: Any) -> bool:
    """Whether it is one of the Responses API's items that are no message: a call, its output, reasoning."""
    return isinstance(item, dict) and (item.get("type") == "reasoning" or "call_id" in item)


def from_response_item(item: Any, attribute: str) -> dict[str, Any]:
    """One item as a message; a call is one of its own. Raises Unreadable when it is no item."""
    if not isinstance(item, dict):
        raise Unreadable(attribute, f"an item is a {type(item).__name__}, not an object")
    kind = item.get("type")
    if kind == "function_call":
        call = tool_call(item.get("call_id") or item.get("id"), item.get("name"), item.get("arguments"))
        return message("assistant", None, tool_calls=[call])
    if kind == "function_call_output":
        return message("tool", tool_result(item.get("output")), tool_call_id=item.get("call_id"))
    if kind == "reasoning":
        thoughts = [*listed(item.get("summary")), *listed(item.get("content"))]
        return message("assistant", None, reasoning="\n".join(str(mapping(t).get("text") or "") for t in thoughts))
    if kind == "refusal":
        return message("assistant", None, refusal=item.get("refusal"))
    if "role" in item:
        return from_openai(item, attribute)
    return message("assistant", [{key: value for key, value in item.items() if value is not None}])


def join_assistant(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join neighbouring assistant messages into one: the Responses API lists what one turn did item by item."""
    joined: list[dict[str, Any]] = []
    for current in messages:
        if current["role"] != "assistant" or not joined or joined[-1]["role"] != "assistant":
            joined.append(current)
            continue
        before = joined[-1]
        reasoning = [m["reasoning_content"] for m in (before, current) if m.get("reasoning_content")]
        joined[-1] = message(
            "assistant",
            [*_parts_of(before["content"]), *_parts_of(current["content"])],
            tool_calls=[*before.get("tool_calls", ()), *current.get("tool_calls", ())],
            name=before.get("name") or current.get("name"),
            reasoning="\n".join(reasoning) or None,
            refusal=before.get("refusal") or current.get("refusal"),
        )
    return joined


def _parts_of(content: Any) -> list[Any]:
    if not content:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
