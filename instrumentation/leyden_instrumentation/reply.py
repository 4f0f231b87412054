"""What one reply of a model brings for its span: its words, token ids and logprobs, added up until the span is read.

The names on the wire are vLLM's: top-level `prompt_token_ids`, `choices[].token_ids`,
`choices[].logprobs.content[].logprob`; of the Responses API `input_messages[].tokens`, `output_messages[].tokens` and
OpenAI's `output[].content[].logprobs`. A policy server of ours adds `policy_version`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from leyden_instrumentation import exact_arguments, packing
from leyden_instrumentation.bodies import NOTHING, Cut
from leyden_instrumentation.content import Said, of_choices, of_response

PROMPT_IDS = "leyden.prompt_token_ids"
RESPONSE_IDS = "leyden.response_token_ids"
_LAST_EVENTS = ("response.completed", "response.incomplete", "response.failed")
"""Events of a streamed Response that hold all of it."""

Call = Mapping[str, str]
"""A tool call: `id`, `name`, and `arguments` to the letter."""


@dataclass(slots=True)
class _Choice:
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    said: Said = field(default_factory=Said)


class Reply:
    """Fed with JSON, whole or chunk by chunk.

    worded: whether its words are wanted, as OpenTelemetry's convention has them
    cut:    what was cut out of the reply
    policy_version: from the reply's header, where it has one
    """

    def __init__(self, *, worded: bool, cut: Cut = NOTHING, policy_version: str | None = None) -> None:
        self._worded = worded
        self._cut = cut
        self._prompt: list[int] = []
        self._policy_version: str | int | None = policy_version
        self._choices: dict[int, _Choice] = {}
        self._response: Mapping[str, Any] | None = None

    def hear(self, data: Mapping[str, Any]) -> list[Call] | None:
        """Take in a reply or a chunk of one: the tool calls that are complete now. None where it says nothing."""
        version = data.get("policy_version")
        if isinstance(version, str | int) and not isinstance(version, bool):
            self._policy_version = version
        choices = data.get("choices")
        return self._hear_choices(data, choices) if isinstance(choices, list) else self._hear_response(data)

    def attributes(self) -> dict[str, Any]:
        """What there is to tell, as far as it came."""
        if self._response is not None:
            calls, words = _calls_of(self._response), of_response(self._response) if self._worded else {}
            found = _response_ids(self._response)
        else:
            words = of_choices({index: one.said for index, one in self._choices.items()}) if self._worded else {}
            ended = {index: one for index, one in sorted(self._choices.items()) if one.said.finish_reason is not None}
            if not ended:
                # The ids of what was broken off are no generation.
                return dict(words)
            calls, found = self._calls(), self._ids(ended)
        if not self._worded:
            # Our own words have arguments to the letter.
            found |= exact_arguments.attribute(calls)
        if self._policy_version is not None:
            found["leyden.policy.version"] = self._policy_version
        return found | words

    def _hear_choices(self, data: Mapping[str, Any], choices: list[Any]) -> list[Call]:
        self._prompt = data.get("prompt_token_ids") or self._prompt
        ended = False
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
                ended = True
        return self._calls() if ended else []

    def _hear_response(self, data: Mapping[str, Any]) -> list[Call] | None:
        """A Response, or the event that ends a stream of one, has its function calls among its output items."""
        response = data.get("response") if data.get("type") in _LAST_EVENTS else data
        if not isinstance(response, Mapping) or not isinstance(response.get("output"), list):
            return None
        self._response = response
        return _calls_of(response)

    def _calls(self) -> list[Call]:
        """Of the first choice, which is the one that programs go on with."""
        first = self._choices.get(0)
        return list(first.said.calls.values()) if first else []

    def _ids(self, choices: Mapping[int, _Choice]) -> dict[str, Any]:
        prompt = _parsed(self._cut.prompt) or self._prompt
        found: dict[str, Any] = packing.attribute(PROMPT_IDS, tuple(prompt)) if prompt else {}
        for index, choice in choices.items():
            prefix = "leyden." if index == 0 else f"leyden.choice.{index}."
            ids = tuple(_parsed(self._cut.ids) or choice.token_ids)
            logprobs = _logprobs(_parsed(self._cut.logprobs)) or choice.logprobs
            if ids:
                found |= packing.attribute(RESPONSE_IDS, ids) if index == 0 else {prefix + "response_token_ids": ids}
            # One logprob per id or none: a list that does not line up would credit the wrong tokens.
            if logprobs and len(logprobs) == len(ids):
                found[prefix + "response_logprobs"] = tuple(logprobs)
        return found


def _parsed(text: bytes | None) -> Any:
    with suppress(ValueError):  # what is no JSON
        return json.loads(text) if text else None


def _calls_of(response: Mapping[str, Any]) -> list[Call]:
    items = [i for i in response["output"] if isinstance(i, Mapping) and i.get("type") == "function_call"]
    return [
        {"id": str(i.get("call_id")), "name": str(i.get("name")), "arguments": str(i.get("arguments") or "")}
        for i in items
    ]


def _response_ids(response: Mapping[str, Any]) -> dict[str, Any]:
    """The ids of a Response that came of one generation, and the logprobs where there is one for each."""
    prompt, own = (_tokens(response.get(name)) for name in ("input_messages", "output_messages"))
    if not prompt or not own:
        return {}
    found: dict[str, Any] = packing.attribute(PROMPT_IDS, prompt) | packing.attribute(RESPONSE_IDS, own)
    parts = [part for i in response["output"] if isinstance(i, Mapping) for part in i.get("content") or ()]
    values = [v for part in parts if isinstance(part, Mapping) for v in _logprobs({"content": part.get("logprobs")})]
    return found | {"leyden.response_logprobs": tuple(values)} if len(values) == len(own) else found


def _tokens(messages: Any) -> tuple[int, ...]:
    """The ids of a lone message told as tokens; of several, which one call of a model was sent cannot be told."""
    if not isinstance(messages, list) or len(messages) != 1 or not isinstance(messages[0], Mapping):
        return ()
    tokens = messages[0].get("tokens")
    return tuple(tokens) if isinstance(tokens, list) else ()


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
