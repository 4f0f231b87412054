"""The part of OpenAI's chat request that the policy server reads, with vLLM's `return_token_ids`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from leyden_trainers.errors import RequestUnsupported


class StreamOptions(BaseModel):
    """What a stream carries besides the reply."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """POST /v1/chat/completions. Fields not named here are ignored, as OpenAI-compatible servers do."""

    model_config = ConfigDict(extra="ignore")

    model: str
    messages: list[dict[str, Any]] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    n: int | None = Field(default=None, ge=1, le=128)
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    return_token_ids: bool | None = None
    response_format: dict[str, Any] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None

    def check(self) -> None:
        """Refuse what would change the sampling in a way this server cannot. Raises RequestUnsupported."""
        refused = [
            name
            for name, asked in (
                ("tool_choice", self.tool_choice not in (None, "auto", "none")),
                ("response_format", self.response_format not in (None, {"type": "text"})),
                ("presence_penalty", bool(self.presence_penalty)),
                ("frequency_penalty", bool(self.frequency_penalty)),
                ("logit_bias", bool(self.logit_bias)),
            )
            if asked
        ]
        if refused:
            raise RequestUnsupported(f"this server samples freely: leave out {', '.join(refused)}")

    @property
    def offered_tools(self) -> Sequence[Mapping[str, Any]] | None:
        """The tools the prompt shows."""
        return self.tools if self.tools and self.tool_choice != "none" else None

    @property
    def stops(self) -> list[str]:
        """Texts that end the reply."""
        return [self.stop] if isinstance(self.stop, str) else (self.stop or [])


class LoadRequest(BaseModel):
    """POST /admin/load: a folder with new weights for the model, and the name its samples carry from then on."""

    path: str
    policy_version: str | int
