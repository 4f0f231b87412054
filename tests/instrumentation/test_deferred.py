"""Attributes that are made when they are read, and what the program may do meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from leyden_instrumentation import content, records
from leyden_instrumentation.deferred import Deferred
from leyden_instrumentation.stamping import StampingProcessor

PATH = "/chat/completions"


class Request:
    """As an HTTP client's, its body is JSON."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.content = json.dumps(body).encode()


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    monkeypatch.setattr(records, "mode", lambda: "SPAN_ONLY")
    return InMemorySpanExporter()


def start(exporter: InMemorySpanExporter) -> Span:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(StampingProcessor())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    span = provider.get_tracer("opentelemetry.instrumentation.genai.openai").start_span("chat", attributes={"a": 1})
    assert isinstance(span, Span)
    return span


def said(exporter: InMemorySpanExporter) -> list[str]:
    (ended,) = exporter.get_finished_spans()
    assert ended.attributes is not None
    return [message["parts"][0]["content"] for message in json.loads(str(ended.attributes[content.INPUT]))]


def test_what_a_program_changes_after_a_call_was_not_said_in_it(exporter: InMemorySpanExporter) -> None:
    span = start(exporter)
    body = {"messages": [{"role": "user", "content": "before"}]}
    records.asked(span, PATH, body)
    records.sent(span, PATH, Request(body))
    span.end()
    body["messages"][0]["content"] = "after"
    body["messages"].append({"role": "user", "content": "later"})
    assert said(exporter) == ["before"]


def test_a_request_that_could_not_be_made_is_told_of(exporter: InMemorySpanExporter) -> None:
    span = start(exporter)
    records.asked(span, PATH, {"messages": [{"role": "user", "content": "a\ud83d"}]})
    span.end()
    assert said(exporter) == ["a\ud83d"]


def test_nothing_is_made_until_somebody_reads_and_then_once() -> None:
    made = []

    def make() -> dict[str, str]:
        made.append(True)
        return {"words": "w"}

    attributes = Deferred(BoundedAttributes(attributes={"a": 1}), make)
    assert attributes
    assert not made
    assert dict(attributes) == {"a": 1, "words": "w"}
    assert attributes["words"] == "w"
    assert len(made) == 1


def test_what_cannot_be_made_costs_no_span() -> None:
    attributes = Deferred(BoundedAttributes(attributes={"a": 1}), lambda: {"words": str(1 / 0)})
    assert dict(attributes) == {"a": 1}


def test_limits_hold_for_what_is_made() -> None:
    have = BoundedAttributes(attributes={"a": "123456"}, max_value_len=3)
    assert dict(Deferred(have, lambda: {"words": "123456"})) == {"a": "123", "words": "123"}
