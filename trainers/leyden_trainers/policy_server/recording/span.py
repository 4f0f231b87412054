"""A recorded call as a span: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/, and Leyden's attributes.

What names the caller's key, or looks like one, is hidden; then the token ids, which spell the text, are left out too.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from leyden_instrumentation.api_keys import REDACTED, ApiKeys
from leyden_instrumentation.packing import attribute as packed
from leyden_trainers.policy_server.recording import messages
from leyden_trainers.policy_server.recording.recorder import OPERATIONS, Recording
from leyden_trainers.policy_server.recording.telling import Choice, Told
from leyden_trainers.policy_server.recording.values import count, listed, mapping, number

SCOPE = "leyden.serve"
_SHORTEST_KEY = 8
_PARAMS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "n": "choice.count",
}
"""Request fields and what they are called behind `gen_ai.request.`."""

_keys = ApiKeys()


def encode(recordings: Sequence[Recording], resource: Mapping[str, str]) -> bytes:
    """Calls as the body of an OTLP request."""
    request = ExportTraceServiceRequest()
    told = request.resource_spans.add()
    told.resource.attributes.extend(_attributes(resource))
    scope = told.scope_spans.add()
    scope.scope.name = SCOPE
    for recording in recordings:
        scope.spans.extend(spans_of(recording))
    return bytes(request.SerializeToString())


def spans_of(recording: Recording) -> Iterator[Span]:
    """The span of a call; one for each prompt where a completion request had several."""
    told = Told()
    for part in recording.parts:
        told.add(part)
    prompts = messages.prompts(recording.path, recording.body)
    each = max(1, count(recording.body.get("n")) or 1)
    choices = sorted(told.choices.items())
    for place, prompt in enumerate(prompts):
        # Looked for among those that came: a request may ask for any number.
        chosen = [choice for index, choice in choices if index // each == place]
        span_id = secrets.token_hex(8) if place else recording.span_id
        yield _span(recording, told, prompt, chosen, span_id, alone=len(prompts) == 1)


def _span(
    recording: Recording, told: Told, prompt: list[dict[str, Any]], choices: list[Choice], span_id: str, *, alone: bool
) -> Span:
    operation, model = OPERATIONS[recording.path], str(recording.body.get("model") or "")
    error = recording.error or (("upstream_error", told.error) if told.error else None)
    span = Span(
        trace_id=bytes.fromhex(recording.trace_id),
        span_id=bytes.fromhex(span_id),
        parent_span_id=bytes.fromhex(recording.caller.parent_id),
        name=f"{operation} {model}".strip(),
        kind=Span.SPAN_KIND_CLIENT if recording.address else Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=recording.start_ns,
        end_time_unix_nano=recording.end_ns,
    )
    content = _content(recording, told, prompt, choices)
    seen = {name: _hidden(value, recording.key) for name, value in content.items()}
    attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": recording.system,
        "gen_ai.request.model": model,
        "gen_ai.response.model": told.model,
        "gen_ai.response.id": told.id,
        "gen_ai.response.finish_reasons": [choice.finish_reason for choice in choices if choice.finish_reason],
        **_params(recording.body),
        **_usage(told.usage, choices, alone=alone),
        **_place(recording),
        **seen,
        "leyden.policy.version": recording.policy_version if told.policy_version is None else told.policy_version,
    }
    if seen == content:
        attributes |= _ids(choices)
    if error:
        attributes["error.type"] = error[0]
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=_hidden(error[1], recording.key) or ""))
    span.attributes.extend(_attributes(attributes))
    return span


def _content(
    recording: Recording, told: Told, prompt: list[dict[str, Any]], choices: list[Choice]
) -> dict[str, str | None]:
    output = messages.items(told.output) if told.output else [messages.output(choice) for choice in choices]
    tools = recording.body.get("tools")
    return {
        "gen_ai.input.messages": _json(prompt),
        "gen_ai.output.messages": _json(output),
        "gen_ai.tool.definitions": _json(tools),
    }


def _ids(choices: Sequence[Choice]) -> dict[str, Any]:
    """Token ids and logprobs. One logprob an id or none: a list that does not line up would credit the wrong tokens."""
    found: dict[str, Any] = {}
    for index, choice in enumerate(choices):
        if not choice.token_ids:
            continue
        prefix = "leyden." if index == 0 else f"leyden.choice.{index}."
        if index == 0:
            if choice.prompt_ids:
                found |= packed("leyden.prompt_token_ids", choice.prompt_ids)
            found |= packed("leyden.response_token_ids", choice.token_ids)
        else:
            found[prefix + "response_token_ids"] = choice.token_ids
        if len(choice.logprobs) == len(choice.token_ids):
            found[prefix + "response_logprobs"] = choice.logprobs
    return found


def _params(body: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {f"gen_ai.request.{name}": number(body.get(key)) for key, name in _PARAMS.items()}
    stop = body.get("stop")
    found["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else list(map(str, listed(stop)))
    if body.get("stream"):
        found["gen_ai.request.stream"] = True
    for key in ("tool_choice", "response_format", "reasoning_effort"):
        found[f"gen_ai.request.{key}"] = body[key] if isinstance(body.get(key), str) else _json(body.get(key))
    return found


def _usage(usage: Mapping[str, Any], choices: Sequence[Choice], *, alone: bool) -> dict[str, Any]:
    if not (usage and alone):  # of several prompts together; what was counted per prompt are its ids
        return {
            "gen_ai.usage.input_tokens": len(choices[0].prompt_ids) or None if choices else None,
            "gen_ai.usage.output_tokens": sum(len(choice.token_ids) for choice in choices) or None,
        }
    inputs = mapping(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    outputs = mapping(usage.get("completion_tokens_details") or usage.get("output_tokens_details"))
    return {
        "gen_ai.usage.input_tokens": count(usage.get("prompt_tokens", usage.get("input_tokens"))),
        "gen_ai.usage.output_tokens": count(usage.get("completion_tokens", usage.get("output_tokens"))),
        "gen_ai.usage.cache_read.input_tokens": count(inputs.get("cached_tokens")) or None,
        "gen_ai.usage.reasoning.output_tokens": count(outputs.get("reasoning_tokens")) or None,
    }


def _place(recording: Recording) -> dict[str, Any]:
    caller = recording.caller
    host, port = recording.address or (None, None)
    return {
        "server.address": host,
        "server.port": port,
        "leyden.upstream.retries": recording.retries or None,
        "leyden.project": caller.project,
        "leyden.rollout.id": caller.rollout_id,
        "leyden.group.id": caller.group_id,
        "leyden.attempt": caller.attempt,
    }


def _hidden(text: str | None, key: str) -> str | None:
    if text is None:
        return None
    if len(key) >= _SHORTEST_KEY:
        text = text.replace(key, REDACTED)
    return _keys.hidden(text)


def _json(value: Any) -> str | None:
    return json.dumps(value, ensure_ascii=False) if value else None


def _attributes(values: Mapping[str, Any]) -> Iterator[KeyValue]:
    """What is None or empty is left out."""
    return (KeyValue(key=key, value=_value(value)) for key, value in values.items() if value not in (None, "", []))


def _value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return AnyValue(array_value=ArrayValue(values=map(_value, value)))
    return AnyValue(string_value=str(value).encode("utf-8", "replace").decode())  # half a surrogate pair has no UTF-8


def resource(project: str | None = None) -> dict[str, str]:
    """What the server says of itself."""
    env = os.environ
    return {
        "service.name": env.get("OTEL_SERVICE_NAME") or SCOPE,
        "leyden.project": project or env.get("LEYDEN_PROJECT", ""),
    }
