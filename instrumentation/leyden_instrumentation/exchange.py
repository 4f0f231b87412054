"""One request to a model and its reply: the token ids, logprobs and tool calls that pass by, put where they belong.

Fed with the reply's JSON, whole or chunk by chunk. The names on the wire are vLLM's: top-level `prompt_token_ids`,
`choices[].token_ids`, `choices[].logprobs.content[].logprob`; of the Responses API `input_messages[].tokens`,
`output_messages[].tokens` and OpenAI's `output[].content[].logprobs`. A policy server of ours adds `policy_version`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span

from leyden_instrumentation import exact_arguments, packing, prompt_ids, records, tools
from leyden_instrumentation.content import Said, of_choices, of_response
from leyden_instrumentation.tools import ToolCall

_LAST_EVENTS = ("response.completed", "response.incomplete", "response.failed")
"""Events of a streamed Response that hold all of it."""


@dataclass(slots=True)
class _Choice:
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    said: Said = field(default_factory=Said)


class Exchange:
    """What is gathered for one LLM span.

    added: request fields that we put in; what they bring is taken out of the reply before the program sees it
    policy_version: from the reply's header, where it has one
    prompt: the prompt's ids as text, where they were cut out of the reply
    recorded: what is said is ours to write, when the span ends
    """

    def __init__(
        self,
        span: Span,
        context: Context,
        added: frozenset[str] = frozenset(),
        policy_version: str | None = None,
        *,
        streamed: bool = False,
        prompt: str | None = None,
    ) -> None:
        self._span = span
        self._context = context
        self._added = added
        self._prompt: list[int] | str = prompt or []
        self._choices: dict[int, _Choice] = {}
        self._policy_version: str | int | None = policy_version
        self._streamed = streamed
        self._done = False
        self._reply: Mapping[str, Any] | None = None
        self.recorded = records.are_wanted(span)
        self.found: dict[str, Any] = {}

    def read(self, data: Any) -> Any:
        """Take in one JSON reply or stream chunk; return what the program shall see of it."""
        if not isinstance(data, dict) or self._done:
            return self._visible(data)
        # A whole reply may be parsed more than once.
        self._done = not self._streamed
        version = data.get("policy_version")
        if isinstance(version, str | int) and not isinstance(version, bool):
            self._policy_version = version
        choices = data.get("choices")
        if isinstance(choices, list):
            self._read_choices(data, choices)
        else:
            self._read_responses_api(data)
        return self._visible(data)

    def _read_choices(self, data: Mapping[str, Any], choices: list[Any]) -> None:
        self._prompt = data.get("prompt_token_ids") or self._prompt
        settled = False
        for position, part in enumerate(choices):
            if not isinstance(part, dict):
                continue
            choice = self._choices.setdefault(part.get("index", position), _Choice())
            # Text completions carry the prompt's ids per choice.
            self._prompt = self._prompt or part.get("prompt_token_ids") or []
            choice.token_ids.extend(part.get("token_ids") or ())
            choice.logprobs.extend(_logprobs(part.get("logprobs")))
            choice.said.hear(part.get("message") or part.get("delta") or {})
            if part.get("finish_reason") is not None:
                choice.said.finish_reason = part["finish_reason"]
                settled = True
        if settled:
            self._settle()

    def _read_responses_api(self, data: Mapping[str, Any]) -> None:
        """A Response, or the event that ends a stream of one, has its function calls among its output items."""
        reply = data.get("response") if data.get("type") in _LAST_EVENTS else data
        output = reply.get("output") if isinstance(reply, Mapping) else None
        if not isinstance(reply, Mapping) or not isinstance(output, list):
            return
        self._reply = reply
        items = [i for i in output if isinstance(i, Mapping) and i.get("type") == "function_call"]
        calls = [{"id": str(i.get("call_id")), "arguments": str(i.get("arguments") or "")} for i in items]
        tools.memory.expect(
            self._tool_call(call["id"], str(item.get("name")), call["arguments"])
            for call, item in zip(calls, items, strict=True)
        )
        self._set(self._exact(calls) | _response_ids(reply, output))

    def _settle(self) -> None:
        """Write what there is onto the span; again with more, where further chunks or choices follow."""
        found: dict[str, Any] = {}
        if isinstance(self._prompt, str):
            found[prompt_ids.ATTRIBUTE] = self._prompt
        elif self._prompt:
            found |= packing.attribute(prompt_ids.ATTRIBUTE, self._prompt)
        for index, choice in sorted(self._choices.items()):
            prefix = "leyden." if index == 0 else f"leyden.choice.{index}."
            if choice.token_ids and index == 0:
                found |= packing.attribute("leyden.response_token_ids", choice.token_ids)
            elif choice.token_ids:
                found[prefix + "response_token_ids"] = tuple(choice.token_ids)
            # One logprob per id or none: a list that does not line up would credit the wrong tokens.
            if choice.logprobs and len(choice.logprobs) == len(choice.token_ids):
                found[prefix + "response_logprobs"] = tuple(choice.logprobs)
        first = self._choices.get(0)
        calls = list(first.said.calls.values()) if first else []
        self._set(found | self._exact(calls))
        if calls:
            tools.memory.expect(self._tool_call(c["id"], c["name"], c["arguments"]) for c in calls if c["id"])

    def said(self) -> dict[str, Any]:
        """What came back, as far as it came: content, ids and all else that was found."""
        if self._reply is not None:
            return self.found | of_response(self._reply)
        return self.found | of_choices({index: choice.said for index, choice in self._choices.items()})

    def _exact(self, calls: list[dict[str, str]]) -> dict[str, Any]:
        """Arguments to the letter, where the span's own content is not ours, which has them so."""
        return {} if self.recorded else dict(exact_arguments.attribute(calls))

    def _set(self, found: dict[str, Any]) -> None:
        if self._policy_version is not None:
            found["leyden.policy.version"] = self._policy_version
        if self.recorded:
            self.found.update(found)
        elif self._span.is_recording():
            self._span.set_attributes(found)

    def _tool_call(self, call_id: str, name: str, arguments: str) -> ToolCall:
        return ToolCall(call_id, name, arguments, self._span, self._context)

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


def _response_ids(reply: Mapping[str, Any], output: list[Any]) -> dict[str, Any]:
    """The ids of a Response that came of one generation, and the logprobs where there is one for each."""
    prompt, response = (_tokens(reply.get(name)) for name in ("input_messages", "output_messages"))
    if not prompt or not response:
        return {}
    found = packing.attribute(prompt_ids.ATTRIBUTE, prompt) | packing.attribute("leyden.response_token_ids", response)
    parts = [part for item in output if isinstance(item, Mapping) for part in item.get("content") or ()]
    values = [v for part in parts if isinstance(part, Mapping) for v in _logprobs({"content": part.get("logprobs")})]
    return found | {"leyden.response_logprobs": tuple(values)} if len(values) == len(response) else found


def _tokens(messages: Any) -> list[int]:
    """The ids of a lone message told as tokens; of several, which one call of a model was sent cannot be told."""
    if not isinstance(messages, list) or len(messages) != 1 or not isinstance(messages[0], Mapping):
        return []
    tokens = messages[0].get("tokens")
    return tokens if isinstance(tokens, list) else []


def _logprobs(given: Any) -> list[float]:
    """Chat's `content[].logprob` or text completion's `token_logprobs`; empty if one of them is no number."""
    if not isinstance(given, Mapping):
        return []
    content = given.get("content")
    values: list[Any] = given.get("token_logprobs") or []
    try:
        # A reply has hundreds of them: numbers are told by adding them up, not one by one.
        if isinstance(content, list):
            values = [told["logprob"] for told in content]
        sum(values)
    except (KeyError, TypeError):
        return []
    return list(map(float, values))
