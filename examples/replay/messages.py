"""Anthropic's messages API, whole and as its stream of events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from examples.replay.rules import Reply, Rules, pieces, text_of


def answer(body: dict[str, Any], rules: Rules, number: int) -> Reply:
    last = text_of(body["messages"][-1]["content"])
    return rules.reply(last, [tool["name"] for tool in body.get("tools") or ()], number)


def whole(body: dict[str, Any], reply: Reply, number: int) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": reply.text}] if reply.text else []
    content += [
        {"type": "tool_use", "id": call.call_id, "name": call.name, "input": json.loads(call.arguments)}
        for call in reply.calls
    ]
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": "tool_use" if reply.calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 20, "output_tokens": 9},
    }


def streamed(body: dict[str, Any], reply: Reply, number: int) -> Iterator[dict[str, Any]]:
    done = whole(body, reply, number)
    arguments = {call.call_id: call.arguments for call in reply.calls}
    begun = {"content": [], "stop_reason": None, "usage": {"input_tokens": 20, "output_tokens": 1}}
    yield {"type": "message_start", "message": done | begun}
    for index, block in enumerate(done["content"]):
        is_text = block["type"] == "text"
        opened = block | ({"text": ""} if is_text else {"input": {}})
        yield {"type": "content_block_start", "index": index, "content_block": opened}
        for piece in pieces(block["text"] if is_text else arguments[block["id"]]):
            delta = {"type": "text_delta", "text": piece}
            if not is_text:
                delta = {"type": "input_json_delta", "partial_json": piece}
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {"stop_reason": done["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": 9}}
    yield {"type": "message_stop"}
