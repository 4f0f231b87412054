"""Streams of the policy server: token by token, and in sum what a whole reply says."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch

from leyden.demo.agent import TOOLS
from tests.support.tiny_policy import Served, changed, serving
from tests.trainers.policy_server.test_chat import IDS, QUESTION, recomputed

USAGE = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with served.client() as made:
        yield made


def ask(client: Any, **more: Any) -> Any:
    return client.chat.completions.create(**{"model": "tiny", "messages": QUESTION, "tools": TOOLS, "seed": 3, **more})


def summed(chunks: list[Any]) -> dict[int, dict[str, Any]]:
    """What the chunks add up to, by choice."""
    found: dict[int, dict[str, Any]] = defaultdict(
        lambda: {"content": "", "calls": [], "ids": [], "logprobs": [], "finish": None}
    )
    for part in (choice for chunk in chunks for choice in chunk.choices):
        one = found[part.index]
        assert one["finish"] is None, "nothing comes after the end"
        one["content"] += part.delta.content or ""
        one["calls"] += [(call.function.name, call.function.arguments) for call in part.delta.tool_calls or ()]
        one["ids"] += getattr(part, "token_ids", None) or []
        one["logprobs"] += [token.logprob for token in (part.logprobs.content if part.logprobs else ())]
        one["finish"] = part.finish_reason
    return dict(found)


def of_whole(reply: Any) -> dict[int, dict[str, Any]]:
    return {
        choice.index: {
            "content": choice.message.content or "",
            "calls": [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()],
            "ids": getattr(choice, "token_ids", []),
            "logprobs": [token.logprob for token in (choice.logprobs.content if choice.logprobs else ())],
            "finish": choice.finish_reason,
        }
        for choice in reply.choices
    }


@pytest.mark.parametrize(
    "asked",
    [
        {},
        IDS,
        {"n": 3, **IDS},
        {"tools": openai.NOT_GIVEN, **IDS},
        {"stop": ['"arguments"'], **IDS},
        {"stop": ["nowhere", "i"], "tools": openai.NOT_GIVEN, "n": 4, "temperature": 2.0, **IDS},
        {"max_tokens": 3, **IDS},
        {"temperature": 2.0, "n": 8, "max_tokens": 30, **IDS},
    ],
    ids=["plain", "ids", "n", "no tools", "stop", "stop in text", "cut", "wild"],
)
def test_a_stream_adds_up_to_the_whole_reply_of_its_seed(client: openai.OpenAI, asked: dict[str, Any]) -> None:
    whole = ask(client, **asked)
    chunks = list(ask(client, **asked, **USAGE))
    # Which others a token was sampled beside shows in a logprob's last digits.
    streamed, replied = summed(chunks), of_whole(whole)
    for index, one in replied.items():
        assert streamed[index].pop("logprobs") == pytest.approx(one.pop("logprobs"), abs=1e-5)
    assert streamed == replied
    assert chunks[-1].usage == whole.usage
    assert {chunk.policy_version for chunk in chunks} == {"7"}
    assert getattr(chunks[0], "prompt_token_ids", None) == getattr(whole, "prompt_token_ids", None)
    assert len({chunk.id for chunk in chunks}) == 1


def test_an_asynchronous_client_gets_the_same(client: openai.OpenAI, served: Served) -> None:
    async def stream() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0) as made:
            return [chunk async for chunk in await ask(made, stream=True, **IDS)]

    assert summed(asyncio.run(stream())) == of_whole(ask(client, **IDS))


def test_the_openai_client_s_own_accumulator_reads_it(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="tiny", messages=QUESTION, tools=TOOLS, seed=3) as events:  # type: ignore[arg-type]
        message = events.get_final_completion().choices[0].message
    (call,) = message.tool_calls or ()
    (expected,) = of_whole(ask(client))[0]["calls"]
    assert (call.function.name, call.function.arguments) == expected


def test_tokens_are_sent_as_they_are_sampled(client: openai.OpenAI) -> None:
    ids = [len(getattr(c.choices[0], "token_ids", [])) for c in ask(client, stream=True, **IDS)]
    assert max(ids) == 1, "a chunk a token"


def test_the_first_words_come_before_the_last_are_sampled(tiny: Path) -> None:
    with serving(tiny) as served, served.client() as client:
        slow = served.policy.engine._extend

        def slower(*token: Any) -> None:
            time.sleep(0.02)
            slow(*token)

        served.policy.engine._extend = slower  # type: ignore[method-assign]
        begun = time.monotonic()
        came = [
            time.monotonic() - begun for _ in ask(client, stream=True, max_tokens=40, tools=openai.NOT_GIVEN, **IDS)
        ]
    assert came[1] < came[-1] / 2


def test_a_stop_text_is_never_seen_not_even_in_part(client: openai.OpenAI) -> None:
    whole = of_whole(ask(client, tools=openai.NOT_GIVEN))[0]["content"]
    for start in range(1, len(whole) - 3, 3):
        stop = whole[start : start + 4]
        said = ""
        for chunk in ask(client, tools=openai.NOT_GIVEN, stop=[stop], stream=True):
            said += chunk.choices[0].delta.content or ""
            assert whole.startswith(said)
            assert len(said) <= whole.index(stop)
        assert said == whole[: whole.index(stop)]


def test_a_client_that_goes_away_ends_the_sampling(tiny: Path) -> None:
    with serving(tiny) as served:
        body = {"model": "tiny", "messages": QUESTION, "stream": True, "n": 8, "temperature": 2.0, "max_tokens": 200}
        engine = served.policy.engine
        engine._end_ids = frozenset()  # nothing but leaving ends these
        with httpx.stream("POST", f"{served.url}/chat/completions", json=body) as reply:
            next(reply.iter_bytes())
            assert len(engine._running) == 8
        assert until(lambda: not engine._running)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{served.url}/chat/completions", json=body | {"stream": False, "n": 64}, timeout=0.1)
        assert until(lambda: not engine._running and not engine._waiting)
        assert served.policy.health()["policy_version"] == "0"


def test_weights_are_swapped_under_load_and_no_stream_is_dropped_or_mixed(tiny: Path, tmp_path: Path) -> None:
    folders = {"0": tiny, "1": changed(tiny, tmp_path / "1"), "2": changed(tiny, tmp_path / "2", by=0.1)}
    with serving(tiny) as served, served.client() as client, ThreadPoolExecutor(12) as pool:

        def one(seed: int) -> tuple[str, list[int], dict[str, Any]]:
            if seed % 2:
                reply = ask(client, seed=seed, **IDS)
                return reply.policy_version, reply.prompt_token_ids, of_whole(reply)[0]
            chunks = list(ask(client, seed=seed, stream=True, **IDS))
            (version,) = {chunk.policy_version for chunk in chunks}
            return version, chunks[0].prompt_token_ids, summed(chunks)[0]

        replies = [pool.submit(one, seed) for seed in range(150)]
        admin = served.url.removesuffix("/v1") + "/admin/load"
        for version in ("1", "2"):
            while sum(reply.done() for reply in replies) < 40 * int(version):
                time.sleep(0.01)
            loaded = httpx.post(admin, json={"path": str(folders[version]), "policy_version": version}, timeout=60)
            assert loaded.status_code == 200
        told = [reply.result() for reply in replies]
    assert {version for version, _, _ in told} == {"0", "1", "2"}
    assert all(one["finish"] in ("tool_calls", "stop", "length") for _, _, one in told)
    for version, prompt, choice in told[:: len(told) // 12]:
        expected = recomputed(folders[version], prompt, choice["ids"])
        torch.testing.assert_close(torch.tensor(choice["logprobs"]), expected, atol=1e-4, rtol=0)


def test_a_stream_that_cannot_begin_is_an_ordinary_refusal(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        ask(client, model="gpt-9", stream=True)


def test_a_stream_that_breaks_says_so_as_an_event(tiny: Path) -> None:
    with serving(tiny) as served, served.client() as client:
        stream = ask(client, stream=True)
        next(stream)
        served.policy.engine._step = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]
        with pytest.raises(openai.APIError, match="division by zero"):
            list(stream)


def test_what_is_on_the_wire_are_server_sent_events(served: Served) -> None:
    body = {"model": "tiny", "messages": QUESTION, "stream": True, "max_tokens": 4}
    reply = httpx.post(f"{served.url}/chat/completions", json=body)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["x-leyden-policy-version"] == "7"
    *events, done, last = reply.text.split("\n\n")
    assert (done, last) == ("data: [DONE]", "")
    assert {json.loads(one.removeprefix("data: "))["object"] for one in events} == {"chat.completion.chunk"}


def until(condition: Any, timeout: float = 10.0) -> bool:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False
