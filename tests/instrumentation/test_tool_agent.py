"""The example agent, which knows nothing of Leyden, is recorded whole, in every way there is to start it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from leyden_instrumentation import bootstrap_path
from tests.instrumentation.conftest import EXAMPLES, Run
from tests.support.fake_llm import CALLS, FakeLlm, ids_of, logprobs_of, prompt_text
from tests.support.otlp_sink import OtlpSink, SinkSpan

AGENT = EXAMPLES / "tool_agent" / "agent.py"
QUESTION = "tool: 17 * 23, and the letters of lightning"
SCOPES = {
    "traceloop": "opentelemetry.instrumentation.openai.v1",
    "genai": "opentelemetry.instrumentation.genai.openai",
    "openinference": "openinference.instrumentation.openai",
}


def check_tree(spans: list[SinkSpan], kind: str) -> None:
    """One root; under it, in order: a model call, two tools, a model call."""
    root, first, *tools, last = spans
    assert [s.name for s in spans[2:-1]] == ["execute_tool calculate", "execute_tool count_letters"]
    assert {s.trace_id for s in spans} == {root.trace_id}
    assert root.parent_id == ""
    assert root.name == "invoke_workflow agent.py"
    assert {s.parent_id for s in spans[1:]} == {root.span_id}
    assert {first.scope, last.scope} == {SCOPES[kind]}
    for tool, (name, arguments), result in zip(tools, CALLS, ("391", "9"), strict=True):
        assert tool.attributes["gen_ai.tool.name"] == name
        assert tool.attributes["gen_ai.tool.call.arguments"] == arguments
        assert tool.attributes["gen_ai.tool.call.result"] == result
        assert tool.attributes["leyden.synthetic"] is True
        assert (tool.start, tool.end) == (first.end, last.start)


def check_tokens(spans: list[SinkSpan], llm: FakeLlm) -> None:
    calls = [s for s in spans if "leyden.prompt_token_ids" in s.attributes]
    texts = ["".join(f"<call>{name}{arguments}" for name, arguments in CALLS), "The tools say 391, 9."]
    for span, request, text in zip(calls, llm.requests, texts, strict=True):
        ids = ids_of(text)
        assert span.attributes["leyden.prompt_token_ids"] == ids_of(prompt_text(request["messages"]))
        assert span.attributes["leyden.response_token_ids"] == ids
        assert span.attributes["leyden.response_logprobs"] == logprobs_of(ids)
        assert span.attributes["leyden.policy.version"] == 7


@pytest.mark.parametrize("kind", list(SCOPES))
def test_every_instrumentation_gives_the_tree_a_person_would_draw(
    kind: str, recorded: dict[str, str], run: Run, sink: OtlpSink, llm: FakeLlm
) -> None:
    done = run(AGENT, QUESTION, env=recorded | {"LEYDEN_OPENAI_INSTRUMENTATION": kind})
    assert (done.returncode, done.stdout, done.stderr) == (0, "The tools say 391, 9.\n", "")
    check_tree(sink.spans, kind)
    check_tokens(sink.spans, llm)
    for span in sink.spans:
        assert span.attributes["leyden.rollout.id"] == "r-1"
        assert span.attributes["leyden.group.id"] == "g-1"
        assert span.attributes["leyden.attempt"] == 2
        assert span.resource["leyden.project"] == "demo"
        assert span.resource["service.name"] == "agent.py"
        assert span.dropped_attributes == 0
    assert {h[":path"] for h in sink.headers} == {"/v1/traces"}
    assert {h["content-encoding"] for h in sink.headers} == {"gzip"}


def test_pythonpath_alone_is_enough(bare: dict[str, str], run: Run, sink: OtlpSink, llm: FakeLlm) -> None:
    env = bare | llm.env() | {"PYTHONPATH": bootstrap_path(), "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
    assert run(AGENT, QUESTION, env=env).stdout == "The tools say 391, 9.\n"
    check_tree(sink.spans, "genai")
    check_tokens(sink.spans, llm)
    assert "leyden.rollout.id" not in sink.spans[0].attributes


def test_opentelemetry_instrument_does_the_same(bare: dict[str, str], sink: OtlpSink, llm: FakeLlm) -> None:
    names = {"OTEL_PYTHON_DISTRO": "leyden", "OTEL_PYTHON_CONFIGURATOR": "leyden"}
    env = bare | llm.env() | names | {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "LEYDEN_ROLLOUT_ID": "r-9"}
    stock = Path(sys.executable).with_name("opentelemetry-instrument")
    done = subprocess.run([stock, sys.executable, AGENT, QUESTION], env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "The tools say 391, 9.\n", "")
    check_tree(sink.spans, "genai")
    assert {s.attributes["leyden.rollout.id"] for s in sink.spans} == {"r-9"}


@pytest.mark.parametrize("kind", list(SCOPES))
def test_one_switch_keeps_all_content_out(
    kind: str, recorded: dict[str, str], run: Run, sink: OtlpSink, llm: FakeLlm
) -> None:
    env = recorded | {"LEYDEN_CAPTURE_CONTENT": "false", "LEYDEN_OPENAI_INSTRUMENTATION": kind}
    assert run(AGENT, QUESTION, env=env).returncode == 0
    everything = json.dumps([s.attributes for s in sink.spans])
    assert len(sink.spans) == 5
    for secret in ("lightning", "17 * 23", "391", "token_ids", "logprobs"):
        assert secret not in everything
    assert "return_token_ids" not in llm.requests[0]
