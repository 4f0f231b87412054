"""OpenTelemetry's GenAI attributes (`gen_ai.input.messages` and its kin), as the current convention has them.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/. Deprecated names that are still sent are read too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from functools import lru_cache, partial
from operator import is_
from typing import Any, NamedTuple

from leyden_store.dialects._growing import read_text
from leyden_store.dialects._messages import finish_reason, from_parts, message
from leyden_store.dialects._responses import join_assistant
from leyden_store.dialects._tools import defined, params
from leyden_store.dialects._values import Unreadable, integer, integers, parsed, parsed_or_text, plain, text
from leyden_store.spans import Attributes, Span
from leyden_store.turns import Call, Usage

NAME = "genai"

LLM_OPERATIONS = ("chat", "text_completion", "generate_content")
"""`gen_ai.operation.name` of one call to a model; every other operation is no turn."""

_SAY_STOP = ("gcp.", "google", "gemini", "vertex")
"""Providers whose models finish with STOP also where they call a tool."""

_INPUT = "gen_ai.input.messages"
_OUTPUT = "gen_ai.output.messages"
_PARAM_PREFIX = "gen_ai.request."
_PARAM_NAMES = {"choice.count": "n", "stop_sequences": "stop"}
_PARAM_SKIP = frozenset({"model", "encoding_formats", "stream", "streaming"})


def matches(span: Span) -> bool:
    """An LLM span of this convention: by its operation, unless an agent framework sums up under a `chat` of its own."""
    return span.attributes.get("gen_ai.operation.name") in LLM_OPERATIONS


def read(span: Span) -> Call:
    """Read the span. Raises Unreadable where content is broken."""
    attributes = _with_messages(span.attributes)
    messages = input_messages(attributes)
    outputs = output_messages(attributes)
    reasons = parsed_or_text(attributes, "gen_ai.response.finish_reasons")
    reasons = [reasons] if isinstance(reasons, str) else reasons if isinstance(reasons, list) else []
    responses_api = is_responses_api(span)
    if responses_api:
        messages = join_assistant(messages)
        outputs = join_outputs(outputs)
    finished = [
        finish_reason(reasons[i] if i < len(reasons) else None) or finish_reason(reason)
        for i, (_, reason) in enumerate(outputs)
    ]
    if responses_api and outputs and outputs[0][0].get("tool_calls"):
        finished = ["tool_calls"]
    names = _names(tuple(attributes))
    told = _made(attributes, names.fields)
    provider = told.get("provider")
    if provider and provider.startswith(_SAY_STOP):
        finished = [_called(spoken, reason) for (spoken, _), reason in zip(outputs, finished, strict=True)]
    choices = [{**outputs[i][0], "finish_reason": finished[i]} for i in range(1, len(outputs))]
    return Call(
        dialect=NAME,
        messages=messages,
        response=outputs[0][0] if outputs else None,
        choices=choices,
        tools=defined(attributes, "gen_ai.tool.definitions"),
        finish_reason=finished[0] if finished else finish_reason(reasons[0]) if reasons else None,
        usage=Usage(**_made(attributes, names.usage)),
        params=_params(attributes, names),
        notes=() if _INPUT in attributes else ("no content captured",),
        **told,
    )


def _called(spoken: Mapping[str, Any], reason: str | None) -> str | None:
    return "tool_calls" if spoken.get("tool_calls") and reason == "stop" else reason


def _with_messages(attributes: Attributes) -> Attributes:
    """The attributes, the deprecated `gen_ai.prompt` and `gen_ai.completion` (text or messages) under the new names."""
    if _INPUT in attributes or not ("gen_ai.prompt" in attributes or "gen_ai.completion" in attributes):
        return attributes
    told = dict(attributes)
    for key, name, role in (("gen_ai.prompt", _INPUT, "user"), ("gen_ai.completion", _OUTPUT, "assistant")):
        value = parsed_or_text(attributes, key)
        if value is not None and name not in told:
            items = value if isinstance(value, list) else [value]
            told[name] = [item if isinstance(item, dict) else {"role": role, "content": str(item)} for item in items]
    return told


def is_responses_api(span: Span) -> bool:
    """Whether the call went to OpenAI's Responses API, whose one reply is a list of items."""
    attributes = span.attributes
    return (
        attributes.get("openai.api.type") == "responses"
        or span.name == "openai.response"
        or str(attributes.get("gen_ai.response.id") or "").startswith("resp_")
    )


def input_messages(attributes: Attributes) -> list[dict[str, Any]]:
    """The conversation sent, system instructions in place as the first message."""
    raw = attributes.get(_INPUT)
    history = read_text(raw, _SHAPE) if isinstance(raw, str) else None
    if history is not None:
        _, _, messages = history
    else:
        raw = parsed(attributes, _INPUT)
        messages = [] if raw is None else [message for item in _listed(raw, _INPUT) for message in _asked(item)]
    instructions = parsed_or_text(attributes, "gen_ai.system_instructions")
    if not instructions:
        return messages
    parts = [instructions] if isinstance(instructions, str) else instructions
    system = from_parts({"role": "system", "parts": parts}, "gen_ai.system_instructions")
    return messages if messages[:1] == system else [*system, *messages]


def _asked(item: Any) -> list[dict[str, Any]]:
    return from_parts(item, _INPUT)


_SHAPE = (("", _asked),)


def output_messages(attributes: Attributes, key: str = _OUTPUT) -> list[tuple[dict[str, Any], str | None]]:
    """What came back: each choice's message with its finish reason as sent."""
    raw = parsed(attributes, key)
    if raw is None:
        return []
    outputs: list[tuple[dict[str, Any], str | None]] = []
    for item in _listed(raw, key):
        reason = item.get("finish_reason") if isinstance(item, dict) else None
        outputs.extend((spoken, reason) for spoken in from_parts(item, key))
    return outputs


def join_outputs(outputs: list[tuple[dict[str, Any], str | None]]) -> list[tuple[dict[str, Any], str | None]]:
    """Items of one reply as one message; calls that were made decide how it finished."""
    if len(outputs) < 2:
        return outputs
    joined = join_assistant([{**spoken, "role": "assistant"} for spoken, _ in outputs])
    called = bool(joined[0].get("tool_calls"))
    reasons = [reason for _, reason in outputs if reason]
    return [(joined[0], "tool_calls" if called else reasons[-1] if reasons else None)]


_Field = tuple[Callable[[Any], Any], tuple[str, ...]]

_FIELDS: Mapping[str, _Field] = {
    "provider": (text, ("gen_ai.provider.name", "gen_ai.system")),
    "model": (text, ("gen_ai.response.model", "gen_ai.request.model")),
    "request_model": (text, ("gen_ai.request.model",)),
    "response_id": (text, ("gen_ai.response.id",)),
    "session_id": (text, ("gen_ai.conversation.id",)),
    "agent": (text, ("gen_ai.agent.name",)),
    "prompt_token_ids": (integers, ("prompt_token_ids",)),
    "response_token_ids": (integers, ("response_token_ids",)),
    "streamed": (partial(is_, True), ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming")),
}
"""A call's fields, what makes them of a value, and the names the value is sent under: the first that has one holds."""

_USAGE: Mapping[str, _Field] = {
    "input": (integer, ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")),
    "output": (integer, ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")),
    "reasoning": (
        integer,
        (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
            "llm.usage.reasoning_tokens",
        ),
    ),
    "cached": (integer, ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens")),
}
"""Likewise of `Usage`."""

_Found = tuple[tuple[str, Callable[[Any], Any], tuple[str, ...]], ...]


class _Names(NamedTuple):
    """Which of the convention's names some attributes have; of the parameters, their keys and names."""

    fields: _Found
    usage: _Found
    params: tuple[tuple[str, str], ...]


@lru_cache(maxsize=512)
def _names(keys: tuple[str, ...]) -> _Names:
    """Few keys are ever new together: an agent's calls have the same, one after the other."""
    params = tuple((key, name) for key in keys if (name := _param(key)) is not None)
    present = frozenset(keys)
    return _Names(_sent(_FIELDS, present), _sent(_USAGE, present), params)


def _sent(table: Mapping[str, _Field], keys: Set[str]) -> _Found:
    found = ((field, make, tuple(name for name in names if name in keys)) for field, (make, names) in table.items())
    return tuple(one for one in found if one[2])


def _made(attributes: Attributes, found: _Found) -> dict[str, Any]:
    made = {}
    for field, make, keys in found:
        for key in keys:
            value = attributes[key]
            if value is not None and value != "":
                made[field] = make(value)
                break
    return made


def usage(attributes: Attributes) -> Usage:
    """Token counts under the current names, else the deprecated ones."""
    return Usage(**_made(attributes, _names(tuple(attributes)).usage))


def request_params(attributes: Attributes) -> dict[str, Any]:
    """`gen_ai.request.*` under OpenAI's names."""
    return _params(attributes, _names(tuple(attributes)))


def _params(attributes: Attributes, names: _Names) -> dict[str, Any]:
    return params({name: plain(attributes[key]) for key, name in names.params if attributes[key] != []})


@lru_cache(maxsize=16384)
def _param(key: str) -> str | None:
    """The parameter an attribute holds, if it holds one. Few keys are ever new: the same stand on every span."""
    if key == "gen_ai.openai.request.seed":
        return "seed"
    name = key.removeprefix(_PARAM_PREFIX)
    if name == key or name in _PARAM_SKIP or name.startswith("functions."):
        return None
    return _PARAM_NAMES.get(name, name)


def _listed(raw: Any, key: str) -> list[Any]:
    if isinstance(raw, str):
        return [{"role": "user", "parts": [message("user", raw)["content"]]}]
    if isinstance(raw, dict):
        return [raw]
    if not isinstance(raw, list):
        raise Unreadable(key, f"messages are a {type(raw).__name__}, not a list")
    return raw
