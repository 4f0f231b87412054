"""Telling spans apart, across the instrumentations that make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.util.types import AttributeValue

_NONE: Mapping[str, Any] = {}
_LLM_OPERATIONS = frozenset({"chat", "text_completion", "generate_content", "responses"})


def attributes(span: object) -> Mapping[str, Any]:
    """The attributes of a span of the SDK (or a proxy of one); none of a span that records nothing."""
    # OpenInference's proxy holds a span's kind back until it ends.
    held_back = getattr(span, "_self_important_attributes", None)
    own = getattr(span, "_attributes", None)
    # The SDK's views of a span's attributes cost more than what is asked of them here.
    have = own._dict if isinstance(own, BoundedAttributes) else getattr(span, "attributes", None)
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


def is_embedding(span: object) -> bool:
    """Whether OpenTelemetry's instrumentations made this span for texts that a model embeds."""
    return attributes(span).get("gen_ai.operation.name") == "embeddings"


def is_tool(span: object) -> bool:
    """Whether somebody recorded the execution of a tool as this span."""
    have = attributes(span)
    return (
        have.get("gen_ai.operation.name") == "execute_tool"
        or have.get("openinference.span.kind") == "TOOL"
        or have.get("traceloop.span.kind") == "tool"
    )


def add(span: Any, found: Mapping[str, AttributeValue]) -> None:
    """Put on a span of the SDK that just starts, and that nobody else has yet, what it does not say itself."""
    own: BoundedAttributes = span._attributes
    if own.max_value_len is None:
        for name, value in found.items():
            own._dict.setdefault(name, value)
    else:
        span.set_attributes({name: value for name, value in found.items() if name not in own})
