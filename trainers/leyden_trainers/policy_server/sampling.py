"""Sampling one token of each row from the model's logits, and its log-probability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

Ids = list[int]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample one response.

    temperature: 0 is greedy
    top_p:       the smallest set of tokens of that total probability is sampled from; 1 is all
    max_tokens:  the end-of-turn token counts
    seed:        of this response's own generator
    top:         how many of the likeliest tokens to report beside each sampled one
    stop_when:   called with the response so far; true ends it
    """

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    top: int = 0
    stop_when: Callable[[Ids], bool] | None = None


@dataclass(slots=True)
class Response:
    """What was sampled so far.

    token_ids: end-of-turn included
    logprobs:  of each token under the model itself, natural log, before temperature and top_p: vLLM's `raw_logprobs`
    tops:      for each token the likeliest ones as (id, logprob), when asked for
    finish_reason: "stop" or "length", "" while unfinished, "abort" when nobody waits for it any more
    """

    token_ids: Ids = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    tops: list[list[tuple[int, float]]] = field(default_factory=list)
    finish_reason: str = ""
    policy_version: str = ""


@dataclass(frozen=True, slots=True)
class Sampled:
    """One token of a response, told as soon as it is sampled; `top` and `finish_reason` as in `Response`."""

    token_id: int
    logprob: float
    top: list[tuple[int, float]]
    finish_reason: str
    policy_version: str


def sample(logits: torch.Tensor, how: Sequence[Sampling], generators: Sequence[torch.Generator]) -> torch.Tensor:
    """int64 [B]: one token a row of `logits` [B, V], each by its own rules and from its own generator."""
    picked = [_one(row, rules, generator) for row, rules, generator in zip(logits, how, generators, strict=True)]
    return torch.stack(picked)


def _one(logits: torch.Tensor, how: Sampling, generator: torch.Generator) -> torch.Tensor:
    if how.temperature == 0:
        return logits.argmax()
    probs = torch.softmax(logits / how.temperature, -1)
    if how.top_p < 1:
        ordered, order = probs.sort(descending=True)
        ordered[ordered.cumsum(-1) - ordered >= how.top_p] = 0
        probs = torch.zeros_like(probs).scatter(-1, order, ordered)
    return torch.multinomial(probs, 1, generator=generator)[0]
