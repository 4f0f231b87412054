"""MLflow tracing: `mlflow.spanInputs` and `mlflow.spanOutputs`, every attribute JSON text.

Its OpenAI integration keeps request and reply whole. https://mlflow.org/docs/latest/genai/tracing/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from leyden_store.dialects import _openai_raw as openai_raw
from leyden_store.dialects._chunks import joined
from leyden_store.dialects._messages import finish_reason, from_openai, message
from leyden_store.dialects._tools import params, tools
from leyden_store.dialects._usage import openai_usage
from leyden_store.dialects._values import mapping, parsed, parsed_or_none, parsed_or_text, text
from leyden_store.spans import Attributes, Span
from leyden_store.turns import Call

NAME = "mlflow"

_INPUTS = "mlflow.spanInputs"
_OUTPUTS = "mlflow.spanOutputs"


def matches(span: Span) -> bool:
    """A span of type CHAT_MODEL or LLM."""
    kind = span.attributes.get("mlflow.spanType")
    return isinstance(kind, str) and kind.strip('"') in ("CHAT_MODEL", "LLM", "COMPLETION")


def read(span: Span) -> Call:
    """Read the span. Raises Unreadable where content is broken."""
    attributes = span.attributes
    inputs = parsed(attributes, _INPUTS)
    request = mapping(inputs)
    known = any(key in request for key in ("messages", "prompt", "input"))
    asked = openai_raw.read_request(request) if known else None
    messages = asked.messages if asked else [message("user", inputs)] if isinstance(inputs, str) else []
    # Put together by MLflow itself, a streamed reply lacks its tool calls: the chunks tell them.
    streamed = joined(_chunks(span)) if request.get("stream") is True else None
    outputs = _outputs(streamed or parsed_or_text(attributes, _OUTPUTS))
    reply = {**mapping(parsed_or_none(attributes, _OUTPUTS)), **(streamed or {})}
    said = openai_raw.read_reply(reply)
    counted = mapping(parsed_or_none(attributes, "mlflow.chat.tokenUsage")) or mapping(reply.get("usage"))
    definitions = parsed(attributes, "mlflow.chat.tools") or (asked.tools if asked else None)
    return Call(
        dialect=NAME,
        messages=messages,
        response=outputs[0][0] if outputs else None,
        choices=[{**spoken, "finish_reason": finish_reason(reason)} for spoken, reason in outputs[1:]],
        tools=tools(definitions, "mlflow.chat.tools"),
        finish_reason=finish_reason(outputs[0][1]) if outputs else None,
        usage=openai_usage({**mapping(reply.get("usage")), **counted}),
        params=params(asked.params) if asked else {},
        provider=text(parsed_or_text(attributes, "mlflow.llm.provider")),
        model=text(reply.get("model"))
        or text(parsed_or_text(attributes, "mlflow.llm.model"))
        or text(request.get("model")),
        request_model=text(request.get("model")) or text(parsed_or_text(attributes, "mlflow.llm.model")),
        response_id=text(reply.get("id")),
        session_id=_session(attributes),
        prompt_token_ids=said.prompt_token_ids if said else None,
        response_token_ids=said.response_token_ids if said else None,
        response_logprobs=said.response_logprobs if said else None,
        streamed=request.get("stream") is True,
        notes=_notes(messages, attributes),
    )


def _chunks(span: Span) -> Iterator[Mapping[str, Any]]:
    for event in span.events:
        if event.name.startswith("mlflow.chunk.item."):
            yield mapping(parsed_or_none(event.attributes, "mlflow.chunk.value"))


def _notes(messages: list[dict[str, Any]], attributes: Attributes) -> list[str]:
    notes = [] if messages else ["no content captured"]
    if "mlflow-attachment://" in str(attributes.get(_INPUTS)):
        notes.append("media was put elsewhere by MLflow: a reference stands in its place")
    return notes


def _outputs(said: Any) -> list[openai_raw.Output]:
    if isinstance(said, str) and said:
        return [(message("assistant", said), None)]
    if not isinstance(said, dict):
        return []
    reply = openai_raw.read_reply(said)
    if reply is not None:
        return reply.outputs
    return [(from_openai({**said, "role": "assistant"}, _OUTPUTS), None)] if "content" in said else []


def _session(attributes: Attributes) -> str | None:
    return text(parsed_or_text(attributes, "mlflow.trace.session"))
