"""The span processor that writes the rollout's ids on every span, whichever thread or library started it."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from leyden_instrumentation import identity, native, prompts, records, tools
from leyden_instrumentation.folding import folds


class StampingProcessor(SpanProcessor):
    """Stamps spans as they start, and lets the tool memory see the tool spans that others make."""

    def __init__(self) -> None:
        self._process = identity.from_environment()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        found = identity.from_context(parent_context).over(self._process)
        # What whoever made the span says of it wins over what its surroundings say.
        given = span.attributes or {}
        said = found.attributes() | prompts.attributes(parent_context)
        span.set_attributes({k: v for k, v in said.items() if k not in given})
        native.notice(span)
        folds.notice(span, parent_context)
        tools.memory.notice(span)

    def _on_ending(self, span: Span) -> None:
        records.end(span)

    def on_end(self, span: ReadableSpan) -> None:
        tools.memory.notice(span)
