"""The generator: one thread that samples for all requests at once and swaps weights between them.

Requests join the running batch at the next token and leave it when they end (continuous batching). A swap waits its
turn among the requests: those before it end under the old weights, those after it begin under the new ones, so a
response is always sampled by one policy.
"""

from __future__ import annotations

import queue
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedModel

from leyden_trainers.errors import EngineClosed
from leyden_trainers.policy_server.batch import Batch
from leyden_trainers.policy_server.sampling import Response, Sampled, Sampling, sample

Listener = Callable[[Sampled], None]
"""Told of each token from the generator's thread; must return at once."""


class Pending(Future[Response]):
    """A response that is on its way. `cancel` works before it begins, `abandon` at any time."""

    abandoned = False

    def abandon(self) -> None:
        """Sample no further: it ends at the next token, finished by "abort", if it has not ended yet."""
        self.abandoned = True
        self.cancel()


@dataclass(slots=True)
class _Job:
    """A response to sample."""

    prompt: Sequence[int]
    how: Sampling
    generator: torch.Generator
    future: Pending
    listener: Listener | None
    response: Response = field(default_factory=Response)


@dataclass(slots=True)
class _Swap:
    """New weights to sample with."""

    model: PreTrainedModel
    version: str
    future: Future[None]


class Engine:
    """Samples from a model. `submit` and `swap` may be called from any thread."""

    def __init__(
        self,
        model: PreTrainedModel,
        end_ids: frozenset[int],
        *,
        policy_version: str = "0",
        max_batch: int = 64,
        seed: int | None = None,
    ) -> None:
        """`end_ids` end a turn; `seed` seeds the responses that ask for no seed of their own, in order of arrival."""
        self.policy_version = policy_version
        self._model = model
        self._end_ids = end_ids
        self._max_batch = max_batch
        self._seeds = random.Random(seed)  # noqa: S311 - sampling, no secret
        self._inbox: queue.SimpleQueue[_Job | _Swap | None] = queue.SimpleQueue()
        self._waiting: deque[_Job | _Swap] = deque()
        self._running: list[_Job] = []
        self._batch = Batch()
        self._closed = False
        self._door = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="leyden-policy", daemon=True)
        self._thread.start()

    def draw_seed(self) -> int:
        """A seed for a request that names none."""
        return self._seeds.getrandbits(63)

    def submit(self, prompt: Sequence[int], how: Sampling, listener: Listener | None = None) -> Pending:
        """Sample a response to the prompt's ids."""
        future = Pending()
        generator = torch.Generator(self._model.device).manual_seed(how.seed)
        self._post(_Job(prompt, how, generator, future, listener))
        return future

    def swap(self, model: PreTrainedModel, policy_version: str) -> Future[None]:
        """Sample what is submitted from now on with another model of the same vocabulary."""
        future: Future[None] = Future()
        self._post(_Swap(model, policy_version, future))
        return future

    def close(self) -> None:
        """Stop; unfinished responses fail with EngineClosed."""
        with self._door:
            self._closed = True
            self._inbox.put(None)
        self._thread.join()

    def _post(self, work: _Job | _Swap) -> None:
        with self._door:
            if self._closed:
                raise EngineClosed("the policy server is stopping")
            self._inbox.put(work)

    def _work(self) -> None:
        while self._receive():
            try:
                self._admit()
                self._let_go()
                self._step()
            except Exception as error:
                self._fail(self._running, error)
                self._running, self._batch = [], Batch()
        self._fail([*self._running, *self._waiting], EngineClosed("the policy server is stopping"))

    def _receive(self) -> bool:
        """Take in what has come, waiting for it when there is nothing else to do; false when told to stop."""
        idle = not self._running and not self._waiting
        while idle or not self._inbox.empty():
            work = self._inbox.get()
            if work is None:  # the last there is: `close` lets nothing in behind it
                return False
            self._waiting.append(work)
            idle = False
        return True

    def _admit(self) -> None:
        """Let waiting requests into the batch, in order; a swap waits until the batch has run empty."""
        joining: list[_Job] = []
        while self._waiting and len(self._running) + len(joining) < self._max_batch:
            if isinstance(self._waiting[0], _Swap) and (self._running or joining):
                break
            work = self._waiting.popleft()
            if not work.future.set_running_or_notify_cancel():
                continue
            if isinstance(work, _Swap):
                self._model, self.policy_version = work.model, work.version
                work.future.set_result(None)
            else:
                work.response.policy_version = self.policy_version
                joining.append(work)
        if joining:
            self._running += joining
            self._batch = self._batch.join(Batch.of(self._model, [job.prompt for job in joining]))

    def _let_go(self) -> None:
        """Drop the responses that nobody waits for."""
        staying = [row for row, job in enumerate(self._running) if not job.future.abandoned]
        if len(staying) == len(self._running):
            return
        for job in self._running:
            if job.future.abandoned:
                job.response.finish_reason = "abort"
                job.future.set_result(job.response)
        self._running = [self._running[row] for row in staying]
        self._batch = self._batch.keep(staying)

    def _step(self) -> None:
        """Sample one token for every running response."""
        if not self._running:
            return
        logits = self._batch.logits
        token_ids = sample(logits, [job.how for job in self._running], [job.generator for job in self._running])
        logprobs = logits.log_softmax(-1)
        sampled = logprobs.gather(-1, token_ids[:, None])[:, 0].tolist()
        staying = []
        for row, (job, token, logprob) in enumerate(zip(self._running, token_ids.tolist(), sampled, strict=True)):
            self._extend(job, token, logprob, logprobs[row])
            if job.response.finish_reason:
                job.future.set_result(job.response)
            else:
                staying.append(row)
        self._running = [self._running[row] for row in staying]
        if len(staying) < len(token_ids):
            self._batch = self._batch.keep(staying)
        if staying:
            self._batch = self._batch.advance(self._model, token_ids[staying])

    def _extend(self, job: _Job, token: int, logprob: float, logprobs: torch.Tensor) -> None:
        response = job.response
        response.token_ids.append(token)
        response.logprobs.append(logprob)
        top: list[tuple[int, float]] = []
        if job.how.top:
            values, ids = logprobs.topk(job.how.top)
            top = list(zip(ids.tolist(), values.tolist(), strict=True))
            response.tops.append(top)
        if token in self._end_ids or (job.how.stop_when and job.how.stop_when(response.token_ids)):
            response.finish_reason = "stop"
        elif len(response.token_ids) >= job.how.max_tokens:
            response.finish_reason = "length"
        if job.listener:
            job.listener(Sampled(token, logprob, top, response.finish_reason, response.policy_version))

    @staticmethod
    def _fail(work: Sequence[_Job | _Swap], error: Exception) -> None:
        for item in work:
            if not item.future.done():
                item.future.set_exception(error)
