"""A reply as it is told, whole or chunk by chunk, added up.

Names on the wire are OpenAI's and vLLM's: top-level `prompt_token_ids`, `choices[].token_ids`, `choices[].logprobs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leyden_trainers.policy_server.recording.values import count, integers, mapping, mappings, number, text


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
    output: list[Mapping[str, Any]] = field(default_factory=list)
    error: str | None = None

    def add(self, data: Mapping[str, Any]) -> None:
        """Take in a whole reply, one chunk of a stream, or one event of the Responses API's."""
        error = data.get("error")
        if error:
            self.error = text(mapping(error).get("message")) or str(error)
        reply = data.get("response")
        if isinstance(reply, Mapping):  # the event that ends such a stream has all of it
            self.add(reply)
            return
        self.id = text(data.get("id")) or self.id
        self.model = text(data.get("model")) or self.model
        version = data.get("policy_version")
        self.policy_version = version if isinstance(version, str) else count(version) or self.policy_version
        self.usage = mapping(data.get("usage")) or self.usage
        self.output = mappings(data.get("output")) or self.output
        prompt = integers(data.get("prompt_token_ids"))
        for place, part in enumerate(mappings(data.get("choices"))):
            index = count(part.get("index"))
            choice = self.choices.setdefault(place if index is None else index, Choice())
            # Text completions carry the prompt's ids per choice.
            choice.prompt_ids = integers(part.get("prompt_token_ids")) or choice.prompt_ids
            _add(choice, part)
        for choice in self.choices.values() if prompt else ():
            choice.prompt_ids = choice.prompt_ids or prompt


def _add(choice: Choice, part: Mapping[str, Any]) -> None:
    said = mapping(part.get("message")) or mapping(part.get("delta")) or {"content": part.get("text")}
    if isinstance(said.get("content"), str):
        choice.content = (choice.content or "") + said["content"]
    choice.reasoning += text(said.get("reasoning_content")) or text(said.get("reasoning"))
    choice.refusal += text(said.get("refusal"))
    for place, call in enumerate(mappings(said.get("tool_calls"))):
        index = count(call.get("index"))
        known = choice.calls.setdefault(place if index is None else index, {"id": "", "name": "", "arguments": ""})
        function = mapping(call.get("function"))
        known["id"] = text(call.get("id")) or known["id"]
        known["name"] = text(function.get("name")) or known["name"]
        known["arguments"] += text(function.get("arguments"))
    choice.finish_reason = text(part.get("finish_reason")) or choice.finish_reason
    choice.token_ids += integers(part.get("token_ids"))
    choice.logprobs += _logprobs(mapping(part.get("logprobs")))


def _logprobs(given: Mapping[str, Any]) -> list[float]:
    """Chat's `content[].logprob` or text completion's `token_logprobs`; none where one of them is no number."""
    values = given.get("token_logprobs")
    if isinstance(given.get("content"), list):
        values = [token.get("logprob") for token in mappings(given["content"])]
    known = isinstance(values, list) and all(number(value) is not None for value in values)
    return list(map(float, values or ())) if known else []
