"""Chat completions as the OpenAI API sends them, whole or as a stream, with vLLM's fields for token ids."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from leyden_trainers.policy_server.chat import ChatFormat
from leyden_trainers.policy_server.requests import ChatRequest
from leyden_trainers.policy_server.sampling import Response


def completion(
    request: ChatRequest, chat: ChatFormat, prompt: Sequence[int], responses: Sequence[Response]
) -> dict[str, Any]:
    """The reply to a request: `prompt_token_ids`, `choices[].token_ids` and logprobs where it asks for them."""
    sampled = sum(len(response.token_ids) for response in responses)
    reply = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.model,
        "policy_version": responses[0].policy_version,
        "choices": [_choice(i, request, chat, response) for i, response in enumerate(responses)],
        "usage": {
            "prompt_tokens": len(prompt),
            "completion_tokens": sampled,
            "total_tokens": len(prompt) + sampled,
        },
    }
    return reply | ({"prompt_token_ids": list(prompt)} if request.return_token_ids else {})


def events(whole: dict[str, Any], *, include_usage: bool) -> Iterator[str]:
    """The same reply as server-sent events: each choice in one piece, then its end, then the usage if asked for."""
    usage = whole["usage"]
    head = {key: value for key, value in whole.items() if key not in ("choices", "usage", "prompt_token_ids")}
    head["object"] = "chat.completion.chunk"
    first = {key: whole[key] for key in ("prompt_token_ids",) if key in whole}
    for choice in whole["choices"]:
        message, finish = choice["message"], choice["finish_reason"]
        calls = [{"index": i, **call} for i, call in enumerate(message.get("tool_calls", []))]
        delta = {key: value for key, value in message.items() if key != "tool_calls"}
        piece = {key: value for key, value in choice.items() if key not in ("message", "finish_reason")}
        piece |= {"delta": delta | ({"tool_calls": calls} if calls else {}), "finish_reason": None}
        yield _event({**head, **first, "choices": [piece]})
        yield _event({**head, "choices": [{"index": choice["index"], "delta": {}, "finish_reason": finish}]})
    if include_usage:
        yield _event({**head, "choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


def _choice(index: int, request: ChatRequest, chat: ChatFormat, response: Response) -> dict[str, Any]:
    message = chat.reply(response.token_ids, stops=request.stops, tools=request.offered_tools is not None)
    finish = "tool_calls" if "tool_calls" in message and response.finish_reason == "stop" else response.finish_reason
    choice = {
        "index": index,
        "message": message,
        "finish_reason": finish,
        "logprobs": {"content": _logprobs(chat, response)} if request.logprobs else None,
    }
    return choice | ({"token_ids": response.token_ids} if request.return_token_ids else {})


def _logprobs(chat: ChatFormat, response: Response) -> list[dict[str, Any]]:
    tops = response.tops or [[]] * len(response.token_ids)
    return [
        _logprob(chat, token, logprob) | {"top_logprobs": [_logprob(chat, *other) for other in top]}
        for token, logprob, top in zip(response.token_ids, response.logprobs, tops, strict=True)
    ]


def _logprob(chat: ChatFormat, token: int, logprob: float) -> dict[str, Any]:
    text = str(chat.tokenizer.decode([token]))
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}
