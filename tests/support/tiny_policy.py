"""The demo's tiny policy, made once a test session, served over real HTTP, and rolled out on the demo's tasks."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import openai
import torch
import uvicorn

from leyden.demo.agent import SYSTEM, TOOLS, call_tool
from leyden.demo.model import build_model
from leyden.demo.tasks import Task, reward
from leyden_store.listening import bound
from leyden_store.turns import Reward, Rollout, Turn, Usage
from leyden_trainers.models import load_model, load_tokenizer
from leyden_trainers.policy_server.app import Front
from leyden_trainers.policy_server.policy import Policy
from leyden_trainers.policy_server.recording import recorder_for
from leyden_trainers.policy_server.routes import model_app


@functools.cache
def tiny_policy(seed: int = 0) -> Path:
    """A folder with the model; removed when the session ends. To be read only."""
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="leyden-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build_model(folder / "tiny", seed)


def changed(model: Path, folder: Path, *, by: float = 0.05) -> Path:
    """Another policy with the same tokenizer: the model with noise on its weights."""
    other = load_model(str(model))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in other.parameters():
            weight += by * torch.randn(weight.shape, generator=generator)
    other.save_pretrained(folder)
    load_tokenizer(str(model)).save_pretrained(folder)
    return folder


@dataclass(frozen=True, slots=True)
class Served:
    """A policy that answers at `url`, in a thread of this process."""

    policy: Policy
    url: str

    def client(self) -> openai.OpenAI:
        """To be closed by the caller."""
        return openai.OpenAI(base_url=self.url, api_key="none", max_retries=0)


@contextmanager
def serving(model: Path, *, collector: str | None = None, show_ids: bool = False, **options: Any) -> Iterator[Served]:
    """Serve the model, recorded where a collector is given; `options` are Policy's."""
    policy = Policy(str(model), **options)
    front = Front(policy, recorder_for(collector, policy) if collector else None, show_ids=show_ids)
    with listening(model_app(front, policy)) as url:
        yield Served(policy, f"{url}/v1")


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """Serve an application in a thread; gives its URL."""
    listener = bound("127.0.0.1", 0)
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@dataclass(frozen=True, slots=True)
class Played:
    """A rollout of the demo's agent's conversation, and the texts the assistant gave, as the server told them."""

    task: Task
    rollout: Rollout
    replies: tuple[dict[str, Any], ...]
    output: str

    def rewarded(self, value: float) -> Rollout:
        """The rollout with that reward instead."""
        return replace(self.rollout, rewards=(Reward("reward", value),))

    @property
    def reward(self) -> float:
        """What the output earns."""
        return reward(self.task, self.output)


def play(served: Served, tasks: Sequence[Task], *, concurrency: int = 16) -> list[Played]:
    """One rollout a task, over HTTP, in threads; turns as a store would give them, grouped by task."""
    with served.client() as client, ThreadPoolExecutor(concurrency) as pool:
        return list(pool.map(lambda numbered: _play(client, served.policy.name, *numbered), enumerate(tasks)))


def _play(client: openai.OpenAI, model: str, number: int, task: Task) -> Played:
    rollout_id = f"r{number:04d}"
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": task.input}]
    turns: list[Turn] = []
    replies: list[dict[str, Any]] = []
    while len(turns) < 4 and (not replies or replies[-1].get("tool_calls")):
        completion = client.chat.completions.create(
            model=model,
            messages=messages,
            tools=TOOLS,
            max_tokens=24,
            seed=8 * number + len(turns),
            logprobs=True,
            extra_body={"return_token_ids": True},
        )
        whole = completion.model_dump(exclude_none=True)
        reply = {key: whole["choices"][0]["message"].get(key) for key in ("role", "content", "tool_calls")}
        turns.append(_turn(rollout_id, task, len(turns), list(messages), whole))
        replies.append(reply)
        messages.append(reply)
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": call_tool(**call["function"])}
            for call in reply["tool_calls"] or []
        ]
    output = replies[-1]["content"] or ""
    earned = (Reward("reward", reward(task, output)),)
    made = Rollout(rollout_id, task.id, 0, (rollout_id,), tuple(turns), (), earned)
    return Played(task, made, tuple(replies), output)


def _turn(rollout_id: str, task: Task, index: int, messages: list[Any], whole: dict[str, Any]) -> Turn:
    choice = whole["choices"][0]
    return Turn(
        trace_id=rollout_id,
        span_id=f"{rollout_id}-{index}",
        parent_span_id="",
        rollout_id=rollout_id,
        group_id=task.id,
        attempt=0,
        session_id="",
        turn_index=index,
        agent=None,
        dialect="genai",
        provider=None,
        model=whole["model"],
        messages=messages,
        response=choice["message"],
        tools=TOOLS,
        finish_reason=choice["finish_reason"],
        usage=Usage(),
        cost=None,
        params={},
        start_ns=index,
        end_ns=index + 1,
        status="ok",
        rewards={},
        policy_version=whole["policy_version"],
        prompt_token_ids=whole["prompt_token_ids"],
        response_token_ids=choice["token_ids"],
        response_logprobs=[token["logprob"] for token in choice["logprobs"]["content"]],
    )
