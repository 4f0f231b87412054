"""Prompts over HTTP: fetched by label or version, cached by ETag, with any key; changed with a key that may write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import leyden
from leyden_instrumentation import prompt_fetching
from tests.support.collector import Answer, Collector, ask


def put(url: str, path: str, body: dict[str, Any], **headers: Any) -> Answer:
    data = json.dumps(body).encode()
    return ask(f"{url}/api/prompts/{path}", data, method="PUT", content_type="application/json", **headers)


@pytest.fixture(scope="module", autouse=True)
def saved(collector: Collector) -> None:
    for text in ("Answer {{customer}}.", "Answer {{customer}} kindly.", "Ask {{customer}} first."):
        assert put(collector.url, "support", {"text": text}).status == 200
    assert put(collector.url, "support/labels/trial", {"version": 3}).status == 200


def test_a_prompt_is_found_by_label_or_version(collector: Collector) -> None:
    base = f"{collector.url}/api/prompts/support"
    answers = [ask(base), ask(f"{base}?version=2"), ask(f"{base}?label=trial")]
    assert [one.json()["version"] for one in answers] == [1, 2, 3]
    told = answers[0].json()
    assert (told["text"], told["variables"], told["labels"]) == ("Answer {{customer}}.", ["customer"], ["production"])
    missing = ask(f"{base}?label=nowhere")
    assert (missing.status, missing.json()["error"]["code"]) == (404, "prompt_not_found")
    assert [item["version"] for item in ask(f"{base}/versions").json()["items"]] == [3, 2, 1]
    assert [item["name"] for item in ask(f"{collector.url}/api/prompts").json()["items"]] == ["support"]


def test_what_has_not_changed_is_not_sent_again(collector: Collector) -> None:
    url = f"{collector.url}/api/prompts/support?label=moving"
    put(collector.url, "support/labels/moving", {"version": 1})
    first = ask(url)
    again = ask(url, If_None_Match=f'"other", W/{first.headers["etag"]}')
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    put(collector.url, "support/labels/moving", {"version": 2})
    moved = ask(url, If_None_Match=first.headers["etag"])
    assert (moved.status, moved.json()["version"]) == (200, 2)


def test_a_prompt_that_cannot_be_is_refused_in_words(collector: Collector) -> None:
    refused = put(collector.url, "no%20name", {"text": "a"})
    assert (refused.status, refused.json()["error"]["code"]) == (400, "prompt_invalid")
    assert put(collector.url, "support", {"text": ""}).status == 422
    assert put(collector.url, "support/labels/2", {"version": 1}).status == 400
    assert put(collector.url, "support/labels/trial", {"version": 99}).status == 404


def test_a_deleted_prompt_is_not_there(collector: Collector) -> None:
    put(collector.url, "gone", {"text": "a"})
    assert ask(f"{collector.url}/api/prompts/gone", method="DELETE").status == 204
    assert ask(f"{collector.url}/api/prompts/gone").status == 404


def test_agents_fetch_what_a_label_names_and_see_it_move(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setattr(prompt_fetching, "cache", prompt_fetching.Cache())
    put(collector.url, "support/labels/agents", {"version": 2})
    assert leyden.prompt("support", label="agents", ttl=0).fill(customer="Ann") == "Answer Ann kindly."
    put(collector.url, "support/labels/agents", {"version": 3})
    assert leyden.prompt("support", label="agents", ttl=60).version == 2
    assert leyden.prompt("support", label="agents", ttl=0).version == 3
    with pytest.raises(leyden.PromptUnavailable, match="no prompt is called 'suport'; did you mean support"):
        leyden.prompt("suport")


ADMIN: dict[str, Any] = {"Authorization": "Bearer master"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    folder = tmp_path_factory.mktemp("guarded")
    env = {"LEYDEN_TOKEN": "master"}
    with Collector(f"chdb://{folder}/store", folder, "--require-keys", "--open-ingest", env=env) as running:
        put(running.url, "support", {"text": "a"}, **ADMIN)
        yield running


def test_an_agents_key_reads_prompts_and_nothing_else(guarded: Collector) -> None:
    def key(*scopes: str, project: str = "") -> dict[str, Any]:
        body = json.dumps({"name": "k", "scopes": scopes, "project": project}).encode()
        made = ask(f"{guarded.url}/api/keys", body, content_type="application/json", **ADMIN)
        return {"X_API_Key": made.json()["key"]}

    url = f"{guarded.url}/api/prompts/support"
    for allowed in (key("ingest"), key("ingest", project="ours"), key("read")):
        assert ask(url, **allowed).status == 200
    assert ask(url).status == 401, "who may send without a key may not read"
    assert ask(url, **key("write")).status == 403
    sender = key("ingest")
    assert ask(f"{guarded.url}/api/prompts", **sender).status == 403
    assert ask(f"{url}/versions", **sender).status == 403
    assert put(guarded.url, "support", {"text": "b"}, **sender).status == 403
    assert put(guarded.url, "support", {"text": "b"}, **key("write", project="ours")).status == 403
    assert put(guarded.url, "support", {"text": "b"}, **key("write")).status == 200


def test_an_agent_shows_the_key_its_exporter_shows(guarded: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_fetching, "cache", prompt_fetching.Cache())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", guarded.url)
    with pytest.raises(leyden.PromptUnavailable, match="needs a key"):
        leyden.prompt("support")
    monkeypatch.setattr(prompt_fetching, "cache", prompt_fetching.Cache())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20master")
    assert leyden.prompt("support").version == 1
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4317")  # spans by gRPC
    monkeypatch.setenv("LEYDEN_API_URL", guarded.url)
    assert leyden.prompt("support").version == 1
