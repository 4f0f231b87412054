"""OpenInference's flattened attributes: `llm.input_messages.{i}.message.*`, `llm.tools.{i}.*` and the like."""

from __future__ import annotations

from typing import Any

from leyden_store.dialects._growing import read_flat
from leyden_store.dialects._messages import message, tool_call
from leyden_store.dialects._values import Pairs, flattened, listed, mapping, nested, text
from leyden_store.spans import Attributes


def messages(attributes: Attributes, prefix: str) -> list[dict[str, Any]]:
    """The messages flattened under the prefix, as chat messages."""
    (items,) = flattened(attributes, prefix)
    return read_flat(items, _flat)


def outputs(attributes: Attributes) -> list[tuple[dict[str, Any], str | None]]:
    """The output messages, the first with the span's finish reason."""
    reason = text(attributes.get("llm.finish_reason"))
    return [(spoken, None if i else reason) for i, spoken in enumerate(messages(attributes, "llm.output_messages"))]


def tools(attributes: Attributes) -> list[Any]:
    """Tool definitions, each JSON text as sent."""
    (items,) = flattened(attributes, "llm.tools")
    found = (mapping(mapping(nested(item)).get("tool")).get("json_schema") for item in items)
    return [schema for schema in found if schema]


def _flat(item: Pairs) -> list[dict[str, Any]]:
    return [_message(mapping(mapping(nested(item)).get("message")))]


def _message(raw: Any) -> dict[str, Any]:
    content = raw.get("content")
    reasoning: list[str] = []
    if content is None and isinstance(raw.get("contents"), list):
        parts = [mapping(mapping(item).get("message_content")) for item in raw["contents"]]
        reasoning = [str(part.get("text") or "") for part in parts if part.get("type") == "reasoning"]
        content = [_part(part) for part in parts if part.get("type") != "reasoning"]
    calls = [mapping(mapping(item).get("tool_call")) for item in listed(raw.get("tool_calls"))]
    return message(
        str(raw.get("role") or "user"),
        content,
        tool_calls=[
            tool_call(call.get("id"), mapping(call.get("function")).get("name"), _arguments(call)) for call in calls
        ],
        tool_call_id=text(raw.get("tool_call_id")),
        name=raw.get("name"),
        reasoning="\n".join(reasoning) or None,
    )


def _arguments(call: Any) -> Any:
    # Empty arguments are left out by the instrumentation.
    return mapping(call.get("function")).get("arguments", "{}")


def _part(part: Any) -> Any:
    if part.get("type") == "image":
        url = mapping(mapping(part.get("image")).get("image")).get("url")
        return {"type": "image_url", "image_url": {"url": url}}
    if part.get("type") == "text":
        return {"type": "text", "text": part.get("text") or ""}
    return dict(part)
