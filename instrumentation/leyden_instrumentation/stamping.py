"""The span processor that writes the rollout's ids on every span, whichever thread or library started it."""

from __future__ import annotations

from functools import lru_cache

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from leyden_instrumentation import identity, native, prompts, records, spans, tool_messages, tools
from leyden_instrumentation.folding import folds
from leyden_instrumentation.guarding import guarded


class StampingProcessor(SpanProcessor):
    """Stamps spans as they start, and lets the tool memory see the tool spans that others make."""

    def __init__(self) -> None:
        self._process = identity.from_environment()
        self._stamp = lru_cache(256)(lambda found: found.over(self._process).attributes())

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        # A process sees few identities, and each of them on every span of a rollout.
        ctx = context.get_current() if parent_context is None else parent_context
        # What whoever made the span says of it wins over what its surroundings say.
        spans.add(span, prompts.attributes(ctx))
        spans.add(span, self._stamp(identity.from_context(ctx)))
        native.notice(span)
        folds.notice(span, ctx)
        tools.memory.notice(span)

    def _on_ending(self, span: Span) -> None:
        tools.memory.notice(span)
        guarded(tool_messages.notice, span)
        # Last: what looks at attributes from here on has them made.
        guarded(records.end, span)
