"""One span for one call of a model, where a framework's instrumentation and the model client's both make one.

The client's span, the inner one, is kept: it has the exact content and the token ids. It takes the outer span's place
in the tree and what only the outer one knows (agent, conversation); the outer one is not exported.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.trace import StatusCode

from leyden_instrumentation import spans

_HANDED_DOWN = (
    "gen_ai.agent.",
    "gen_ai.conversation.id",
    "gen_ai.workflow.",
    "session.id",
    "user.id",
    "traceloop.association.properties.",
)


class Folds:
    """LLM spans under way and what started inside them. Threads may share one."""

    def __init__(self) -> None:
        self._inner: dict[int, list[Span]] = {}
        self._others: set[int] = set()
        self._lock = threading.Lock()

    def notice(self, span: Span, parent_context: Context | None) -> None:
        """A span starts. Inside an LLM span: another LLM span takes its place, anything else moves beside it."""
        outer: Any = trace.get_current_span(parent_context)
        # A parent in another process, or one that may have been exported already, stays what it is.
        if not isinstance(outer, Span) or not outer.is_recording() or not spans.is_llm(outer):
            return
        key = outer.get_span_context().span_id
        with self._lock:
            if key not in self._inner and key not in self._others:
                weakref.finalize(getattr(outer, "__wrapped__", outer), self._forget, key).atexit = False
            if spans.is_llm(span) and key not in self._others:
                self._inner.setdefault(key, []).append(span)
            elif key not in self._inner:
                # Its child may be out before another comes: the outer span is exported, or the tree would not hold.
                self._others.add(key)
                return
        # The SDK offers no way to change a parent; this attribute is what it exports.
        span._parent = outer.parent
        if spans.is_llm(span):
            span.set_attributes(_handed_down(outer.attributes or {}, span.attributes or {}))

    def is_folded(self, span: ReadableSpan) -> bool:
        """Whether an ended span stands for a call that an inner span tells of, failure included."""
        inner = self._inner.get(span.context.span_id) if span.context else None
        if not inner:
            return False
        failed = span.status.status_code is StatusCode.ERROR
        return not failed or any(s.status.status_code is StatusCode.ERROR for s in inner)

    def _forget(self, key: int) -> None:
        self._inner.pop(key, None)
        self._others.discard(key)


folds = Folds()
"""The process's."""


def _handed_down(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in outer.items() if k.startswith(_HANDED_DOWN) and k not in inner}
