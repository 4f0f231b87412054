"""Rollouts made by hand: a turn in one line, everything else at its plainest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leyden_exporters.formats import FORMATS
from leyden_store.turns import Dropped, Message, Reward, Rollout, Turn, Usage

PLAIN: dict[str, Any] = {
    "parent_span_id": "",
    "attempt": None,
    "session_id": "",
    "agent": None,
    "dialect": "genai",
    "provider": None,
    "model": None,
    "messages": (),
    "response": {"role": "assistant", "content": "…"},
    "tools": (),
    "finish_reason": "stop",
    "usage": Usage(),
    "cost": None,
    "params": {},
    "status": "ok",
    "rewards": {},
    "policy_version": None,
}


def turn(
    number: int,
    prompt: Sequence[int] | None = None,
    sampled: Sequence[int] | None = None,
    logprobs: Sequence[float] | str | None = "made up",
    **more: Any,
) -> Turn:
    """Turn `number` of its rollout: span `s<number>`, started at `number` nanoseconds unless said otherwise."""
    if isinstance(logprobs, str):
        logprobs = None if sampled is None else [-0.5 * (place + 1) for place in range(len(sampled))]
    fields = {
        "trace_id": "t",
        "span_id": f"s{number}",
        "rollout_id": "r",
        "group_id": "",
        "turn_index": number,
        "start_ns": number,
        "end_ns": number + 1,
        "prompt_token_ids": prompt,
        "response_token_ids": sampled,
        "response_logprobs": logprobs,
    }
    return Turn(**{**PLAIN, **fields, **more})


def rollout(
    turns: Sequence[Turn],
    *,
    rollout_id: str = "r",
    group_id: str = "",
    rewards: Mapping[str, float] | float | None = None,
    dropped: Sequence[Dropped] = (),
) -> Rollout:
    """A rollout of those turns; a bare number is its `reward`."""
    named = {} if rewards is None else {"reward": rewards} if isinstance(rewards, int | float) else rewards
    return Rollout(
        rollout_id=rollout_id,
        group_id=group_id,
        attempt=None,
        trace_ids=("t",),
        turns=tuple(turns),
        dropped=tuple(dropped),
        rewards=tuple(Reward(name, value) for name, value in named.items()),
    )


def single(rollout_id: str, group_id: str, reward: float | None, **more: Any) -> Rollout:
    """A rollout of one turn, to be scored."""
    only = turn(0, [1], [2], rollout_id=rollout_id, group_id=group_id, **more)
    return rollout([only], rollout_id=rollout_id, group_id=group_id, rewards=reward)


def said(role: str, content: str | None, **more: Any) -> Message:
    """A chat message."""
    return {"role": role, "content": content, **more}


def called(name: str, arguments: str, call_id: str = "call_1") -> Message:
    """An assistant message that calls a tool."""
    function = {"name": name, "arguments": arguments}
    return said("assistant", None, tool_calls=[{"id": call_id, "type": "function", "function": function}])


WAYS = [
    (name, suffix)
    for name, form in FORMATS.items()
    for suffix in (form.suffixes if form.rows is None else ("",))  # it makes a folder, whatever its rows can be
]
"""Every format, with each suffix that its `write` takes."""
