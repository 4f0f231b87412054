"""Text completions as the OpenAI API sends them, whole and in pieces, with vLLM's fields for token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from leyden_trainers.policy_server.chat import ChatFormat
from leyden_trainers.policy_server.detokenizing import Detokenizer, Speech, spoken
from leyden_trainers.policy_server.replies import Chunk
from leyden_trainers.policy_server.requests import CompletionRequest
from leyden_trainers.policy_server.sampling import Response, Sampled


@dataclass(slots=True)
class _Stream:
    words: Detokenizer
    speech: Speech
    offset: int = 0
    begun: bool = field(default=False)


class TextReplies:
    """The replies to one completion request: `n` choices for its first prompt, then for the next."""

    prefix = "cmpl"
    whole = chunk = "text_completion"
    opening: Chunk | None = None

    def __init__(self, request: CompletionRequest, chat: ChatFormat, prompts: Sequence[Sequence[int]]) -> None:
        self._request = request
        self._chat = chat
        self._prompts = prompts
        self._streams: dict[int, _Stream] = {}

    def choice(self, index: int, response: Response) -> Chunk:
        text, _ = spoken(self._chat.text(response.token_ids), self._request.stops, tools=False)
        tops = response.tops or [[]] * len(response.token_ids)
        tokens = list(zip(response.token_ids, response.logprobs, tops, strict=True))
        said = {"index": index, "text": text, "finish_reason": response.finish_reason}
        return said | self._told(index, tokens, 0, prompt=True)

    def pieces(self, index: int, sampled: Sampled) -> list[Chunk]:
        stream = self._streams.setdefault(
            index, _Stream(Detokenizer(self._chat.decode), Speech(self._request.stops, tools=False))
        )
        text = stream.speech.add("" if sampled.token_id in self._chat.end_ids else stream.words.add(sampled.token_id))
        if sampled.finish_reason:
            text += stream.speech.add(stream.words.rest()) + stream.speech.end()[0]
        token = (sampled.token_id, sampled.logprob, sampled.top)
        told = self._told(index, [token], stream.offset, prompt=not stream.begun)
        stream.offset += len(self._chat.decode([sampled.token_id]))
        if not (text or sampled.finish_reason or told["logprobs"] or "token_ids" in told):
            return []
        stream.begun = True
        return [{"index": index, "text": text, "finish_reason": sampled.finish_reason or None} | told]

    def _told(
        self, index: int, tokens: Sequence[tuple[int, float, list[tuple[int, float]]]], offset: int, *, prompt: bool
    ) -> Chunk:
        """The ids and logprobs of tokens, as far as they are asked for."""
        told: Chunk = {"logprobs": None}
        if self._request.top is not None:
            told["logprobs"] = self._logprobs(tokens, offset)
        if self._request.return_token_ids:
            told["token_ids"] = [token for token, _, _ in tokens]
            if prompt:
                told["prompt_token_ids"] = list(self._prompts[index // (self._request.n or 1)])
        return told

    def _logprobs(self, tokens: Sequence[tuple[int, float, list[tuple[int, float]]]], offset: int) -> Chunk:
        """OpenAI's old shape: lists side by side; `text_offset` counts characters of the tokens before."""
        texts = [self._chat.decode([token]) for token, _, _ in tokens]
        offsets = []
        for text in texts:
            offsets.append(offset)
            offset += len(text)
        tops = [
            {**{self._chat.decode([other]): value for other, value in top}, text: logprob}
            for text, (_, logprob, top) in zip(texts, tokens, strict=True)
        ]
        logprobs = [logprob for _, logprob, _ in tokens]
        return {"tokens": texts, "token_logprobs": logprobs, "top_logprobs": tops, "text_offset": offsets}
