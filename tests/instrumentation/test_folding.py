"""One call of a model is one span, whichever of its instrumentations are loaded together."""

# ruff: noqa: SIM117 (how spans are nested is the subject)

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer

from leyden_instrumentation import folding
from leyden_instrumentation.delivery import DeliveryProcessor
from leyden_instrumentation.stamping import StampingProcessor

CHAT = {"gen_ai.operation.name": "chat"}
FRAMEWORK = {**CHAT, "gen_ai.agent.name": "planner", "gen_ai.conversation.id": "c-1", "gen_ai.request.model": "outer"}


class Recorder:
    """A provider with our processors, and what it exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(StampingProcessor())
        self._provider.add_span_processor(DeliveryProcessor(self._exporter))
        self.tracer: Tracer = self._provider.get_tracer("test")

    def exported(self) -> dict[str, ReadableSpan]:
        self._provider.force_flush()
        return {s.name: s for s in self._exporter.get_finished_spans()}

    def close(self) -> None:
        self._provider.shutdown()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.close()


def parent_of(spans: dict[str, ReadableSpan], name: str) -> str | None:
    parent = spans[name].parent
    ids = {s.context.span_id: n for n, s in spans.items() if s.context}
    return None if parent is None else ids[parent.span_id]


def test_the_client_s_span_takes_the_framework_s_place_and_what_only_that_knows(recorder: Recorder) -> None:
    with recorder.tracer.start_as_current_span("agent"):
        with recorder.tracer.start_as_current_span("framework", attributes=FRAMEWORK):
            with recorder.tracer.start_as_current_span("client", attributes={**CHAT, "gen_ai.request.model": "inner"}):
                with recorder.tracer.start_as_current_span("http"):
                    pass
            with recorder.tracer.start_as_current_span("retried", attributes=CHAT):
                pass
            with recorder.tracer.start_as_current_span("parse"):
                pass
    spans = recorder.exported()
    assert set(spans) == {"agent", "client", "http", "retried", "parse"}
    assert [parent_of(spans, n) for n in ("client", "http", "retried", "parse")] == [
        "agent",
        "client",
        "agent",
        "agent",
    ]
    assert spans["client"].attributes == {**FRAMEWORK, "gen_ai.request.model": "inner"}


def test_three_deep_is_still_one_span(recorder: Recorder) -> None:
    with recorder.tracer.start_as_current_span("agent"):
        with recorder.tracer.start_as_current_span("a", attributes=FRAMEWORK):
            with recorder.tracer.start_as_current_span("b", attributes=CHAT):
                with recorder.tracer.start_as_current_span("c", attributes=CHAT):
                    pass
    spans = recorder.exported()
    assert set(spans) == {"agent", "c"}
    assert parent_of(spans, "c") == "agent"
    assert (spans["c"].attributes or {})["gen_ai.agent.name"] == "planner"


def test_a_framework_s_span_stays_where_no_client_s_span_tells_of_the_call(recorder: Recorder) -> None:
    with recorder.tracer.start_as_current_span("framework", attributes=FRAMEWORK):
        with recorder.tracer.start_as_current_span("http"):
            pass
    assert parent_of(recorder.exported(), "http") == "framework"


def test_a_framework_s_span_stays_where_something_hangs_on_it_already(recorder: Recorder) -> None:
    with recorder.tracer.start_as_current_span("framework", attributes=FRAMEWORK):
        with recorder.tracer.start_as_current_span("http"):
            pass
        with recorder.tracer.start_as_current_span("client", attributes=CHAT):
            pass
    spans = recorder.exported()
    assert [parent_of(spans, n) for n in ("http", "client")] == ["framework", "framework"]


def test_a_failure_that_only_the_framework_saw_is_kept(recorder: Recorder) -> None:
    with contextlib.suppress(ValueError):
        with recorder.tracer.start_as_current_span("framework", attributes=FRAMEWORK):
            with recorder.tracer.start_as_current_span("client", attributes=CHAT):
                pass
            raise ValueError("unreadable")
    assert set(recorder.exported()) == {"framework", "client"}


def test_a_failure_that_both_saw_is_told_once(recorder: Recorder) -> None:
    with contextlib.suppress(ValueError):
        with recorder.tracer.start_as_current_span("framework", attributes=FRAMEWORK):
            with recorder.tracer.start_as_current_span("client", attributes=CHAT):
                raise ValueError("refused")
    spans = recorder.exported()
    assert set(spans) == {"client"}
    assert spans["client"].status.status_code is StatusCode.ERROR


def test_a_caller_in_another_process_is_not_folded(recorder: Recorder) -> None:
    ids = trace.SpanContext(1, 2, is_remote=True, trace_flags=trace.TraceFlags(1))
    outside = trace.set_span_in_context(trace.NonRecordingSpan(ids))
    recorder.tracer.start_span("client", context=outside, attributes=CHAT).end()
    parent = recorder.exported()["client"].parent
    assert parent is not None
    assert parent.span_id == 2


def test_calls_that_are_over_cost_no_memory(recorder: Recorder) -> None:
    before = len(folding.folds._inner)
    for _ in range(100):
        with recorder.tracer.start_as_current_span("framework", attributes=FRAMEWORK):
            with recorder.tracer.start_as_current_span("client", attributes=CHAT):
                pass
    recorder.exported()
    assert len(folding.folds._inner) - before <= 1
