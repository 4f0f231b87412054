"""A policy: the model folder being served, and what the front asks of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from leyden_trainers.errors import ModelInvalid, RequestInvalid, RequestUnsupported, UnknownModel
from leyden_trainers.models import load_model, load_tokenizer, moved
from leyden_trainers.policy_server.backend import Ask, Event, Reply, Stream, begun
from leyden_trainers.policy_server.chat import ChatFormat
from leyden_trainers.policy_server.chat_replies import ChatReplies
from leyden_trainers.policy_server.detokenizing import StopWatch
from leyden_trainers.policy_server.engine import Engine, Listener
from leyden_trainers.policy_server.replies import DONE, Chunk, Form, head, usage
from leyden_trainers.policy_server.requests import ChatRequest, CompletionRequest, Request
from leyden_trainers.policy_server.sampling import Response, Sampled, Sampling
from leyden_trainers.policy_server.text_replies import TextReplies


class Policy:
    """One served model, a `Backend`. The tokenizer stays while weights come and go."""

    system = "leyden"
    address: tuple[str, int] | None = None

    def __init__(
        self,
        model: str,
        *,
        name: str | None = None,
        policy_version: str = "0",
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
        self._device = device
        self._loading = asyncio.Lock()
        ready = moved(loaded, device)
        self.engine = Engine(ready, ends, policy_version=policy_version, max_batch=max_batch, seed=seed)

    async def answer(self, ask: Ask) -> Reply | Stream:
        """Answer a request. Raises RequestInvalid, RequestUnsupported, UnknownModel, EngineClosed."""
        request, asked = self._read(ask)
        if request.model != self.name:
            raise UnknownModel(f"the model {request.model!r} is not served here: ask for {self.name}")
        request.check()
        prompts, form = self._prepare(request)
        work = [
            (prompt, self._sampling(request, prompt, i))
            for i, prompt in enumerate(prompt for prompt in prompts for _ in range(request.n or 1))
        ]
        told = {"prompt_token_ids": prompts[0]} if request.return_token_ids and isinstance(request, ChatRequest) else {}
        if request.stream:
            return await self._streamed(request, form, prompts, work, told, asked)
        pending = [self.engine.submit(*one) for one in work]
        try:
            responses = await asyncio.gather(*map(asyncio.wrap_future, pending))
        finally:  # nobody waits any more where the client has gone
            for one in pending:
                one.abandon()
        version = responses[0].policy_version
        whole = head(form, request.model, version, streamed=False) | {
            "choices": [form.choice(i, response) for i, response in enumerate(responses)],
            "usage": usage(prompts, sum(len(response.token_ids) for response in responses)),
        }
        return Reply(200, whole | told, added=asked, policy_version=version)

    def health(self) -> dict[str, Any]:
        """Which model is served, and which weights."""
        return {"model": self.name, "policy_version": self.engine.policy_version}

    async def close(self) -> None:
        """Stop sampling."""
        await asyncio.to_thread(self.engine.close)

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

    def _read(self, ask: Ask) -> tuple[Request, frozenset[str]]:
        """The request, and which fields it has from us."""
        chat = ask.path == "/chat/completions"
        wanted = {"return_token_ids": True, "logprobs": True if chat else 0} if ask.ids else {}
        # A client's own `false` or null is no wish for them, and stays out of its reply.
        added = {name: value for name, value in wanted.items() if ask.body.get(name) is None or ask.body[name] is False}
        try:
            request = (ChatRequest if chat else CompletionRequest).model_validate(ask.body | added)
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise RequestInvalid("; ".join(faults)) from error
        return request, frozenset(added)

    def _prepare(self, request: Request) -> tuple[list[list[int]], Form]:
        """The prompts' ids, and the shape of the replies."""
        if isinstance(request, ChatRequest):
            return [self.chat.prompt_ids(request.messages, request.offered_tools)], ChatReplies(request, self.chat)
        prompts = [self._ids(prompt) for prompt in request.prompts]
        return prompts, TextReplies(request, self.chat, prompts)

    def _ids(self, prompt: str | list[int]) -> list[int]:
        if isinstance(prompt, str):
            return self.chat.encode(prompt, special=True)
        if not all(0 <= token < self._vocabulary for token in prompt):
            raise RequestUnsupported(f"a prompt's token ids are from 0 to {self._vocabulary - 1}")
        return prompt

    def _sampling(self, request: Request, prompt: Sequence[int], index: int) -> Sampling:
        room = self.context - len(prompt)
        if room < 1:
            raise RequestUnsupported(
                f"the prompt has {len(prompt)} tokens and the model reads {self.context}: shorten it"
            )
        seed = self.engine.draw_seed() if request.seed is None else request.seed + index
        return Sampling(
            max_tokens=min(request.limit or room, room),
            temperature=1.0 if request.temperature is None else request.temperature,
            top_p=1.0 if request.top_p is None else request.top_p,
            seed=seed % 2**63,
            top=request.top or 0,
            stop_when=StopWatch(self.chat.decode, request.stops) if request.stops else None,
        )

    async def _streamed(
        self,
        request: Request,
        form: Form,
        prompts: Sequence[Sequence[int]],
        work: Sequence[tuple[list[int], Sampling]],
        told: Chunk,
        asked: frozenset[str],
    ) -> Stream:
        tokens = _Tokens(self.engine, work)

        async def pieces() -> AsyncGenerator[Event, None]:
            begins: Chunk = {}
            sampled = 0
            try:
                async for index, token in tokens.sampled():
                    if not begins:
                        begins = head(form, request.model, token.policy_version, streamed=True)
                        for i in range(len(work) if form.opening else 0):
                            opening = {"index": i} | (form.opening or {})
                            yield Event(begins | (told if i == 0 else {}) | {"choices": [opening]})
                    sampled += 1
                    for piece in form.pieces(index, token):
                        yield Event(begins | {"choices": [piece]})
                if request.tells_usage:
                    yield Event(begins | {"choices": [], "usage": usage(prompts, sampled)})
                yield Event(None, DONE)
            finally:
                tokens.abandon()

        first, events = await begun(pieces())
        version = first.data["policy_version"] if first.data else self.engine.policy_version
        return Stream(first, events, added=asked, policy_version=version)


class _Tokens:
    """The tokens of several responses as they are sampled, brought from the engine's thread to the event loop."""

    def __init__(self, engine: Engine, work: Sequence[tuple[list[int], Sampling]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._come: asyncio.Queue[tuple[int, Sampled] | BaseException] = asyncio.Queue()
        self._pending = [engine.submit(*one, self._listener(i)) for i, one in enumerate(work)]
        for one in self._pending:
            one.add_done_callback(self._ended)

    def abandon(self) -> None:
        """Sample no further."""
        for one in self._pending:
            one.abandon()

    async def sampled(self) -> AsyncIterator[tuple[int, Sampled]]:
        """Each token, with the place of its response; raises what went wrong in the engine."""
        running = len(self._pending)
        while running:
            come = await self._come.get()
            if isinstance(come, BaseException):
                raise come
            running -= bool(come[1].finish_reason)
            yield come

    def _listener(self, index: int) -> Listener:
        def listen(sampled: Sampled) -> None:
            self._loop.call_soon_threadsafe(self._come.put_nowait, (index, sampled))

        return listen

    def _ended(self, response: Future[Response]) -> None:
        error = None if response.cancelled() else response.exception()
        if error is not None:
            self._loop.call_soon_threadsafe(self._come.put_nowait, error)


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    configured = model.generation_config.eos_token_id if model.generation_config else None
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(int(end) for end in [*listed, tokenizer.eos_token_id] if isinstance(end, int))
