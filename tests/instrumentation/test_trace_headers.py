"""A server that records the calls it answers is told which trace and rollout they are part of."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from leyden_instrumentation import trace_headers
from tests.instrumentation.conftest import Run
from tests.support.otlp_sink import OtlpSink
from tests.support.scripted_llm import Answer, ScriptedLlm

REPLY = {"id": "c", "object": "chat.completion", "model": "m", "created": 1, "choices": []}
PROGRAM = """
    from openai import OpenAI
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    OpenAI().chat.completions.create(**asked)
    OpenAI().chat.completions.create(**asked, extra_headers={"traceparent": "own", "x-other": "kept"})
"""


IDS = st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1), st.integers(0, 255))
ENTRIES = st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=30) | st.integers() | st.none(), max_size=4)


def in_context(ids: tuple[int, int, int], state: dict[str, str], entries: dict[str, Any]) -> dict[str, str]:
    trace_id, span_id, flags = ids
    span = SpanContext(trace_id, span_id, False, TraceFlags(flags), TraceState(list(state.items())))
    within = trace.set_span_in_context(NonRecordingSpan(span), context.Context())
    for name, value in entries.items():
        within = baggage.set_baggage(name, value, within)
    with ExitStack() as stack:
        token = context.attach(within)
        stack.callback(context.detach, token)
        told = trace_headers.current()
        expected: dict[str, str] = {}
        propagate.inject(expected)
        assert told == expected
    return told


@given(
    IDS,
    st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.from_regex(r"[a-z]{1,5}", fullmatch=True)),
    ENTRIES,
)
def test_headers_are_those_of_the_propagators_that_are_set(
    ids: tuple[int, int, int], state: dict[str, str], entries: dict[str, Any]
) -> None:
    assume(ids[0] and ids[1])
    in_context(ids, state, entries)


def test_so_they_are_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", CompositePropagator([TraceContextTextMapPropagator()]))
    assert set(in_context((1, 2, 1), {}, {"a": "b"})) == {"traceparent"}
    assert in_context((0, 0, 0), {}, {}) == {}


@pytest.mark.parametrize("kind", ["traceloop", "genai", "openinference"])
def test_a_private_server_gets_the_span_and_the_rollout(
    kind: str, recorded: dict[str, str], run: Run, sink: OtlpSink
) -> None:
    with ScriptedLlm(Answer(body=REPLY)) as llm:
        env = recorded | {"OPENAI_BASE_URL": llm.url, "LEYDEN_OPENAI_INSTRUMENTATION": kind}
        assert run(PROGRAM, env=env).returncode == 0
    _, first, _ = sink.spans
    told, own = (seen.headers for seen in llm.seen)
    assert told["traceparent"].startswith(f"00-{first.trace_id}-{first.span_id}-")
    assert set(told["baggage"].split(",")) >= {"leyden.rollout.id=r-1", "leyden.group.id=g-1", "leyden.attempt=2"}
    assert own["x-other"] == "kept"
    # Traceloop's puts its span there itself, over the program's word.
    assert (own["traceparent"] == "own") == (kind != "traceloop")
