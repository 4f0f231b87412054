"""Dialects: one module per convention, each a pure function from a span to a `Call`.

`recognise` chooses one by the scope's name first, then by the attributes. To add a dialect, write a module with
`NAME`, `matches(span)` and `read(span)`, list it in `_BY_ATTRIBUTES`, and add a folder of golden cases.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from leyden_store.dialects import (
    agentlightning,
    genai,
    genai_events,
    langfuse,
    mlflow,
    openinference,
    pydantic_ai,
    traceloop,
    traceloop_indexed,
    vercel,
)
from leyden_store.dialects._values import Unreadable
from leyden_store.spans import Span
from leyden_store.turns import Call

__all__ = ["Dialect", "Unreadable", "looks_like_llm", "recognise"]


class Dialect(Protocol):
    """What a dialect module offers.

    NAME:    as turns carry it
    matches: whether the span is an LLM call of this dialect (embeddings, tools and agents are not)
    read:    the call; raises Unreadable where its content is broken
    """

    NAME: str

    def matches(self, span: Span, /) -> bool: ...
    def read(self, span: Span, /) -> Call: ...


_BY_SCOPE: tuple[tuple[str, tuple[Dialect, ...]], ...] = (
    ("openinference.", (openinference,)),
    ("pydantic-ai", (pydantic_ai,)),
    ("logfire", (pydantic_ai,)),
    ("langfuse", (langfuse,)),
    ("opentelemetry.instrumentation.genai.", (genai_events, genai)),
    ("opentelemetry.instrumentation.openai.v", (traceloop, traceloop_indexed)),
)
"""Scope prefix → the dialects its spans speak."""

_BY_ATTRIBUTES: tuple[Dialect, ...] = (
    openinference,
    vercel,
    langfuse,
    mlflow,
    agentlightning,
    traceloop,
    traceloop_indexed,
    genai_events,
    genai,
)
"""Every dialect, the one with the most telling marks first."""


_KINDS = (
    "gen_ai.operation.name",
    "openinference.span.kind",
    "traceloop.span.kind",
    "llm.request.type",
    "ai.operationId",
    "langfuse.observation.type",
    "mlflow.spanType",
)
"""What says of a span which kind it is: one that is no call by these (an embedding, a rerank, a tool) is none."""


def recognise(span: Span) -> Dialect | None:
    """The dialect that knows this span as an LLM call, or None: it is none, or `looks_like_llm` says it seems one."""
    for dialect in _in_turn(span.scope_name):
        if dialect.matches(span):
            return dialect
    return None


@lru_cache(1024)
def _in_turn(scope: str) -> tuple[Dialect, ...]:
    """The dialects to ask of a scope's spans: its own first."""
    own = next((dialects for prefix, dialects in _BY_SCOPE if scope.startswith(prefix)), ())
    return own + tuple(dialect for dialect in _BY_ATTRIBUTES if dialect not in own)


def looks_like_llm(span: Span) -> bool:
    """Whether a span no dialect knows still seems an LLM call, so that it is counted and not lost from sight."""
    attributes = span.attributes
    if not attributes or any(attributes.get(key) is not None for key in _KINDS):
        return False
    return any(key in attributes for key in ("gen_ai.request.model", "llm.model_name", "llm.request.model"))
