"""Chat completions as the OpenAI API sends them, whole and in pieces, with vLLM's fields for token ids."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from leyden_trainers.policy_server.chat import ChatFormat
from leyden_trainers.policy_server.detokenizing import Detokenizer, Speech, spoken
from leyden_trainers.policy_server.replies import Chunk
from leyden_trainers.policy_server.requests import ChatRequest
from leyden_trainers.policy_server.sampling import Response, Sampled
from leyden_trainers.policy_server.tool_calls import ToolCall


class ChatReplies:
    """The replies to one chat request."""

    prefix = "chatcmpl"
    whole = "chat.completion"
    chunk = "chat.completion.chunk"

    def __init__(self, request: ChatRequest, chat: ChatFormat) -> None:
        said = {"role": "assistant", "content": ""}
        self.opening: Chunk | None = {"delta": said, "logprobs": None, "finish_reason": None}
        self._request = request
        self._chat = chat
        self._tools = request.offered_tools is not None
        self._spoken: dict[int, tuple[Detokenizer, Speech]] = {}

    def choice(self, index: int, response: Response) -> Chunk:
        content, calls = spoken(self._chat.text(response.token_ids), self._request.stops, tools=self._tools)
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if calls:
            message = {"role": "assistant", "content": content or None, "tool_calls": _made(calls)}
        tops = response.tops or [[]] * len(response.token_ids)
        told = self._told(list(zip(response.token_ids, response.logprobs, tops, strict=True)))
        # In the order that vLLM has them, where ids come last.
        ended = {"logprobs": told.pop("logprobs"), "finish_reason": _finish(response.finish_reason, calls)}
        return {"index": index, "message": message, **ended, **told}

    def pieces(self, index: int, sampled: Sampled) -> list[Chunk]:
        words, speech = self._spoken.setdefault(
            index, (Detokenizer(self._chat.decode), Speech(self._request.stops, tools=self._tools))
        )
        text = speech.add("" if sampled.token_id in self._chat.end_ids else words.add(sampled.token_id))
        calls: list[ToolCall] = []
        if sampled.finish_reason:
            text += speech.add(words.rest())
            rest, calls = speech.end()
            text += rest
        delta: dict[str, Any] = {"content": text} if text else {}
        if calls:
            delta["tool_calls"] = [{"index": i, **call} for i, call in enumerate(_made(calls))]
        told = self._told([(sampled.token_id, sampled.logprob, sampled.top)])
        pieces: list[Chunk] = []
        if delta or told["logprobs"] or "token_ids" in told:
            pieces.append({"index": index, "delta": delta, "finish_reason": None} | told)
        if sampled.finish_reason:
            end = {"index": index, "delta": {}, "logprobs": None}
            pieces.append(end | {"finish_reason": _finish(sampled.finish_reason, calls)})
        return pieces

    def _told(self, tokens: Sequence[tuple[int, float, list[tuple[int, float]]]]) -> Chunk:
        """The ids and logprobs of tokens, as far as they are asked for."""
        told: Chunk = {"logprobs": None}
        if self._request.top is not None:
            content = [
                self._logprob(token, logprob) | {"top_logprobs": [self._logprob(*other) for other in top]}
                for token, logprob, top in tokens
            ]
            told["logprobs"] = {"content": content, "refusal": None}
        if self._request.return_token_ids:
            told["token_ids"] = [token for token, _, _ in tokens]
        return told

    def _logprob(self, token: int, logprob: float) -> Chunk:
        text = self._chat.decode([token])
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _finish(reason: str, calls: Sequence[ToolCall]) -> str:
    return "tool_calls" if calls and reason == "stop" else reason


def _made(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{uuid.uuid4().hex[:24]}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in calls
    ]
