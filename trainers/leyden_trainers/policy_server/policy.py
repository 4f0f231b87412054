"""A policy: the model folder being served, and what the routes ask of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from leyden_trainers.errors import ModelInvalid, RequestUnsupported
from leyden_trainers.models import load_model, load_tokenizer, moved
from leyden_trainers.policy_server.chat import ChatFormat
from leyden_trainers.policy_server.engine import Engine
from leyden_trainers.policy_server.replies import completion
from leyden_trainers.policy_server.requests import ChatRequest
from leyden_trainers.policy_server.sampling import Sampling


class Policy:
    """One served model. The tokenizer stays while weights come and go."""

    def __init__(
        self,
        model: str,
        *,
        name: str | None = None,
        policy_version: str = "0",
        always_return_token_ids: bool = False,
        max_batch: int = 64,
        device: str = "cpu",
        seed: int | None = None,
    ) -> None:
        """Load the model. Raises ModelInvalid."""
        tokenizer = load_tokenizer(model)
        if not tokenizer.chat_template:
            raise ModelInvalid(f"{model} has no chat template: serve a chat model")
        loaded = load_model(model)
        ends = _end_ids(loaded, tokenizer)
        self.name = name or Path(model).name
        self.chat = ChatFormat(tokenizer, ends)
        self.context = int(loaded.config.get_text_config().max_position_embeddings)
        self._vocabulary = int(loaded.config.get_text_config().vocab_size)
        self._always = always_return_token_ids
        self._device = device
        self._loading = asyncio.Lock()
        ready = moved(loaded, device)
        self.engine = Engine(ready, ends, policy_version=policy_version, max_batch=max_batch, seed=seed)

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        """Answer a chat request. Raises RequestUnsupported."""
        request.check()
        if self._always:
            request = request.model_copy(update={"return_token_ids": True, "logprobs": True})
        prompt = self.chat.prompt_ids(request.messages, request.offered_tools)
        sampling = self._sampling(request, prompt)
        seeds = [(sampling.seed + i) % 2**63 for i in range(request.n or 1)]
        futures = [self.engine.submit(prompt, replace(sampling, seed=seed)) for seed in seeds]
        responses = await asyncio.gather(*map(asyncio.wrap_future, futures))
        return completion(request, self.chat, prompt, responses)

    async def load(self, path: str, policy_version: str) -> None:
        """Swap in the weights of another folder; requests under way end under the old ones. Raises ModelInvalid."""
        async with self._loading:
            model = await asyncio.to_thread(self._load, path)
            await asyncio.wrap_future(self.engine.swap(model, policy_version))

    def _load(self, path: str) -> PreTrainedModel:
        model = load_model(path)
        size = int(model.config.get_text_config().vocab_size)
        if size != self._vocabulary:
            raise ModelInvalid(f"{path} has a vocabulary of {size}, the served model one of {self._vocabulary}")
        return moved(model, self._device)

    def _sampling(self, request: ChatRequest, prompt: Sequence[int]) -> Sampling:
        room = self.context - len(prompt)
        if room < 1:
            raise RequestUnsupported(
                f"the prompt has {len(prompt)} tokens and the model reads {self.context}: shorten it"
            )
        stops = request.stops
        asked = request.max_completion_tokens or request.max_tokens or room
        return Sampling(
            max_tokens=min(asked, room),
            temperature=1.0 if request.temperature is None else request.temperature,
            top_p=1.0 if request.top_p is None else request.top_p,
            seed=self.engine.draw_seed() if request.seed is None else request.seed % 2**63,
            top=(request.top_logprobs or 0) if request.logprobs else 0,
            stop_when=(lambda ids: any(stop in self.chat.text(ids) for stop in stops)) if stops else None,
        )


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    configured = model.generation_config.eos_token_id if model.generation_config else None
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(int(end) for end in [*listed, tokenizer.eos_token_id] if isinstance(end, int))
