"""Telling spans apart, across the instrumentations that make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NONE: Mapping[str, Any] = {}
_LLM_OPERATIONS = frozenset({"chat", "text_completion", "generate_content", "responses"})


def attributes(span: object) -> Mapping[str, Any]:
    """The attributes of a span of the SDK (or a proxy of one); none of a span that records nothing."""
    # OpenInference's proxy holds a span's kind back until it ends.
    held_back = getattr(span, "_self_important_attributes", None)
    have = getattr(span, "attributes", None)
    if held_back:
        return {**(have or {}), **held_back}
    return _NONE if have is None else have


def is_llm(span: object) -> bool:
    """Whether an instrumentation made this span for one call of a model."""
    have = attributes(span)
    return (
        have.get("gen_ai.operation.name") in _LLM_OPERATIONS
        or have.get("openinference.span.kind") == "LLM"
        or "llm.request.type" in have
    )


def is_tool(span: object) -> bool:
    """Whether somebody recorded the execution of a tool as this span."""
    have = attributes(span)
    return (
        have.get("gen_ai.operation.name") == "execute_tool"
        or have.get("openinference.span.kind") == "TOOL"
        or have.get("traceloop.span.kind") == "tool"
    )


def write_at_end(span: object, found: Mapping[str, Any]) -> None:
    """Put attributes on a span that is about to be handed to processors as ended."""
    # The SDK seals attributes before its last hook, and offers no other; this mapping is what it exports.
    sealed = span._attributes  # type: ignore[attr-defined]
    if sealed.max_value_len is None:
        # What is ours needs none of its cleaning, which looks at each logprob by itself.
        sealed._dict.update(found)
        return
    sealed._immutable = False
    try:
        sealed.update(found)
    finally:
        sealed._immutable = True
