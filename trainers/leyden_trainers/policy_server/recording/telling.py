"""A reply as it is told, whole or chunk by chunk, added up.

Names on the wire are OpenAI's and vLLM's: top-level `prompt_token_ids`, `choices[].token_ids`, `choices[].logprobs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Choice:
    """One choice; `calls` are tool calls as `id`, `name`, `arguments`, the exact text of a JSON object."""

    content: str | None = None
    reasoning: str = ""
    refusal: str = ""
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    finish_reason: str | None = None
    prompt_ids: list[int] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Told:
    """A reply. `output` are the items of a reply of the Responses API, which has no choices."""

    id: str | None = None
    model: str | None = None
    policy_version: str | int | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    choices: dict[int, Choice] = field(default_factory=dict)
    output: list[Any] = field(default_factory=list)
    error: str | None = None

    def add(self, data: Mapping[str, Any]) -> None:
        """Take in a whole reply, one chunk of a stream, or one event of the Responses API's."""
        error = data.get("error")
        if error:
            self.error = str(error.get("message") or error) if isinstance(error, Mapping) else str(error)
        reply = data.get("response")
        if isinstance(reply, Mapping):  # the event that ends such a stream has all of it
            self.add(reply)
            return
        self.id = data.get("id") or self.id
        self.model = data.get("model") or self.model
        version = data.get("policy_version")
        self.policy_version = self.policy_version if version is None else version
        self.usage = data.get("usage") or self.usage
        self.output = data.get("output") or self.output
        for place, part in enumerate(data.get("choices") or ()):
            choice = self.choices.setdefault(part.get("index", place), Choice())
            choice.prompt_ids = part.get("prompt_token_ids") or data.get("prompt_token_ids") or choice.prompt_ids
            _add(choice, part)
        if data.get("prompt_token_ids"):
            for choice in self.choices.values():
                choice.prompt_ids = choice.prompt_ids or data["prompt_token_ids"]


def _add(choice: Choice, part: Mapping[str, Any]) -> None:
    said = part.get("message") or part.get("delta") or {"content": part.get("text")}
    if isinstance(said.get("content"), str):
        choice.content = (choice.content or "") + said["content"]
    choice.reasoning += said.get("reasoning_content") or said.get("reasoning") or ""
    choice.refusal += said.get("refusal") or ""
    for place, call in enumerate(said.get("tool_calls") or ()):
        known = choice.calls.setdefault(call.get("index", place), {"id": "", "name": "", "arguments": ""})
        function = call.get("function") or {}
        known["id"] = call.get("id") or known["id"]
        known["name"] = function.get("name") or known["name"]
        known["arguments"] += function.get("arguments") or ""
    choice.finish_reason = part.get("finish_reason") or choice.finish_reason
    choice.token_ids += part.get("token_ids") or ()
    choice.logprobs += _logprobs(part.get("logprobs"))


def _logprobs(given: Any) -> list[float]:
    """Chat's `content[].logprob` or text completion's `token_logprobs`; none where one of them is no number."""
    if not isinstance(given, Mapping):
        return []
    content = given.get("content")
    values = given.get("token_logprobs") or []
    if isinstance(content, list):
        values = [token.get("logprob") for token in content if isinstance(token, Mapping)]
    return [float(value) for value in values] if all(isinstance(value, int | float) for value in values) else []
