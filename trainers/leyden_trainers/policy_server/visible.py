"""What a client sees of a reply: without what came of fields that were put into its request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def visible(data: dict[str, Any], added: frozenset[str]) -> dict[str, Any] | None:
    """A reply or a chunk without what it has because of `added`; None for a chunk that is nothing but that."""
    if not added or not isinstance(data.get("choices"), list):
        return data
    seen = dict(data)
    if "stream_options" in added:
        seen.pop("usage", None)
    if "return_token_ids" in added:
        seen.pop("prompt_token_ids", None)
    seen["choices"] = [_choice(choice, added) for choice in seen["choices"]]
    if seen.get("object") not in ("chat.completion.chunk", "text_completion"):
        return seen
    return seen if seen.get("usage") or any(_says_something(choice) for choice in seen["choices"]) else None


def _choice(choice: Any, added: frozenset[str]) -> Any:
    if not isinstance(choice, Mapping):
        return choice
    seen = dict(choice)
    if "return_token_ids" in added:
        seen.pop("token_ids", None)
        seen.pop("prompt_token_ids", None)
    if "logprobs" in added and "logprobs" in seen:
        seen["logprobs"] = None
    return seen


def _says_something(choice: Any) -> bool:
    """Whether there is more to a choice's chunk than a token whose text is held back."""
    if not isinstance(choice, Mapping):
        return True
    delta = choice.get("delta")
    said = any(delta.values()) if isinstance(delta, Mapping) else delta
    return bool(said or choice.get("text") or choice.get("finish_reason"))
