"""What the Lightning Server records of the calls that pass it, as a collector receives it."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leyden.demo.agent import TOOLS
from leyden_trainers.policy_server.naming import Caller
from leyden_trainers.policy_server.recording.recorder import OPERATIONS, Recording
from leyden_trainers.policy_server.recording.span import encode
from leyden_trainers.policy_server.visible import visible
from tests.support.fake_llm import FakeLlm, ids_of, logprobs_of, prompt_text
from tests.support.otlp_sink import OtlpSink, SinkSpan
from tests.support.scripted_llm import REPLY, Answer, ScriptedLlm, sse
from tests.support.tiny_policy import serving
from tests.trainers.policy_server.fronting import HELLO, fronting, post
from tests.trainers.policy_server.test_chat import QUESTION
from tests.trainers.policy_server.test_upstream import chunk


def only(sink: OtlpSink) -> SinkSpan:
    (span,) = sink.wait_for(bool)
    return span


def test_a_call_is_a_span_of_the_genai_convention(sink: OtlpSink) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "count", "arguments": '{"a":  1}'}}
    messages = [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "u"}}],
        },
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "7"},
    ]
    asked = {"model": "fake", "messages": messages, "tools": TOOLS, "temperature": 0.5, "stop": "x", "seed": 3}
    with FakeLlm(policy_version=4) as llm, fronting(llm.url, collector=sink.url) as front:
        reply = post(front, body=asked).json()
    span = only(sink)
    found = span.attributes
    said = "The tools say 7."
    assert (span.name, span.status, span.scope) == ("chat fake", "Unset", "leyden.serve")
    assert json.loads(found["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
        {
            "role": "user",
            "parts": [{"type": "text", "content": "look"}, {"type": "image_url", "image_url": {"url": "u"}}],
        },
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c1", "name": "count", "arguments": '{"a":  1}'}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "7"}]},
    ]
    output = {"role": "assistant", "parts": [{"type": "text", "content": said}], "finish_reason": "stop"}
    assert json.loads(found["gen_ai.output.messages"]) == [output]
    assert json.loads(found["gen_ai.tool.definitions"]) == TOOLS
    told = {key: value for key, value in found.items() if "messages" not in key and "definitions" not in key}
    ids = ids_of(said)
    host, _, port = llm.url.removeprefix("http://").removesuffix("/v1").partition(":")
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "fake",
        "gen_ai.response.model": "fake",
        "gen_ai.response.id": reply["id"],
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.stop_sequences": ["x"],
        "gen_ai.request.seed": 3,
        "gen_ai.usage.input_tokens": reply["usage"]["prompt_tokens"],
        "gen_ai.usage.output_tokens": 9,
        "server.address": host,
        "server.port": int(port),
        "leyden.policy.version": 4,
        "leyden.prompt_token_ids": ids_of(prompt_text(messages)),
        "leyden.response_token_ids": ids,
        "leyden.response_logprobs": logprobs_of(ids),
    }


@pytest.mark.parametrize("content", ["hello", "tool: both"])
def test_a_stream_is_recorded_as_the_whole_reply_is(sink: OtlpSink, content: str) -> None:
    asked = HELLO | {"messages": [{"role": "user", "content": content}]}
    with FakeLlm() as llm, fronting(llm.url, collector=sink.url, policy_version="3") as front:
        post(front, body=asked)
        post(front, body=asked | {"stream": True})
    whole, streamed = (dict(span.attributes) for span in sink.wait_for(lambda spans: len(spans) == 2))
    assert streamed.pop("gen_ai.request.stream") is True
    for one in (whole, streamed):
        one.pop("gen_ai.response.id")
        one["gen_ai.output.messages"] = one["gen_ai.output.messages"].replace("call_1_", "call_2_")
    assert whole == streamed
    assert whole["leyden.policy.version"] == "3"


def test_several_choices_and_several_prompts_keep_their_own_ids(sink: OtlpSink, tiny: Path) -> None:
    with serving(tiny, collector=sink.url) as served:
        asked = {"model": "tiny", "messages": QUESTION, "n": 2, "seed": 1, "return_token_ids": True}
        chat = post(served.url, "/chat/completions", asked).json()
        asked = {"model": "tiny", "prompt": [[5, 6], [7, 8, 9]], "max_tokens": 3, "n": 2, "return_token_ids": True}
        text = post(served.url, "/completions", asked).json()
        httpx.post(f"{served.url.removesuffix('/v1')}/admin/flush")
    of_chat, *of_text = (span.attributes for span in sink.wait_for(lambda spans: len(spans) == 3))
    assert of_chat["leyden.response_token_ids"] == chat["choices"][0]["token_ids"]
    assert of_chat["leyden.choice.1.response_token_ids"] == chat["choices"][1]["token_ids"]
    assert len(of_chat["leyden.choice.1.response_logprobs"]) == len(chat["choices"][1]["token_ids"])
    for number, span in enumerate(of_text):
        first, second = text["choices"][2 * number : 2 * number + 2]
        assert span["gen_ai.operation.name"] == "text_completion"
        assert span["leyden.prompt_token_ids"] == first["prompt_token_ids"] == second["prompt_token_ids"]
        assert span["leyden.response_token_ids"] == first["token_ids"]
        assert span["leyden.choice.1.response_token_ids"] == second["token_ids"]


def test_a_model_of_ours_is_recorded_alike(sink: OtlpSink, tiny: Path) -> None:
    with serving(tiny, collector=sink.url, policy_version="v1") as served:
        asked = {"model": "tiny", "messages": QUESTION, "tools": TOOLS, "seed": 3}
        reply = httpx.post(f"{served.url}/chat/completions", json=asked).json()
        streamed = httpx.post(f"{served.url}/chat/completions", json=asked | {"stream": True})
        shown = httpx.post(f"{served.url}/chat/completions", json=asked | {"return_token_ids": True}).json()
    assert "prompt_token_ids" not in reply
    assert "token_ids" not in reply["choices"][0]
    assert '"token_ids"' not in streamed.text
    whole, stream, third = (span.attributes for span in sink.wait_for(lambda spans: len(spans) == 3))
    ids = [one["leyden.response_token_ids"] for one in (whole, stream, third)]
    assert ids == [shown["choices"][0]["token_ids"]] * 3
    assert len(whole["leyden.response_logprobs"]) == len(ids[0])
    assert (whole["gen_ai.provider.name"], whole["leyden.policy.version"]) == ("leyden", "v1")
    assert "server.address" not in whole


def test_a_failure_is_a_failed_span(sink: OtlpSink) -> None:
    refusal = Answer(400, {"error": {"message": "no such model"}})
    with ScriptedLlm(refusal) as llm, fronting(llm.url, collector=sink.url) as front:
        post(front)
    with fronting("http://127.0.0.1:9/v1", collector=sink.url) as front:
        post(front)
    refused, unreachable = sink.wait_for(lambda spans: len(spans) == 2)
    told = (refused.status, refused.attributes["error.type"], refused.status_message)
    assert told == ("Error", "400", "no such model")
    assert (unreachable.status, unreachable.attributes["error.type"]) == ("Error", "UpstreamUnreachable")
    assert "gen_ai.input.messages" in unreachable.attributes


def test_a_stream_that_breaks_or_is_left_is_a_failed_span_with_what_was_said(sink: OtlpSink) -> None:
    asked = HELLO | {"stream": True}
    broken = Answer(pieces=sse(chunk("half"))[:1], breaks=True)
    with ScriptedLlm(broken) as llm, fronting(llm.url, collector=sink.url) as front:
        post(front, body=asked)
    with (
        ScriptedLlm(Answer(pieces=sse(chunk("x" * 1000)) * 20_000)) as llm,
        fronting(llm.url, collector=sink.url) as front,
    ):
        with httpx.stream("POST", f"{front}/v1/chat/completions", json=asked) as reply:
            next(reply.iter_raw())
        sink.wait_for(lambda spans: len(spans) == 2)
        gc.collect()  # what is left of a stream ends no call for a second time
        assert httpx.post(f"{front}/admin/flush").json()["recorded"] == 1
    half, left = sink.spans
    assert (half.status, half.attributes["error.type"]) == ("Error", "RemoteProtocolError")
    assert '"half"' in half.attributes["gen_ai.output.messages"]
    assert (left.status, left.attributes["error.type"]) == ("Error", "client_disconnected")


def test_asking_again_is_one_span_that_says_how_often(sink: OtlpSink) -> None:
    answers = (Answer(503), Answer(503), Answer(body=REPLY))
    with ScriptedLlm(*answers) as llm, fronting(llm.url, collector=sink.url) as front:
        post(front)
    assert only(sink).attributes["leyden.upstream.retries"] == 2


def test_the_responses_api_and_embeddings_are_recorded_too(sink: OtlpSink) -> None:
    reply = {
        "id": "resp_1",
        "object": "response",
        "model": "up",
        "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "function_call", "call_id": "c1", "name": "count", "arguments": "{}"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "one"}]},
        ],
        "usage": {"input_tokens": 3, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 2}},
    }
    events = [
        b'event: response.created\ndata: {"type": "response.created"}\n\n',
        b"event: response.completed\ndata: " + json.dumps({"type": "response.completed", "response": reply}).encode(),
    ]
    asked = {"model": "up", "instructions": "be brief", "input": "count"}
    vectors = {"object": "list", "model": "emb", "data": [], "usage": {"prompt_tokens": 2, "total_tokens": 2}}
    answers = (Answer(body=reply), Answer(pieces=events), Answer(body=vectors))
    with ScriptedLlm(*answers) as llm, fronting(llm.url, collector=sink.url) as front:
        assert post(front, "/v1/responses", asked).json() == reply
        assert "event: response.completed" in post(front, "/v1/responses", asked | {"stream": True}).text
        assert post(front, "/v1/embeddings", {"model": "emb", "input": "x"}).json() == vectors
    whole, streamed, embedded = (span.attributes for span in sink.wait_for(lambda spans: len(spans) == 3))
    assert streamed.pop("gen_ai.request.stream") is True
    assert whole == streamed
    assert [message["role"] for message in json.loads(whole["gen_ai.input.messages"])] == ["system", "user"]
    kinds = [part["type"] for message in json.loads(whole["gen_ai.output.messages"]) for part in message["parts"]]
    assert kinds == ["reasoning", "tool_call", "text"]
    assert whole["gen_ai.usage.reasoning.output_tokens"] == 2
    assert (embedded["gen_ai.operation.name"], embedded["gen_ai.usage.input_tokens"]) == ("embeddings", 2)


def test_keys_are_never_recorded(sink: OtlpSink) -> None:
    own, servers = "my-client-key-12345", "sk-server-abcdefghijklmnop"
    told = {"error": {"message": f"bad key {own}, not {servers}"}}
    with ScriptedLlm(Answer(401, told)) as llm, fronting(llm.url, key=servers, collector=sink.url) as front:
        body = HELLO | {"messages": [{"role": "user", "content": f"my key is {own}"}], "return_token_ids": True}
        post(front, body=body, authorization=f"Bearer {own}", api_key=own)
    assert only(sink).status_message == "bad key [redacted], not [redacted]"
    assert not any(key.encode() in body for body in sink.bodies for key in (own, servers))


def test_ids_that_spell_what_was_hidden_are_left_out(sink: OtlpSink) -> None:
    own = "my-client-key-12345"
    with FakeLlm() as llm, fronting(llm.url, collector=sink.url) as front:
        body = HELLO | {"messages": [{"role": "user", "content": f"my key is {own}"}]}
        post(front, body=body, authorization=f"Bearer {own}")
    assert not [name for name in only(sink).attributes if "token_ids" in name or "logprobs" in name]


def test_half_a_character_does_not_lose_a_span(sink: OtlpSink) -> None:
    raw = b'{"model": "fake", "n": "what", "messages": [{"role": "user", "content": "\\ud83d"}]}'
    with ScriptedLlm() as llm, fronting(llm.url, collector=sink.url) as front:
        assert httpx.post(f"{front}/v1/chat/completions", content=raw).status_code == 200
        assert httpx.post(f"{front}/admin/flush").json() == {
            "status": "ok", "recorded": 1, "delivered": 1, "waiting": 0, "lost": 0,
        }  # fmt: skip
    assert "?" in only(sink).attributes["gen_ai.input.messages"]


FIELDS = st.sampled_from(
    [
        "messages", "prompt", "input", "content", "role", "tool_calls", "function", "choices", "delta", "message",
        "index", "n", "stop", "usage", "logprobs", "token_ids", "output", "error", "response", "prompt_token_ids",
        "summary", "type", "text", "id", "model", "seed", "tools", "name", "arguments", "object", "finish_reason",
    ]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3)
ANYTHING: st.SearchStrategy[Any] = st.deferred(
    lambda: SCALARS | st.lists(ANYTHING, max_size=3) | st.dictionaries(FIELDS, ANYTHING, max_size=4)
)


@given(
    path=st.sampled_from(sorted(OPERATIONS)),
    body=st.dictionaries(FIELDS, ANYTHING, max_size=5),
    parts=st.lists(st.dictionaries(FIELDS, ANYTHING, max_size=5), max_size=3),
)
@example(path="/chat/completions", body={"n": 2**62}, parts=[{"choices": [{"index": 0}]}])
@settings(max_examples=300, deadline=None)
def test_whatever_is_said_a_span_is_written_and_the_client_answered(path: str, body: Any, parts: Any) -> None:
    recording = Recording(Caller(), "0" * 32, path, body, "openai", None, "a-key-of-some-length", parts=parts)
    assert encode([recording], {})
    for part in parts:
        visible(part, frozenset({"return_token_ids", "logprobs", "stream_options"}))
