"""One request to a model and its reply: what passes by is heard, and the program sees of it what it asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span

from leyden_instrumentation import records, tools
from leyden_instrumentation.bodies import NOTHING, Cut
from leyden_instrumentation.reply import Reply
from leyden_instrumentation.tools import ToolCall


class Exchange:
    """What is gathered for one LLM span, and written when that has ended.

    added: request fields that we put in; what they bring is taken out of the reply before the program sees it
    policy_version, cut: see Reply
    """

    def __init__(
        self,
        span: Span,
        context: Context,
        added: frozenset[str] = frozenset(),
        policy_version: str | None = None,
        *,
        streamed: bool = False,
        cut: Cut = NOTHING,
    ) -> None:
        self._span = span
        self._context = context
        self._added = added
        self._streamed = streamed
        self._reply = Reply(worded=records.are_wanted(span), cut=cut, policy_version=policy_version)
        self._told = False
        self._done = False

    def read(self, data: Any) -> Any:
        """Take in one JSON reply or stream chunk; return what the program shall see of it."""
        if isinstance(data, dict) and not self._done:
            # A whole reply may be parsed more than once.
            self._done = not self._streamed
            calls = self._reply.hear(data)
            if calls is not None and not self._told:
                self._told = True
                records.answered(self._span, self._reply.attributes)
            if calls:
                tools.memory.expect(
                    ToolCall(call["id"], call["name"], call["arguments"], self._span, self._context)
                    for call in calls
                    if call["id"]
                )
        return self._visible(data)

    def _visible(self, data: Any) -> Any:
        if not self._added or not isinstance(data, dict):
            return data
        seen = dict(data)
        if "enable_response_messages" in self._added or "include" in self._added:
            return self._visible_response(seen)
        if "return_token_ids" in self._added:
            seen.pop("prompt_token_ids", None)
        if isinstance(seen.get("choices"), list):
            seen["choices"] = [self._visible_choice(c) for c in seen["choices"]]
        return seen

    def _visible_response(self, seen: dict[str, Any]) -> dict[str, Any]:
        """A Response, or an event of one, whose parts are in it however deep."""
        if "enable_response_messages" in self._added:
            seen.pop("input_messages", None)
            seen.pop("output_messages", None)
        if "include" in self._added and "logprobs" in seen:
            seen["logprobs"] = []
        for name in ("response", "item", "part"):
            if isinstance(seen.get(name), Mapping):
                seen[name] = self._visible_response(dict(seen[name]))
        for name in ("output", "content"):
            if isinstance(seen.get(name), list):
                seen[name] = [self._visible_response(dict(p)) if isinstance(p, Mapping) else p for p in seen[name]]
        return seen

    def _visible_choice(self, choice: Any) -> Any:
        if not isinstance(choice, dict):
            return choice
        seen = dict(choice)
        if "return_token_ids" in self._added:
            seen.pop("token_ids", None)
            seen.pop("prompt_token_ids", None)
        if "logprobs" in self._added and "logprobs" in seen:
            seen["logprobs"] = None
        return seen
