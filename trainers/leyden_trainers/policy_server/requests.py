"""The part of OpenAI's requests that the policy server reads, with vLLM's `return_token_ids`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from leyden_trainers.errors import RequestUnsupported

_NO_EFFECT: dict[str, tuple[Any, ...]] = {
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "logit_bias": ({},),
    "min_p": (0,),
    "top_k": (0, -1),
}
"""What would change the sampling in a way this server cannot, and the values that would not."""


class StreamOptions(BaseModel):
    """What a stream carries besides the reply."""

    include_usage: bool = False


class SamplingRequest(BaseModel):
    """What chat and text completions share. Fields not named here are ignored, as OpenAI-compatible servers do."""

    model_config = ConfigDict(extra="ignore")

    model: str
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    n: int | None = Field(default=None, ge=1, le=128)
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    return_token_ids: bool | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    min_p: float | None = None
    top_k: int | None = None

    def check(self) -> None:
        """Refuse what would change the sampling in a way this server cannot. Raises RequestUnsupported."""
        if refused := self.refused():
            raise RequestUnsupported(f"this server samples freely: leave out {', '.join(refused)}")

    def refused(self) -> list[str]:
        """The fields that ask for it."""
        return [name for name, idle in _NO_EFFECT.items() if getattr(self, name) not in (None, *idle)]

    @property
    def stops(self) -> list[str]:
        """Texts that end the reply."""
        stops = [self.stop] if isinstance(self.stop, str) else (self.stop or [])
        return [stop for stop in stops if stop]

    @property
    def tells_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatRequest(SamplingRequest):
    """POST /v1/chat/completions."""

    messages: list[dict[str, Any]] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: dict[str, Any] | None = None

    def refused(self) -> list[str]:
        refused = super().refused()
        if self.tool_choice not in (None, "auto", "none"):
            refused.append("tool_choice")
        if self.response_format not in (None, {"type": "text"}):
            refused.append("response_format")
        return refused

    @property
    def offered_tools(self) -> Sequence[Mapping[str, Any]] | None:
        """The tools the prompt shows."""
        return self.tools if self.tools and self.tool_choice != "none" else None

    @property
    def limit(self) -> int | None:
        """The most tokens to sample; None is as many as the model has room for."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def top(self) -> int | None:
        """How many of the likeliest tokens to tell beside each sampled one; None where logprobs are not asked for."""
        return (self.top_logprobs or 0) if self.logprobs else None


class CompletionRequest(SamplingRequest):
    """POST /v1/completions. A prompt is text or token ids; several are completed each by itself."""

    prompt: str | list[int] | list[str] | list[list[int]]
    max_tokens: int = Field(default=16, ge=1)
    logprobs: int | None = Field(default=None, ge=0, le=20)
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = None

    def refused(self) -> list[str]:
        refused = super().refused()
        refused += [name for name in ("echo", "suffix") if getattr(self, name)]
        if self.best_of not in (None, self.n or 1):
            refused.append("best_of")
        return refused

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each prompt. Raises RequestUnsupported where one is empty."""
        single = isinstance(self.prompt, str) or all(isinstance(token, int) for token in self.prompt)
        prompts: list[Any] = [self.prompt] if single else list(self.prompt)
        if not all(prompts):
            raise RequestUnsupported("a prompt needs at least one token")
        return prompts

    @property
    def limit(self) -> int:
        """The most tokens to sample."""
        return self.max_tokens

    @property
    def top(self) -> int | None:
        """As a chat request's."""
        return self.logprobs


Request = ChatRequest | CompletionRequest


class LoadRequest(BaseModel):
    """POST /admin/load: a folder with new weights for the model, and the name its samples carry from then on."""

    path: str
    policy_version: str | int


class VersionRequest(BaseModel):
    """POST /admin/policy_version: the weights that the upstream samples with from now on."""

    policy_version: str | int
