"""Asking an upstream for token ids, logprobs and a stream's usage, and only where it takes the fields.

vLLM's names, https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WANTED: dict[str, dict[str, Any]] = {
    "/chat/completions": {"return_token_ids": True, "logprobs": True},
    "/completions": {"return_token_ids": True, "logprobs": 0},
}


class Fields:
    """Which models of an upstream take our fields, learned from its answers.

    A model that refuses a request with them and answers it without is not asked any more.
    """

    def __init__(self) -> None:
        self._refusing: set[tuple[str, str]] = set()

    def missing(self, path: str, model: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The fields to add. A client's own `false` or null is no wish for them, and stays out of its reply."""
        if path not in _WANTED or (path, model) in self._refusing:
            return {}
        wanted = dict(_WANTED[path])
        if body.get("stream") and not body.get("stream_options"):
            wanted["stream_options"] = {"include_usage": True}
        return {name: value for name, value in wanted.items() if body.get(name) is None or body[name] is False}

    def refused(self, path: str, model: str, *, for_good: bool) -> None:
        """A request with them was refused; `for_good` where the same without them was answered."""
        if for_good:
            self._refusing.add((path, model))
