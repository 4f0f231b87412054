"""What is read from Anthropic's replies and requests: the tools that a model calls, and their results."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from leyden_instrumentation import exact_arguments, tools
from leyden_instrumentation.exchange_messages import MessagesExchange

WHOLE: list[dict[str, Any]] = [
    {
        "type": "message",
        "content": [
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Zürich"}},
        ],
    }
]
BLOCK = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}}
STREAM: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Let me look."}},
    {"type": "content_block_start", "index": 1, "content_block": BLOCK},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"city": '}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '"Zürich"}'}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
    {"type": "message_stop"},
]


@pytest.mark.parametrize("events", [WHOLE, STREAM], ids=["whole", "streamed"])
def test_a_tool_call_and_its_result_make_a_span(events: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    memory, exported = tools.ToolMemory(), InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    monkeypatch.setattr(tools, "memory", memory)
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    tracer = provider.get_tracer("test")
    root = tracer.start_span("root")
    first = tracer.start_span("chat", context=trace.set_span_in_context(root))
    exchange = MessagesExchange(first, context.get_current())
    assert [exchange.read(event) for event in events] == events
    assert len(memory) == 1
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "18 °C"}
    messages = [{"role": "user", "content": "warm?"}, {"role": "user", "content": [result]}]
    memory.answer({"messages": messages}, tracer.start_span("chat", context=trace.set_span_in_context(root)))
    (tool,) = exported.get_finished_spans()
    assert tool.parent is not None
    assert tool.parent.span_id == root.get_span_context().span_id
    have = tool.attributes or {}
    assert [have[f"gen_ai.tool.{n}"] for n in ("name", "call.id", "call.arguments", "call.result")] == [
        "weather",
        "call_1",
        '{"city": "Zürich"}',
        "18 °C",
    ]


def test_streamed_arguments_are_told_to_the_letter() -> None:
    span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("chat")
    assert isinstance(span, Span)
    exchange = MessagesExchange(span, context.get_current())
    spaced = {"type": "content_block_delta", "index": 1, "delta": {"partial_json": '  "Zürich"}'}}
    for event in [*STREAM[:5], spaced, *STREAM[6:]]:
        exchange.read(event)
    assert json.loads(str((span.attributes or {})[exact_arguments.ATTRIBUTE])) == {"call_1": '{"city":   "Zürich"}'}
