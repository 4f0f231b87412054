"""One collector whose store holds what the page must show well, and what must not get through it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import httpx
import pytest

from leyden_store.lightning import LightningStore
from leyden_store.otlp import encode_traces
from leyden_store.runs import Run, RunStatus
from leyden_store.spans import AttributeValue, Span
from tests.support.collector import Collector, ask
from tests.support.otlp_making import NOW_NS, chat, make

PAYLOAD = (
    "</script></pre></title>\"'><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
)
LARGE_TRACE, LARGE_ROLLOUT = f"{77:032x}", "large"
SPANS, TOKENS = 10_000, 100_000
RUN, HOSTILE_RUN = "20260101-000000-under-way", "20260101-000001-hostile"
IMAGE = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJRU5ErkJggg=="
)
GROUP = 3


@pytest.fixture(scope="session")
def page_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A running collector."""
    folder = tmp_path_factory.mktemp("page")
    with Collector(f"chdb://{folder}/store", folder) as up:
        for spans in (_group(), _hostile(), _large(), _image()):
            assert ask(f"{up.url}/v1/traces", encode_traces(spans)).status == 200
        rewards = [{"rollout_id": f"task/{n}", "value": n % 2, "name": "reward"} for n in range(GROUP)]
        rewards += [{"rollout_id": PAYLOAD, "value": 1, "name": PAYLOAD, "explanation": PAYLOAD, "label": PAYLOAD}]
        assert httpx.post(f"{up.url}/api/rewards", json=rewards).status_code == 200
        assert httpx.put(f"{up.url}/api/queries/shop", json={"where": "GroupId = 'task'"}).status_code == 200
        hostile = {"where": "GroupId != '<script>'", "description": PAYLOAD}
        assert httpx.put(f"{up.url}/api/queries/{quote(PAYLOAD, safe='')}", json=hostile).status_code in (200, 404)
        assert httpx.post(f"{up.url}/api/flush", timeout=60).status_code == 200
        with LightningStore.open(up.dsn) as store:  # through the collector, as `leyden train` does
            store.runs.start(Run(RUN, "trl-grpo", "models/tiny", query="shop", query_version=1, progress=0.5), [])
            store.runs.metrics(RUN, [(step, {"loss": 1.0 / step, "reward": 0.1 * step}) for step in range(1, 9)])
            store.runs.start(Run(HOSTILE_RUN, PAYLOAD, PAYLOAD, query=PAYLOAD, error=PAYLOAD), [])
            store.runs.metrics(HOSTILE_RUN, [(step, {PAYLOAD: 1.0}) for step in (1, 2)])
        yield up


@pytest.fixture(scope="session")
def page_url(page_up: Collector) -> str:
    """Its address."""
    return page_up.url


@pytest.fixture(scope="session")
def page_dsn(page_up: Collector) -> str:
    """Its store."""
    return page_up.dsn


@pytest.fixture
def under_way(page_dsn: str) -> str:
    """The run that is under way, heard of just now."""
    with LightningStore.open(page_dsn) as store:
        store.runs.beat(replace(store.runs.get(RUN), status=RunStatus.RUNNING, error=""))
    return RUN


def _in(spans: list[Span], rollout: str, group: str) -> list[Span]:
    named: dict[str, AttributeValue] = {"leyden.rollout.id": rollout, "leyden.group.id": group}
    return [replace(span, resource={**span.resource, "service.name": "shop", **named}) for span in spans]


def _group() -> list[Span]:
    """Three rollouts of a task: two turns with ids and logprobs each, the second going on from the first."""
    spans: list[Span] = []
    for n in range(GROUP):
        first = {"leyden.prompt_token_ids": [1, 2], "leyden.response_token_ids": [3, 4]}
        second = {"leyden.prompt_token_ids": [1, 2, 3, 4, 5], "leyden.response_token_ids": [6, 7]}
        logps = {"leyden.response_logprobs": [-0.01, -3.0]}
        tree = [
            make(1, trace=n + 1, name="shop assistant", at_ns=NOW_NS + n * 10**9),
            chat(2, trace=n + 1, parent=1, said=f"calling {n}", attributes=first | logps, at_ns=NOW_NS + n * 10**9),
            make(3, trace=n + 1, parent=1, name="execute_tool price", status="Error", at_ns=NOW_NS + n * 10**9),
            chat(4, trace=n + 1, parent=1, said=f"answer {n}", attributes=second | logps, at_ns=NOW_NS + n * 10**9),
        ]
        spans += _in(tree, f"task/{n}", "task")
    return spans


def _hostile() -> list[Span]:
    said = chat(2, trace=50, parent=1, attributes={
        PAYLOAD: PAYLOAD, "gen_ai.agent.name": PAYLOAD, "gen_ai.request.model": PAYLOAD, "session.id": PAYLOAD,
        "gen_ai.input.messages": _message("user", PAYLOAD), "gen_ai.output.messages": _message("assistant", PAYLOAD),
        "leyden.prompt_token_ids": [1], "leyden.response_token_ids": [2],
    })  # fmt: skip
    return _in([make(1, trace=50, name=PAYLOAD, status="Error", status_message=PAYLOAD), said], PAYLOAD, PAYLOAD)


def _message(role: str, text: str) -> str:
    image = {"type": "uri", "uri": "javascript:document.title='owned'", "modality": "image"}
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}, image], "finish_reason": "stop"}])


def _image() -> list[Span]:
    """A user shows a picture of two by two points."""
    shown = {"type": "blob", "mime_type": "image/png", "modality": "image", "content": IMAGE.partition(",")[2]}
    message = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "what is it"}, shown]}])
    return _in(
        [make(1, trace=60), chat(2, trace=60, parent=1, attributes={"gen_ai.input.messages": message})], "seen", ""
    )


def _large() -> list[Span]:
    ids = {"leyden.prompt_token_ids": list(range(TOKENS - 10)), "leyden.response_token_ids": list(range(10))}
    turn = chat(2, trace=77, parent=1, attributes=ids)
    rest = [make(n, trace=77, parent=n // 10 or 1, name=f"step {n}") for n in range(3, SPANS + 1)]
    return _in([make(1, trace=77, name="large"), turn, *rest], LARGE_ROLLOUT, "")
