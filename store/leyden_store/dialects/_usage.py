"""Token counts as OpenAI's own replies write them, for dialects that keep the reply whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leyden_store.dialects._values import integer, mapping
from leyden_store.turns import Usage


def openai_usage(raw: Mapping[str, Any]) -> Usage:
    """The `usage` object of a chat completion or of the Responses API."""
    asked = mapping(raw.get("prompt_tokens_details")) or mapping(raw.get("input_tokens_details"))
    said = mapping(raw.get("completion_tokens_details")) or mapping(raw.get("output_tokens_details"))
    return Usage(
        input=integer(raw.get("prompt_tokens", raw.get("input_tokens"))),
        output=integer(raw.get("completion_tokens", raw.get("output_tokens"))),
        reasoning=integer(said.get("reasoning_tokens")),
        cached=integer(asked.get("cached_tokens")),
    )
