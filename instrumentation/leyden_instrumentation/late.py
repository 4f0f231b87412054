"""Calls whose span is made only once they are over: what stands for that span until then.

Traceloop's instrumentation records the Responses API so. Its span will be a child of the one current during the call.
"""

from __future__ import annotations

import functools
import os
import time

from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Span

from leyden_instrumentation.libraries import OPENAI, choose


class LateSpan(NonRecordingSpan):
    """Stands for a child that `parent` will have, where tool calls are placed: its trace, parent and start."""

    end_time = None

    def __init__(self, parent: Span) -> None:
        super().__init__(parent.get_span_context())
        self.parent = parent.get_span_context()
        self.start_time = time.time_ns()


def stand_in(current: Span, path: str) -> Span:
    """The stand-in for the span of a call to `path`; INVALID_SPAN where none will be made late."""
    return LateSpan(current) if path.endswith("/responses") and _traceloop_records() else INVALID_SPAN


@functools.cache
def _traceloop_records() -> bool:
    return choose(OPENAI, os.environ).distribution == OPENAI.choices["traceloop"]
