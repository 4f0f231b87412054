"""`agent`, `tool`, `evaluate` and `annotate`: spans of a program's own steps, and programs that stay as they were."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import leyden
from tests.instrumentation.conftest import Run
from tests.support.otlp_sink import OtlpSink


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[ReadableSpan]]]:
    """The spans that have ended, in an SDK of this test's own."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    before = context.get_current()
    yield lambda: list(memory.get_finished_spans())
    assert context.get_current() == before


@leyden.tool("add")
def add(a: int, b: int = 1, **more: int) -> int:
    """Adds."""
    return a + b + sum(more.values())


@leyden.tool()
async def later(text: str) -> dict[str, str]:
    await asyncio.sleep(0)
    return {"text": text}


@leyden.agent("counter")
def count(n: int) -> Iterator[int]:
    for i in range(n):
        add(i)
        yield i


@leyden.tool("speak")
async def speak(*words: str) -> AsyncIterator[str]:
    for word in words:
        await asyncio.sleep(0)
        leyden.annotate(last=word)
        yield word


def use_everything() -> list[Any]:
    async def speaking() -> list[str]:
        return [word async for word in speak("a", "b")]

    with leyden.agent("outer"), leyden.tool("inner") as call:
        call.result(1)
        leyden.annotate(a=1)
        leyden.evaluate("good", 1.0)
    return [add(1, c=2), asyncio.run(later("x")), list(count(2)), asyncio.run(speaking())]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_without_opentelemetry_set_up_programs_run_as_ever() -> None:
    assert use_everything() == [4, {"text": "x"}, [0, 1], ["a", "b"]]


def test_functions_keep_their_kind_name_and_signature() -> None:
    assert str(inspect.signature(add)) == "(a: 'int', b: 'int' = 1, **more: 'int') -> 'int'"
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    assert inspect.iscoroutinefunction(later)
    assert inspect.isgeneratorfunction(count)
    assert inspect.isasyncgenfunction(speak)


def test_a_tool_is_recorded_with_its_arguments_and_result(spans: Callable[[], list[ReadableSpan]]) -> None:
    add(1, c=2)
    asyncio.run(later("x"))
    first, second = spans()
    assert (first.name, second.name) == ("execute_tool add", "execute_tool later")
    assert attributes(first) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "add",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.arguments": '{"a": 1, "c": 2}',
        "gen_ai.tool.call.result": "4",
    }
    assert attributes(second)["gen_ai.tool.call.result"] == '{"text": "x"}'


def test_without_content_arguments_and_results_stay_out(
    spans: Callable[[], list[ReadableSpan]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEYDEN_CAPTURE_CONTENT", "false")
    add(1234, 1)
    with leyden.tool("t", arguments={"x": "1234"}) as call:
        call.result("1235")
    assert not [value for span in spans() for value in attributes(span).values() if "123" in str(value)]


def test_a_generator_is_current_only_while_its_own_code_runs(spans: Callable[[], list[ReadableSpan]]) -> None:
    outside = trace.get_current_span()
    for _ in count(2):
        assert trace.get_current_span() is outside
    *tools, agent = spans()
    assert (agent.name, attributes(agent)["gen_ai.agent.name"]) == ("invoke_agent counter", "counter")
    assert [t.parent and t.parent.span_id for t in tools] == [agent.context.span_id] * 2


def test_generators_interleave_and_can_be_abandoned(spans: Callable[[], list[ReadableSpan]]) -> None:
    @leyden.tool("echo")
    def echo() -> Iterator[str]:
        with leyden.tool("held"):
            while True:
                try:
                    yield trace.get_current_span().get_span_context().span_id.to_bytes(8, "big").hex()
                except KeyError:
                    yield "caught"

    one, two = echo(), echo()
    first, second = next(one), next(two)
    assert (next(one), next(two)) == (first, second)
    assert one.throw(KeyError()) == "caught"  # type: ignore[attr-defined]
    one.close()  # type: ignore[attr-defined]
    del two
    assert [s.name for s in spans()] == ["execute_tool held", "execute_tool echo"] * 2
    assert {s.status.status_code.name for s in spans()} == {"UNSET"}
    assert attributes(spans()[1])["gen_ai.tool.call.result"] == first + first + "caught"


def test_what_is_sent_to_a_generator_arrives_and_what_it_returns_is_its_result(
    spans: Callable[[], list[ReadableSpan]],
) -> None:
    @leyden.tool("adder")
    def adder() -> Any:
        total = 0
        while (sent := (yield total)) is not None:
            total += sent
        return {"total": total}

    generator = adder()
    next(generator)
    assert [generator.send(2), generator.send(3)] == [2, 5]
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert end.value.value == {"total": 5}
    assert attributes(spans()[0])["gen_ai.tool.call.result"] == '{"total": 5}'


def test_an_async_generator_is_one_step_in_its_own_context(spans: Callable[[], list[ReadableSpan]]) -> None:
    async def main() -> None:
        outside = trace.get_current_span()
        async for _ in speak("a", "b"):
            assert trace.get_current_span() is outside
        async for _ in speak("c", "d"):
            break
        # The event loop closes what was left half done at its next turn.
        await asyncio.sleep(0.01)

    asyncio.run(main())
    whole, part = spans()
    assert (attributes(whole)["gen_ai.tool.call.result"], attributes(whole)["last"]) == ("ab", "b")
    assert (attributes(part)["gen_ai.tool.call.result"], part.status.status_code.name) == ("c", "UNSET")


@pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "async generator", "with"])
def test_an_exception_is_recorded_and_goes_on(kind: str, spans: Callable[[], list[ReadableSpan]]) -> None:
    @leyden.tool("t")
    def function() -> None:
        raise KeyError("gone")

    @leyden.tool("t")
    async def coroutine() -> None:
        raise KeyError("gone")

    @leyden.tool("t")
    def generator() -> Iterator[int]:
        yield 1
        raise KeyError("gone")

    @leyden.tool("t")
    async def async_generator() -> AsyncIterator[int]:
        yield 1
        raise KeyError("gone")

    async def exhaust() -> None:
        async for _ in async_generator():
            pass

    def block() -> None:
        with leyden.tool("t"):
            raise KeyError("gone")

    run: dict[str, Callable[[], Any]] = {
        "function": function,
        "coroutine": lambda: asyncio.run(coroutine()),
        "generator": lambda: list(generator()),
        "async generator": lambda: asyncio.run(exhaust()),
        "with": block,
    }
    with pytest.raises(KeyError, match="gone"):
        run[kind]()
    (span,) = spans()
    assert (span.status.status_code.name, span.status.description) == ("ERROR", "KeyError: 'gone'")
    assert attributes(span)["error.type"] == "KeyError"
    assert [e.name for e in span.events] == ["exception"]


def test_methods_values_of_every_kind_and_values_without_a_text(spans: Callable[[], list[ReadableSpan]]) -> None:
    @dataclass
    class Place:
        city: str

    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    class Tools:
        @leyden.tool("find")
        def find(self, place: Any) -> Any:
            return {place.city} if isinstance(place, Place) else place

    Tools().find(Place("Leiden"))
    Tools().find(Unspeakable())
    with leyden.agent("a"):
        leyden.annotate(**{"app.n": 1, "app.l": ["x"], "app.d": {"k": [1]}, "app.none": None, "app.bad": Unspeakable()})
    placed, bad, agent = map(attributes, spans())
    assert placed["gen_ai.tool.call.arguments"] == '{"place": {"city": "Leiden"}}'
    assert placed["gen_ai.tool.call.result"] == '["Leiden"]'
    assert "gen_ai.tool.call.result" not in bad
    assert {k: v for k, v in agent.items() if k[:4] == "app."} == {"app.n": 1, "app.l": ("x",), "app.d": '{"k": [1]}'}


def test_an_evaluation_is_an_event_and_names_the_reply_it_judges(spans: Callable[[], list[ReadableSpan]]) -> None:
    with leyden.agent("judge"):
        leyden.evaluate("helpful", 0.5, label="pass", explanation="fair", response_id="chatcmpl-1")
    span, agent = spans()
    assert (span.name, span.parent) == ("evaluate helpful", agent.context)
    (event,) = span.events
    assert (event.name, dict(event.attributes or {})) == (
        "gen_ai.evaluation.result",
        {
            "gen_ai.evaluation.name": "helpful",
            "gen_ai.evaluation.score.value": 0.5,
            "gen_ai.evaluation.score.label": "pass",
            "gen_ai.evaluation.explanation": "fair",
            "gen_ai.response.id": "chatcmpl-1",
        },
    )
    with pytest.raises(ValueError, match="finite"):
        leyden.evaluate("helpful", float("nan"))


def test_a_decorator_without_its_parentheses_says_how_to_write_it() -> None:
    with pytest.raises(TypeError, match=r'write @leyden.tool\("name"\)'):
        leyden.tool(lambda: None)  # type: ignore[arg-type]


def test_a_recorded_tool_has_its_call_s_id_and_no_twin(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    """The fake model asks for two tools; here the decorated ones run in the other order."""
    script = """
        import json
        import leyden
        from openai import OpenAI

        @leyden.tool("calculate")
        def calculate(expression):
            return "391"

        @leyden.tool()
        def count_letters(word):
            return len(word)

        @leyden.agent("solver")
        def solve(question):
            client, messages = OpenAI(), [{"role": "user", "content": question}]
            ask = lambda: client.chat.completions.create(model="fake", messages=messages).choices[0].message
            messages.append(ask())
            for call in reversed(messages[-1].tool_calls):
                done = globals()[call.function.name](**json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": str(done)})
            return ask().content

        print(solve("tool: 17 * 23"))
    """
    done = run(script, env=recorded)
    assert (done.returncode, done.stdout, done.stderr) == (0, "The tools say 9, 391.\n", "")
    root, agent, _, letters, calculate, _ = sink.spans
    assert [s.name for s in sink.spans[3:5]] == ["execute_tool count_letters", "execute_tool calculate"]
    assert {s.parent_id for s in sink.spans[2:]} == {agent.span_id}
    assert (agent.parent_id, agent.name) == (root.span_id, "invoke_agent solver")
    assert [s.attributes["gen_ai.tool.call.id"] for s in (calculate, letters)] == ["call_1_0", "call_1_1"]
    assert json.loads(calculate.attributes["gen_ai.tool.call.arguments"]) == {"expression": "17 * 23"}
    assert calculate.attributes["leyden.rollout.id"] == "r-1"
    assert not any("leyden.synthetic" in s.attributes for s in sink.spans)
