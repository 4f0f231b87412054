"""Tool spans are made up only where nobody records them, once, and for the conversation they belong to."""

from __future__ import annotations

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import Span, TracerProvider

from leyden_instrumentation import tools
from leyden_instrumentation.tools import ToolCall, ToolMemory
from tests.instrumentation.conftest import Run
from tests.support.otlp_sink import OtlpSink

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("test")


def llm_span(parent: trace.Span) -> Span:
    span = TRACER.start_span("chat", context=trace.set_span_in_context(parent))
    assert isinstance(span, Span)
    return span


def call(call_id: str, parent: trace.Span, name: str = "look") -> ToolCall:
    return ToolCall(call_id, name, "{}", llm_span(parent), context.get_current())


def answer(*call_ids: str) -> dict[str, object]:
    return {"messages": [{"role": "tool", "tool_call_id": i, "content": "found"} for i in call_ids]}


def test_a_call_is_answered_only_in_its_own_trace() -> None:
    memory = ToolMemory()
    here, there = TRACER.start_span("here"), TRACER.start_span("there")
    memory.expect([call("call_0", here), call("call_0", there)])
    memory.answer(answer("call_0", "unknown"), llm_span(here))
    assert len(memory) == 1
    memory.answer(answer("call_0"), llm_span(here))
    assert len(memory) == 1
    memory.answer(answer("call_0"), llm_span(there))
    assert len(memory) == 0


def test_an_id_that_a_server_gives_again_is_answered_by_its_last_result(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(tools, "_record", lambda _call, result, _end: told.append(result))
    memory, root = ToolMemory(), TRACER.start_span("root")
    memory.expect([call("call_0", root)])
    results = [{"role": "tool", "tool_call_id": "call_0", "content": text} for text in ("old", "new")]
    memory.answer({"messages": results}, llm_span(root))
    assert told == ["new"]


def test_the_responses_api_brings_results_too() -> None:
    memory = ToolMemory()
    root = TRACER.start_span("root")
    memory.expect([call("call_0", root)])
    memory.answer({"input": [{"type": "function_call_output", "call_id": "call_0", "output": "x"}]}, llm_span(root))
    assert len(memory) == 0


def test_calls_never_answered_cost_bounded_memory() -> None:
    memory = ToolMemory(limit=10)
    root = TRACER.start_span("root")
    for number in range(1000):
        memory.expect([call(f"call_{number}", root)])
    assert len(memory) == 10


def test_real_tool_spans_are_not_doubled(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    """One span names the call's id as OpenTelemetry does, one as OpenInference does, one only the tool's name."""
    script = """
        from openai import OpenAI
        from opentelemetry import trace
        tracer = trace.get_tracer("tools")
        client = OpenAI()

        def ask(messages):
            return client.chat.completions.create(model="fake", messages=messages).choices[0].message

        def converse(record):
            messages = [{"role": "user", "content": "tool: please"}]
            messages.append(ask(messages))
            for number, tool in enumerate(messages[-1].tool_calls):
                if number == 0:
                    with tracer.start_as_current_span(tool.function.name, attributes=record(tool)):
                        pass
                messages.append({"role": "tool", "tool_call_id": tool.id, "content": "done"})
            messages.append(ask(messages))
            messages.append({"role": "user", "content": "and again"})
            ask(messages)

        converse(lambda t: {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.id": t.id})
        converse(lambda t: {"openinference.span.kind": "TOOL", "tool_call.id": t.id})
        converse(lambda t: {"gen_ai.operation.name": "execute_tool"})
    """
    done = run(script, env=recorded)
    assert (done.returncode, done.stderr) == (0, "")
    tools = [s.name for s in sink.spans if s.name != "chat fake"][1:]
    assert tools == ["execute_tool count_letters", "calculate"] * 3
