"""Tools of agents on Bedrock's and Google's clients are found in what their spans say, as real ones say it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from leyden_instrumentation import tools
from leyden_instrumentation.stamping import StampingProcessor

USER = {"role": "user", "parts": [{"type": "text", "content": "Oslo or Paris?"}]}
BEDROCK, GOOGLE = "opentelemetry.instrumentation.genai.bedrock", "opentelemetry.instrumentation.google_genai"


class Recorded:
    """A provider as ours, whose tool spans come here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._memory = InMemorySpanExporter()
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(StampingProcessor())
        self._provider.add_span_processor(SimpleSpanProcessor(self._memory))
        monkeypatch.setattr(trace, "get_tracer", lambda name: self._provider.get_tracer(name))
        monkeypatch.setattr(tools, "memory", tools.ToolMemory())
        self.root = self._provider.get_tracer("root").start_span("root")

    def call(self, scope: str, history: list[Any], reply: list[Any]) -> None:
        with trace.use_span(self.root):
            span = self._provider.get_tracer(scope).start_span("chat")
            span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(history)})
            span.set_attribute("gen_ai.output.messages", json.dumps(reply))
            span.end()

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._memory.get_finished_spans() if span.name == name]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    return Recorded(monkeypatch)


def call(city: str, call_id: str | None) -> dict[str, Any]:
    return {"type": "tool_call", "id": call_id, "name": "weather", "arguments": {"city": city}}


def result(call_id: str | None, response: Any) -> dict[str, Any]:
    return {"type": "tool_call_response", "id": call_id, "response": response}


@pytest.mark.parametrize(
    ("scope", "ids", "answered", "given", "told"),
    [
        (BEDROCK, ("a", "b"), ("b", "a"), [[{"text": "18"}], [{"text": "9"}]], ["18", "9"]),
        (GOOGLE, ("a", "b"), ("weather_0", "weather_1"), [{"r": 9}, {"r": 18}], ['{"r": 9}', '{"r": 18}']),
        (GOOGLE, (None, None), (None, None), [{"r": 9}, {"r": 18}], ['{"r": 9}', '{"r": 18}']),
    ],
)
def test_results_find_their_calls(
    recorded: Recorded, scope: str, ids: tuple[Any, ...], answered: tuple[Any, ...], given: list[Any], told: list[str]
) -> None:
    asked = {"role": "assistant", "parts": [call("Oslo", ids[0]), call("Paris", ids[1])]}
    results = {"role": "user", "parts": [result(i, r) for i, r in zip(answered, given, strict=True)]}
    recorded.call(scope, [USER], [asked])
    assert recorded.spans("execute_tool weather") == []
    recorded.call(scope, [USER, asked, results], [{"role": "assistant", "parts": [call("Rome", "z")]}])
    first, second = recorded.spans("execute_tool weather")
    before, after = recorded.spans("chat")
    assert [span.attributes["gen_ai.tool.call.result"] for span in (first, second) if span.attributes] == told
    cities = [json.loads(str((s.attributes or {})["gen_ai.tool.call.arguments"]))["city"] for s in (first, second)]
    assert cities == (["Paris", "Oslo"] if answered == ("b", "a") else ["Oslo", "Paris"])
    for span in (first, second):
        assert span.parent is not None
        assert span.parent.span_id == recorded.root.get_span_context().span_id
        assert (span.start_time, span.end_time) == (before.end_time, after.start_time)
        assert (span.attributes or {})["leyden.synthetic"] is True
    # The same history again brings nothing new.
    recorded.call(scope, [USER, asked, results], [])
    assert len(recorded.spans("execute_tool weather")) == 2


def test_clients_that_are_hooked_are_not_read_again(recorded: Recorded) -> None:
    asked = {"role": "assistant", "parts": [call("Oslo", "a")]}
    recorded.call("opentelemetry.instrumentation.genai.openai", [USER], [asked])
    assert len(tools.memory) == 0


def test_what_cannot_be_read_stops_nobody(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    span = recorded._provider.get_tracer(BEDROCK).start_span("chat")
    span.set_attributes({"gen_ai.input.messages": "tool_call", "gen_ai.output.messages": "tool_call"})
    span.end()
    assert len(recorded.spans("chat")) == 1
