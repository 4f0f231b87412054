"""Tool calls and their results joined by order, where a capture wrote two ids for one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leyden_store.turns import Message


def join_tool_ids(messages: Sequence[Message]) -> tuple[list[Message], dict[str, str]]:
    """Give calls the ids their results name, by order, where a capture wrote two different ids for one call.

    Touches only calls that no result names, and only while as many results name no call. Gives the messages and what
    was renamed: id as captured → id as joined.
    """
    result = list(messages)
    renamed: dict[str, str] = {}
    for at, current in enumerate(result):
        calls = current.get("tool_calls")
        if not calls:
            continue
        until = at + 1
        while until < len(result) and result[until]["role"] == "tool":
            until += 1
        answered = [answer["tool_call_id"] for answer in result[at + 1 : until]]
        known = {call["id"] for call in calls}
        loose = [call_id for call_id in answered if call_id not in known]
        open_calls = [call["id"] for call in calls if call["id"] not in answered]
        if loose and len(loose) <= len(open_calls):
            renamed |= dict(zip(open_calls, loose, strict=False))
            result[at] = rename_tool_calls(current, renamed)
    return result, renamed


def rename_tool_calls(spoken: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """The message with its tool calls' ids replaced where `ids` says by what."""
    return {**spoken, "tool_calls": [{**call, "id": ids.get(call["id"], call["id"])} for call in spoken["tool_calls"]]}
