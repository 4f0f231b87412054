"""Requests that are none: each is refused in one line, and the server goes on."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leyden_trainers.policy_server.app import Front
from leyden_trainers.policy_server.policy import Policy
from leyden_trainers.policy_server.routes import model_app
from tests.support.tiny_policy import listening
from tests.trainers.policy_server.test_chat import QUESTION

GOOD = {"model": "tiny", "messages": QUESTION, "max_tokens": 2}


@pytest.fixture(scope="module")
def url(tiny: Path) -> Iterator[str]:
    policy = Policy(str(tiny))
    with listening(model_app(Front(policy, max_body=20_000), policy)) as served:
        yield served


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as made:
        yield made


def refusal(reply: httpx.Response) -> tuple[int, str]:
    message = reply.json()["error"]["message"]
    assert "\n" not in message
    return reply.status_code, message


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(url: str) -> None:
    large = json.dumps(GOOD | {"user": "x" * 30_000}).encode()

    def pieces() -> Iterator[bytes]:
        yield from (large[at : at + 1000] for at in range(0, len(large), 1000))

    said = "a request may have 0.0190735 MiB: send less, or serve with --max-body"
    for body in (large, pieces()):
        assert refusal(httpx.post(f"{url}/v1/chat/completions", content=body)) == (413, said)
    assert httpx.post(f"{url}/v1/chat/completions", json=GOOD).status_code == 200


def test_a_length_that_is_no_number_is_refused(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n")
        assert b" 400 " in raw.recv(1000).splitlines()[0]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"\xff\xfe", b"NaN"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/rollout/r/v1/completions"])
def test_what_is_no_json_object_is_refused(url: str, path: str, body: bytes) -> None:
    status, said = refusal(httpx.post(f"{url}{path}", content=body))
    assert (status, said[:14]) == (400, "the body is no")


def test_a_request_without_what_it_needs_says_what(url: str) -> None:
    assert refusal(httpx.post(f"{url}/v1/chat/completions", json={"messages": QUESTION})) == (
        400,
        "model: Field required",
    )
    assert refusal(httpx.post(f"{url}/v1/completions", json={"model": "x"})) == (400, "prompt: Field required")


@pytest.mark.parametrize("path", ["chat/completions", "completions"])
def test_half_a_character_is_refused(url: str, path: str) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "\ud83d"}], "prompt": "\ud83d"}
    status, said = refusal(httpx.post(f"{url}/v1/{path}", content=json.dumps(body)))
    assert (status, said) == (400, "the text holds what is no character: send valid Unicode")


@pytest.mark.parametrize("calls", [True, 1, "x", {"id": "x"}])
def test_tool_calls_that_are_no_list_are_refused(url: str, calls: object) -> None:
    body = {"model": "tiny", "messages": [{"role": "assistant", "content": None, "tool_calls": calls}]}
    assert refusal(httpx.post(f"{url}/v1/chat/completions", json=body)) == (400, "a message's tool_calls are a list")


def test_weights_are_not_swapped_by_a_page_in_a_browser(url: str) -> None:
    body = json.dumps({"path": "x", "policy_version": 1})
    reply = httpx.post(f"{url}/admin/load", content=body, headers={"content-type": "text/plain"})
    assert reply.status_code == 400


SCALARS = st.none() | st.booleans() | st.integers(-5, 20) | st.integers() | st.floats()
TEXTS = st.text(max_size=5) | st.just("\ud83d")
VALUES: st.SearchStrategy[Any] = st.deferred(
    lambda: SCALARS | TEXTS | st.lists(VALUES, max_size=3) | st.dictionaries(st.text(max_size=5), VALUES, max_size=3)
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "system", "developer", "x"]), "content": VALUES},
        optional={"tool_calls": VALUES, "tool_call_id": VALUES, "name": VALUES},
    ),
    max_size=3,
)
NAMES = ["max_tokens", "temperature", "top_p", "n", "seed", "stop", "stream", "stream_options", "logprobs", "tools"]
NAMES += ["top_logprobs", "return_token_ids", "tool_choice", "messages", "prompt", "logit_bias", "best_of", "echo"]


@given(
    path=st.sampled_from(["chat/completions", "completions"]),
    messages=MESSAGES | VALUES,
    prompt=st.text(max_size=5) | VALUES,
    more=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3),
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_request_is_answered_or_refused_and_never_breaks_the_server(
    client: httpx.Client, path: str, messages: Any, prompt: Any, more: dict[str, Any]
) -> None:
    body = {"model": "tiny", "messages": messages, "prompt": prompt, "max_tokens": 2} | more
    reply = client.post(f"/v1/{path}", content=json.dumps(body))
    assert reply.status_code in (200, 400), (body, reply.text)
    if reply.status_code == 400:
        refusal(reply)
