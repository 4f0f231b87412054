"""A server that records the calls it answers is told which trace and rollout they are part of."""

from __future__ import annotations

import pytest

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
