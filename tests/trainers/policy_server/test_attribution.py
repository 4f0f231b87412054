"""Agent → Lightning Server → collector → store: a call is one turn of its rollout, however the agent is recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from leyden.demo.agent import SYSTEM, TOOLS, call_tool
from leyden.exporting import export
from leyden_exporters.options import Options
from leyden_instrumentation import environment
from leyden_store.lightning import LightningStore
from leyden_store.turns import Rollout
from tests.support.collector import Collector
from tests.support.tiny_policy import Served, serving

AGENT = """
import json, sys
from openai import OpenAI
from leyden.demo.agent import SYSTEM, TOOLS, call_tool

def loop(streamed):
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "how heavy is the lamp"}]
    for seed in range(5):
        asked = dict(model="tiny", messages=messages, tools=TOOLS, max_tokens=24, seed=seed)
        with OpenAI() as client:
            if streamed:
                with client.chat.completions.stream(**asked) as events:
                    reply = events.get_final_completion()
            else:
                reply = client.chat.completions.create(**asked)
        message = reply.choices[0].message
        messages.append({k: v for k, v in message.model_dump(exclude_none=True).items() if k != "parsed"})
        if not message.tool_calls:
            return
        for call in message.tool_calls:
            result = call_tool(call.function.name, call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})

loop(False)
loop(True)
"""
KINDS = ("traceloop", "genai", "openinference")


@dataclass
class Recorded:
    """The rollouts of the agents below, by id; what one of them was told; and the trajectories that were exported."""

    rollouts: dict[str, Rollout]
    replies: list[dict[str, Any]]
    trajectories: list[dict[str, Any]]


@pytest.fixture(scope="module")
def recorded(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("attribution")
    with Collector(f"chdb://{folder / 'store'}", folder) as collector:
        with serving(tiny, collector=collector.url, policy_version="7") as served:
            running = [start(served, collector.url, kind) for kind in KINDS]
            replies = curled(served, "/rollout/curl/group/g/attempt/1")
            assert [process.wait(60) for process in running] == [0, 0, 0]
        assert collector.flush().status == 200
        with LightningStore.open(collector.dsn) as store:
            rollouts = {rollout.rollout_id: rollout for rollout in store.rollouts()}
            out = folder / "trajectories.jsonl"
            export(store, store.select(), form="trajectories", out=out, options=Options())
    return Recorded(rollouts, replies, [json.loads(line) for line in out.read_text().splitlines()])


def curled(served: Served, path: str) -> list[dict[str, Any]]:
    """An agent in another language: nothing in it knows of Leyden but the base URL it was given."""
    url = served.url.removesuffix("/v1") + path + "/v1/chat/completions"
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "how heavy is the lamp"}]
    replies = []
    for streamed in (False, True, False):
        body = {"model": "tiny", "messages": messages, "tools": TOOLS, "seed": len(replies), "stream": streamed}
        command = ["curl", "-sS", "--fail", url, "-H", "content-type: application/json", "-d", json.dumps(body)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        message = summed(said) if streamed else json.loads(said)["choices"][0]["message"]
        replies.append(message)
        messages.append(message)
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": call_tool(**call["function"])}
            for call in message.get("tool_calls", ())
        ]
    return replies


def summed(stream: str) -> dict[str, Any]:
    """The message of a stream."""
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    calls = [
        {k: v for k, v in call.items() if k != "index"} for delta in deltas for call in delta.get("tool_calls", ())
    ]
    content = "".join(delta.get("content", "") for delta in deltas)
    return {"role": "assistant", "content": content or None} | ({"tool_calls": calls} if calls else {})


def start(served: Served, collector: str, kind: str) -> subprocess.Popen[bytes]:
    """An agent that is recorded itself."""
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "LEYDEN_"))}
    env = environment(bare, endpoint=collector, rollout_id=kind, group_id="g", attempt=2)
    env |= {"OPENAI_BASE_URL": served.url, "OPENAI_API_KEY": "none", "LEYDEN_OPENAI_INSTRUMENTATION": kind}
    return subprocess.Popen([sys.executable, "-c", AGENT], env=env)


def test_an_agent_that_records_nothing_is_a_rollout_with_every_turn(recorded: Recorded) -> None:
    rollout = recorded.rollouts["curl"]
    assert (rollout.group_id, rollout.attempt, len(rollout.trace_ids)) == ("g", 1, 1)
    assert [turn.response for turn in rollout.turns] == recorded.replies
    for turn in rollout.turns:
        assert turn.policy_version == "7"
        assert turn.prompt_token_ids
        assert len(turn.response_token_ids or ()) == len(turn.response_logprobs or ()) > 0
    assert not rollout.dropped


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_that_is_recorded_too_has_each_turn_once(recorded: Recorded, kind: str) -> None:
    rollout = recorded.rollouts[kind]
    assert (rollout.group_id, rollout.attempt, len(rollout.trace_ids)) == ("g", 2, 1)
    assert not [dropped for dropped in rollout.dropped if dropped.reason.value != "doubled"]
    assert len(rollout.dropped) == len(rollout.turns), "the agent's span and the server's, of each call"
    half = len(rollout.turns) // 2
    assert half >= 2
    whole, streamed = rollout.turns[:half], rollout.turns[half:]
    for one, other in zip(whole, streamed, strict=True):
        assert one.response_token_ids == other.response_token_ids
        # Calls that agents make at once share a batch, and a product of matrices rounds by the batch's size.
        assert one.response_logprobs == pytest.approx(other.response_logprobs, rel=1e-4, abs=1e-7)
        assert one.prompt_token_ids == other.prompt_token_ids
        assert (one.policy_version, one.status) == ("7", "ok")
        assert one.response is not None
        assert other.response is not None
        assert one.response["content"] == other.response["content"]


@pytest.mark.parametrize("rollout_id", ["curl", *KINDS])
def test_every_sampled_token_is_trained_exactly_once(recorded: Recorded, rollout_id: str) -> None:
    rows = [row for row in recorded.trajectories if row["rollout_id"] == rollout_id]
    trained = [token for row in rows for token, mask in zip(row["input_ids"], row["loss_mask"], strict=True) if mask]
    sampled = [token for turn in recorded.rollouts[rollout_id].turns for token in turn.response_token_ids or ()]
    assert sorted(trained) == sorted(sampled)
    assert all(row["policy_version"] == "7" for row in rows)
