"""`leyden serve --upstream`: what the client sees of an upstream, and what the upstream sees of the client."""

from __future__ import annotations

import json
import threading
from contextlib import AbstractContextManager
from typing import Any

import httpx
import openai
import pytest

from tests.support.fake_llm import FakeLlm
from tests.support.scripted_llm import REPLY, Answer, ScriptedLlm, sse
from tests.trainers.policy_server.fronting import fronting, post

HELLO: dict[str, Any] = {"model": "up-7b", "messages": [{"role": "user", "content": "hello"}]}


def chunk(content: str, **more: Any) -> dict[str, Any]:
    part = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "model": "up-7b", "choices": [part]} | more


def ask(front: str, **more: Any) -> httpx.Response:
    return post(front, body=HELLO | more)


def streaming(front: str) -> AbstractContextManager[httpx.Response]:
    return httpx.stream("POST", f"{front}/v1/chat/completions", json=HELLO | {"stream": True})


def client_of(front: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{front}/v1", api_key="none", max_retries=2)


def test_a_reply_passes_as_it_is_when_nothing_is_wanted_of_it() -> None:
    with ScriptedLlm(Answer(body=REPLY, headers={"x-request-id": "r1"})) as llm, fronting(llm.url) as front:
        reply = ask(front, temperature=0.5)
    assert reply.json() == REPLY
    assert reply.headers["x-request-id"] == "r1"
    (seen,) = llm.seen
    assert (seen.path, seen.json()) == ("/v1/chat/completions", HELLO | {"temperature": 0.5})


def test_a_stream_passes_byte_for_byte_as_it_comes() -> None:
    seen_first = threading.Event()
    # Line separators of Unicode are text like any other; a comment keeps the connection open.
    pieces = [b": ping\r\n\r\n", *sse(chunk("a\u2028b\x85"), chunk("ü"))]
    answer = Answer(pieces=pieces, before_last=lambda: seen_first.wait(5))
    come = b""
    with ScriptedLlm(answer) as llm, fronting(llm.url) as front, streaming(front) as reply:
        for piece in reply.iter_raw():
            come += piece
            seen_first.set()  # without the first pieces the last would not come
    assert come == b"".join(pieces).replace(b"\r\n\r\n", b"\n\n")
    assert reply.headers["content-type"] == "text/event-stream"


def test_token_ids_asked_for_by_the_server_alone_are_not_seen_by_the_client(sink_url: str) -> None:
    with FakeLlm() as llm, fronting(llm.url, collector=sink_url) as front:
        plain = ask(front).json()
        streamed = ask(front, stream=True).text
        asked = ask(front, return_token_ids=True, logprobs=True).json()
        whole = ask(front, stream=True, stream_options={"include_usage": True}).text
    assert llm.requests[0]["return_token_ids"] is llm.requests[0]["logprobs"] is True
    assert "prompt_token_ids" not in plain
    assert "token_ids" not in plain["choices"][0]
    assert plain["choices"][0]["logprobs"] is None
    assert '"token_ids"' not in streamed
    assert '"usage"' not in streamed
    assert "echo: h" in streamed
    assert llm.requests[1]["stream_options"] == {"include_usage": True}
    assert asked["choices"][0]["token_ids"]
    assert asked["choices"][0]["logprobs"]["content"]
    assert '"usage":' in whole


def test_a_server_told_to_show_token_ids_shows_them() -> None:
    with FakeLlm() as llm, fronting(llm.url, show_ids=True) as front:
        assert ask(front).json()["choices"][0]["token_ids"]


def test_an_upstream_that_knows_no_token_ids_is_asked_without_and_not_again(sink_url: str) -> None:
    with FakeLlm(strict=True) as llm, fronting(llm.url, collector=sink_url) as front:
        assert [ask(front).status_code for _ in range(3)] == [200] * 3
    assert ["return_token_ids" in request for request in llm.requests] == [True, False, False, False]


def test_what_an_upstream_refuses_of_the_client_s_own_is_the_client_s_to_see(sink_url: str) -> None:
    with FakeLlm() as llm, fronting(llm.url, collector=sink_url) as front:
        refused = ask(front, messages=[{"role": "user", "content": "fail:"}])
        assert ask(front).status_code == 200
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, "told to fail")
    assert ["return_token_ids" in request for request in llm.requests] == [True, False, True]


@pytest.mark.parametrize(
    "trouble",
    [Answer(503), Answer(500), Answer(0), Answer(body=REPLY, breaks=True), Answer(429, headers={"retry-after": "0.1"})],
    ids=["503", "500", "hangs up", "breaks off", "429"],
)
def test_an_upstream_that_fails_is_asked_again(trouble: Answer) -> None:
    with ScriptedLlm(trouble, trouble, Answer(body=REPLY)) as llm, fronting(llm.url) as front:
        assert ask(front).json() == REPLY
    assert len(llm.seen) == 3


def test_a_stream_that_breaks_before_its_first_piece_is_asked_for_again() -> None:
    broken, good = Answer(pieces=[], breaks=True), Answer(pieces=sse(chunk("a")))
    with ScriptedLlm(broken, good) as llm, fronting(llm.url) as front:
        assert "data: [DONE]" in ask(front, stream=True).text
    assert len(llm.seen) == 2


def test_a_stream_that_breaks_later_is_not_and_says_so() -> None:
    broken = Answer(pieces=sse(chunk("a"))[:1], breaks=True)
    with ScriptedLlm(broken) as llm, fronting(llm.url) as front, client_of(front) as client:
        stream = client.chat.completions.create(**HELLO, stream=True)
        assert next(stream).choices[0].delta.content == "a"
        with pytest.raises(openai.APIError, match="peer closed connection"):
            list(stream)
    assert len(llm.seen) == 1


def test_its_last_word_is_handed_on_when_it_goes_on_failing() -> None:
    refusal = {"error": {"message": "overloaded"}}
    with ScriptedLlm(Answer(503, refusal)) as llm, fronting(llm.url) as front:
        reply = ask(front)
    assert (reply.status_code, reply.json(), len(llm.seen)) == (503, refusal, 3)


def test_an_upstream_that_asks_for_more_patience_than_there_is_has_its_answer_handed_on() -> None:
    with ScriptedLlm(Answer(429, headers={"retry-after": "60"})) as llm, fronting(llm.url) as front:
        reply = ask(front)
    assert (reply.status_code, reply.headers["retry-after"], len(llm.seen)) == (429, "60", 1)


def test_an_upstream_that_is_not_there_is_one_line() -> None:
    with fronting("http://127.0.0.1:9/v1") as front:
        reply = ask(front)
    assert reply.status_code == 502
    message = reply.json()["error"]["message"]
    assert (
        message == "the upstream http://127.0.0.1:9/v1 does not answer: All connection attempts failed (asked 3 times)"
    )


def test_what_is_no_call_of_a_model_passes_unread() -> None:
    odd = Answer(201, b"\x00\xff", {"content-type": "application/octet-stream"})
    with ScriptedLlm(odd) as llm, fronting(llm.url) as front:
        reply = httpx.post(f"{front}/v1/files/a%2Fb?x=1&x=2", content=b"\x01\x02", headers={"x-own": "y"})
        httpx.get(f"{front}/v1/models")
        httpx.delete(f"{front}/rollout/r1/v1/models/m")
    assert (reply.status_code, reply.content, reply.headers["content-type"]) == (
        201, b"\x00\xff", "application/octet-stream",
    )  # fmt: skip
    assert [(one.method, one.path) for one in llm.seen] == [
        ("POST", "/v1/files/a%2Fb?x=1&x=2"),
        ("GET", "/v1/models"),
        ("DELETE", "/v1/models/m"),
    ]
    assert (llm.seen[0].body, llm.seen[0].headers["x-own"]) == (b"\x01\x02", "y")


def test_the_client_s_key_goes_to_the_upstream_unless_the_server_has_one() -> None:
    keyed = {"authorization": "Bearer client-key"}
    with ScriptedLlm(Answer(body=REPLY, headers={"set-cookie": "session=1"})) as llm:
        for key in (None, "server-key"):
            with fronting(llm.url, key=key) as front:
                for _ in range(2):
                    httpx.post(f"{front}/v1/chat/completions", json=HELLO, headers=keyed)
    assert [one.headers["authorization"] for one in llm.seen] == ["Bearer client-key"] * 2 + ["Bearer server-key"] * 2
    assert not any("cookie" in one.headers for one in llm.seen), "one client's cookie is not another's"


def test_the_policy_version_is_the_reply_s_own_else_the_server_s() -> None:
    with FakeLlm(policy_version=9) as versioned, FakeLlm() as silent:
        with fronting(versioned.url, policy_version="5") as front:
            assert ask(front).headers["x-leyden-policy-version"] == "9"
            assert ask(front, stream=True).headers["x-leyden-policy-version"] == "9"
        with fronting(silent.url, policy_version="5") as front:
            assert ask(front).headers["x-leyden-policy-version"] == "5"
            told = httpx.post(f"{front}/admin/policy_version", json={"policy_version": 6})
            assert (told.status_code, told.json()["policy_version"]) == (200, "6")
            assert ask(front, stream=True).headers["x-leyden-policy-version"] == "6"
        with fronting(silent.url) as front:
            assert "x-leyden-policy-version" not in ask(front).headers


def test_the_rollout_of_a_path_goes_on_to_an_upstream_that_records() -> None:
    with ScriptedLlm() as llm, fronting(llm.url) as front:
        httpx.post(f"{front}/rollout/r%2F1/group/g/attempt/2/v1/chat/completions", json=HELLO)
    headers = llm.seen[0].headers
    told = [headers.get(f"x-leyden-{name}") for name in ("rollout-id", "group-id", "attempt")]
    assert (llm.seen[0].path, told) == ("/v1/chat/completions", ["r/1", "g", "2"])


def test_a_client_that_goes_away_is_gone_for_the_upstream_too() -> None:
    with ScriptedLlm(Answer(pieces=sse(chunk("x" * 1000)) * 20_000)) as llm, fronting(llm.url) as front:
        with streaming(front) as reply:
            next(reply.iter_raw())
        assert llm.left.wait(5)


def test_the_openai_client_works_through_it() -> None:
    with FakeLlm() as llm, fronting(llm.url) as front, client_of(front) as client:
        whole = client.chat.completions.create(**HELLO)
        chunks = list(client.chat.completions.create(**HELLO, stream=True))
    assert (
        whole.choices[0].message.content == "".join(c.choices[0].delta.content or "" for c in chunks) == "echo: hello"
    )


def test_bodies_that_are_no_requests_are_refused_in_one_line() -> None:
    with ScriptedLlm() as llm, fronting(llm.url) as front:
        for body in (b"{", b"[]", b"\xff"):
            reply = httpx.post(f"{front}/v1/chat/completions", content=body)
            assert reply.status_code == 400
            assert "no JSON" in reply.json()["error"]["message"]
    assert llm.seen == []


def test_json_is_sent_on_with_the_same_numbers_and_letters() -> None:
    body = {**HELLO, "seed": 2**62 + 1, "temperature": 0.1 + 0.2, "user": "ü\u2028😀"}
    with ScriptedLlm() as llm, fronting(llm.url) as front:
        httpx.post(f"{front}/v1/chat/completions", content=json.dumps(body))
    assert llm.seen[0].json() == body
