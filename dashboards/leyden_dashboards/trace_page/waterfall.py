"""A span tree as rows of a waterfall: each span's depth, and where its bar begins and ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from leyden_dashboards.trace_page.wording import pretty
from leyden_store.spans import Span
from leyden_store.tree import SpanTree

WIDTH = 1000.0
"""Of the drawing a bar stands in; the browser stretches it."""

_DEEPEST = 24
"""Levels that are indented; what lies deeper is drawn as deep."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One span's row. left, width: of WIDTH; offset_ns: from the first span; details: attributes and events as text."""

    span: Span
    depth: int
    left: float
    width: float
    offset_ns: int
    kind: str
    details: Sequence[tuple[str, str]]


def bars(tree: SpanTree) -> Iterator[Bar]:
    """Every span, each parent before its children."""
    if not tree.spans:
        return
    begin = min(span.start_ns for span in tree.spans)
    whole = max(max(span.end_ns for span in tree.spans) - begin, 1)
    for depth, span in tree.walk():
        offset = span.start_ns - begin
        left = min(max(offset / whole, 0.0), 1.0) * WIDTH
        width = max((span.end_ns - span.start_ns) / whole * WIDTH, 2.0)
        yield Bar(
            span, min(depth, _DEEPEST), round(left, 2), round(width, 2), offset, _kind(span), tuple(_details(span))
        )


def _kind(span: Span) -> str:
    """What colours the bar: an error above all, then what was done."""
    if span.status == "Error":
        return "error"
    operation = str(span.attributes.get("gen_ai.operation.name") or "")
    known = {"chat": "llm", "generate_content": "llm", "text_completion": "llm", "execute_tool": "tool"}
    if operation in known:
        return known[operation]
    return "agent" if operation in ("invoke_agent", "create_agent") else "other"


def _details(span: Span) -> Iterator[tuple[str, str]]:
    for name, value in sorted(span.attributes.items()):
        yield name, _text(value)
    for event in span.events:
        yield f"event {event.name}", _text(dict(event.attributes))
    if span.status_message:
        yield "status", span.status_message


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else pretty(value)
