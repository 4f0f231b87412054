"""Which servers are asked for token ids, and what is learned from their answers."""

from __future__ import annotations

import pytest

from leyden_instrumentation import settings, token_fields
from leyden_instrumentation.token_fields import Servers, is_private, with_fields

CHAT = "/chat/completions"
LOCAL, PUBLIC = ("localhost", "http://localhost/v1/"), ("api.openai.com", "https://api.openai.com/v1/")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "10.2.3.4", "192.168.0.9", "vllm", "gpu.local", "llm.prod.svc"]
)
def test_private_hosts_are_asked(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize(
    "host", ["api.openai.com", "x.openai.azure.com", "openrouter.ai", "8.8.8.8", "localhost.evil.com"]
)
def test_public_hosts_are_not(host: str) -> None:
    assert not is_private(host)


def test_only_what_the_program_leaves_open_is_added() -> None:
    body = {"messages": [], "logprobs": False}
    asking = with_fields(CHAT, *LOCAL, body, None)
    assert asking is not None
    assert (dict(asking), asking.added) == (body | {"return_token_ids": True}, frozenset({"return_token_ids"}))
    assert body == {"messages": [], "logprobs": False}
    assert with_fields(CHAT, *LOCAL, body, {"return_token_ids": False}) is None
    assert with_fields("/embeddings", *LOCAL, {}, None) is None
    assert with_fields(CHAT, *PUBLIC, {}, None) is None


@pytest.mark.parametrize(
    ("mode", "content", "private", "public"),
    [("on", "true", True, True), ("off", "true", False, False), ("auto", "false", False, False), ("", "", True, False)],
)
def test_the_switch_decides(
    mode: str, content: str, private: bool, public: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEYDEN_TOKEN_IDS", mode)
    monkeypatch.setenv("LEYDEN_CAPTURE_CONTENT", content)
    monkeypatch.setattr(token_fields, "_mode", settings.token_ids_mode)  # which a process asks once
    assert (with_fields(CHAT, *LOCAL, {}, None) is not None) is private
    assert (with_fields(CHAT, *PUBLIC, {}, None) is not None) is public


def test_a_server_that_answers_only_without_the_fields_is_not_asked_again() -> None:
    servers = Servers()
    assert servers.refused("u", asked=True)
    servers.answered("u", asked=False)
    assert not servers.wants("u")
    assert servers.wants("another")


def test_a_request_that_is_wrong_either_way_teaches_nothing() -> None:
    servers = Servers()
    assert servers.refused("u", asked=True)
    assert not servers.refused("u", asked=False)
    assert servers.wants("u")


def test_a_server_that_once_took_the_fields_is_believed_when_it_refuses() -> None:
    servers = Servers()
    servers.answered("u", asked=True)
    assert not servers.refused("u", asked=True)
    assert servers.wants("u")
