"""OpenAI's responses API, whole and as its stream of events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from examples.replay.rules import Reply, Rules, pieces, text_of


def answer(body: dict[str, Any], rules: Rules, number: int) -> Reply:
    asked = body["input"]
    last = asked if isinstance(asked, str) else text_of(asked[-1])
    return rules.reply(last, [tool["name"] for tool in body.get("tools") or () if "name" in tool], number)


def whole(body: dict[str, Any], reply: Reply, number: int) -> dict[str, Any]:
    output: list[dict[str, Any]] = []
    if reply.text:
        part = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
        output.append(
            {
                "type": "message",
                "id": f"msg_{number}",
                "status": "completed",
                "role": "assistant",
                "content": [part],
            }
        )
    output += [
        {
            "type": "function_call",
            "id": f"fc_{call.call_id}",
            "call_id": call.call_id,
            "name": call.name,
            "arguments": call.arguments,
            "status": "completed",
        }
        for call in reply.calls
    ]
    usage = {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 29,
    }
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": body["model"],
        "output": output,
        "tools": body.get("tools") or [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "usage": usage,
    }


def streamed(body: dict[str, Any], reply: Reply, number: int) -> Iterator[dict[str, Any]]:
    done = whole(body, reply, number)
    started = done | {"status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": started}]
    for index, item in enumerate(done["output"]):
        where = {"output_index": index, "item_id": item["id"]}
        events.append(_event("response.output_item.added", output_index=index, item=_opened(item)))
        if item["type"] == "message":
            events += [
                _event("response.output_text.delta", **where, content_index=0, delta=piece, logprobs=[])
                for piece in pieces(reply.text)
            ]
        else:
            events += [
                _event("response.function_call_arguments.delta", **where, delta=piece)
                for piece in pieces(item["arguments"])
            ]
        events.append(_event("response.output_item.done", output_index=index, item=item))
    events.append({"type": "response.completed", "response": done})
    for sequence, event in enumerate(events):
        yield event | {"sequence_number": sequence}


def _event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def _opened(item: dict[str, Any]) -> dict[str, Any]:
    empty: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
    return item | empty | {"status": "in_progress"}
