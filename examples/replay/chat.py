"""OpenAI's chat completions, whole and streamed, with token ids and logprobs for those who ask as vLLM has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from examples.replay.rules import Reply, Rules, ids_of, pieces, text_of


def answer(body: dict[str, Any], rules: Rules, number: int) -> Reply:
    tools = [tool["function"]["name"] for tool in body.get("tools") or ()]
    return rules.reply(text_of(body["messages"][-1].get("content")), tools, number)


def whole(body: dict[str, Any], reply: Reply, number: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.calls:
        message["tool_calls"] = [_call(call) for call in reply.calls]
    choice = {"index": 0, "message": message, "finish_reason": _reason(reply)} | _tokens(body, _sampled(reply))
    head = _head(body, number, "chat.completion")
    return head | _prompt(body) | {"choices": [choice], "usage": _usage(body, reply)}


def streamed(body: dict[str, Any], reply: Reply, number: int) -> Iterator[dict[str, Any]]:
    head = _head(body, number, "chat.completion.chunk")
    first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    yield head | _prompt(body) | {"choices": [first]}
    for piece in pieces(reply.text):
        yield head | {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
    for index, call in enumerate(reply.calls):
        begin = _call(call) | {"index": index, "function": {"name": call.name, "arguments": ""}}
        yield head | {"choices": [{"index": 0, "delta": {"tool_calls": [begin]}, "finish_reason": None}]}
        for piece in pieces(call.arguments):
            part = {"index": index, "function": {"arguments": piece}}
            yield head | {"choices": [{"index": 0, "delta": {"tool_calls": [part]}, "finish_reason": None}]}
    last = {"index": 0, "delta": {}, "finish_reason": _reason(reply)} | _tokens(body, _sampled(reply))
    yield head | {"choices": [last]}
    if (body.get("stream_options") or {}).get("include_usage"):
        yield head | {"choices": [], "usage": _usage(body, reply)}


def _call(call: Any) -> dict[str, Any]:
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _reason(reply: Reply) -> str:
    return "tool_calls" if reply.calls else "stop"


def _head(body: dict[str, Any], number: int, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 1, "model": body["model"]}


def _sampled(reply: Reply) -> str:
    return reply.text + "".join(f"<call>{c.name}{c.arguments}" for c in reply.calls)


def _prompt(body: dict[str, Any]) -> dict[str, Any]:
    return {"prompt_token_ids": ids_of(_prompt_text(body))} if body.get("return_token_ids") else {}


def _prompt_text(body: dict[str, Any]) -> str:
    return "".join(f"<{m['role']}>{text_of(m.get('content'))}" for m in body["messages"])


def _tokens(body: dict[str, Any], text: str) -> dict[str, Any]:
    ids = ids_of(text)
    found: dict[str, Any] = {"token_ids": ids} if body.get("return_token_ids") else {}
    if body.get("logprobs"):
        content = [{"token": chr(i), "bytes": [i], "logprob": -i / 1000, "top_logprobs": []} for i in ids]
        found["logprobs"] = {"content": content, "refusal": None}
    return found


def _usage(body: dict[str, Any], reply: Reply) -> dict[str, int]:
    prompt, completion = len(ids_of(_prompt_text(body))), len(ids_of(_sampled(reply)))
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
