"""Vercel AI SDK (JavaScript): `ai.prompt.messages`, `ai.response.*`, on the `….doGenerate` and `….doStream` spans.

The span above them sums up a whole loop and is no turn. Version 4 says `args` and `result` where 5 says `input` and
`output`; both are read. https://ai-sdk.dev/docs/ai-sdk-core/telemetry
"""

from __future__ import annotations

import json
from typing import Any

from leyden_store.dialects import genai
from leyden_store.dialects._messages import content_part, finish_reason, message, tool_call, tool_result
from leyden_store.dialects._tools import tools
from leyden_store.dialects._values import Unreadable, first, integer, listed, mapping, parsed, parsed_or_text, text
from leyden_store.spans import Attributes, Span
from leyden_store.turns import Call, Usage

NAME = "vercel-ai"


def matches(span: Span) -> bool:
    """One call to a model: generate or stream, text or object."""
    operation = span.attributes.get("ai.operationId")
    return isinstance(operation, str) and operation.endswith((".doGenerate", ".doStream"))


def read(span: Span) -> Call:
    """Read the span. Raises Unreadable where content is broken."""
    attributes = span.attributes
    provider = text(first(attributes, "ai.model.provider", "gen_ai.system"))
    messages = _messages(parsed(attributes, "ai.prompt.messages"))
    return Call(
        dialect=NAME,
        messages=messages,
        response=_response(attributes),
        tools=tools(_definitions(attributes.get("ai.prompt.tools")), "ai.prompt.tools"),
        finish_reason=finish_reason(first(attributes, "ai.response.finishReason", "ai.finishReason")),
        usage=_usage(attributes),
        params=genai.request_params(attributes),
        provider=provider.partition(".")[0] if provider else None,
        model=text(first(attributes, "ai.response.model", "gen_ai.response.model", "ai.model.id")),
        request_model=text(attributes.get("ai.model.id")),
        response_id=text(first(attributes, "ai.response.id", "gen_ai.response.id")),
        session_id=text(attributes.get("ai.telemetry.metadata.sessionId")),
        streamed=str(attributes["ai.operationId"]).endswith(".doStream"),
        notes=() if messages else ("no content captured",),
    )


def _messages(raw: Any) -> list[dict[str, Any]]:
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise Unreadable("ai.prompt.messages", "messages are no list")
    return [spoken for item in raw for spoken in _message(mapping(item))]


def _message(raw: Any) -> list[dict[str, Any]]:
    role = str(raw.get("role") or "user")
    content = raw.get("content")
    if not isinstance(content, list):
        return [message(role, content if isinstance(content, str) else None)]
    parts = [mapping(part) for part in content]
    results = [_result(part) for part in parts if part.get("type") == "tool-result"]
    if role == "tool":
        return results
    thoughts = [str(part.get("text") or "") for part in parts if part.get("type") == "reasoning"]
    spoken = message(
        role,
        [_part(part) for part in parts if part.get("type") not in ("tool-call", "tool-result", "reasoning")],
        tool_calls=[_call(part) for part in parts if part.get("type") == "tool-call"],
        reasoning="\n".join(thoughts) or None,
    )
    return [spoken, *results]


def _part(part: Any) -> Any:
    kind = str(part.get("mediaType") or part.get("mimeType") or "")
    data = part.get("data", part.get("image"))
    if part.get("type") == "image" or kind.startswith("image/"):
        if isinstance(data, str):
            known = data.startswith(("http:", "https:", "data:"))
            return {"type": "image_url", "image_url": {"url": data if known else f"data:{kind};base64,{data}"}}
    elif kind.startswith("audio/") and isinstance(data, str):
        return content_part({"type": "blob", "mime_type": kind, "content": data})
    return content_part(part)


def _call(raw: Any) -> dict[str, Any]:
    return tool_call(raw.get("toolCallId"), raw.get("toolName"), raw.get("input", raw.get("args")))


def _result(part: Any) -> dict[str, Any]:
    output = part.get("output", part.get("result"))
    if isinstance(output, dict) and set(output) >= {"type", "value"}:
        output = output["value"]
    return message("tool", tool_result(output), tool_call_id=part.get("toolCallId"))


def _response(attributes: Attributes) -> dict[str, Any] | None:
    said = first(attributes, "ai.response.text", "ai.response.object", "ai.result.text", "ai.result.object")
    calls = parsed(attributes, "ai.response.toolCalls") or parsed(attributes, "ai.result.toolCalls") or []
    reasoning = parsed_or_text(attributes, "ai.response.reasoning")
    if isinstance(reasoning, list):
        reasoning = "\n".join(str(mapping(item).get("text") or "") for item in reasoning)
    if said is None and not calls and "ai.response.text" not in attributes:
        return None
    return message(
        "assistant",
        said if isinstance(said, str) else None,
        tool_calls=[_call(mapping(call)) for call in listed(calls)],
        reasoning=text(reasoning),
    )


def _definitions(raw: Any) -> list[Any] | None:
    """Tool definitions: a list of JSON texts, or a list as one JSON text."""
    if isinstance(raw, str):
        raw = parsed({"ai.prompt.tools": raw}, "ai.prompt.tools")
    if raw is None:
        return None
    if not isinstance(raw, list | tuple):
        raise Unreadable("ai.prompt.tools", "tool definitions are no list")
    found = []
    for item in raw:
        try:
            definition = json.loads(item) if isinstance(item, str) else item
        except ValueError as error:
            raise Unreadable("ai.prompt.tools", f"no JSON ({error})") from None
        schema = mapping(definition).get("inputSchema", mapping(definition).get("parameters"))
        if isinstance(schema, dict):
            definition = {**definition, "parameters": {k: v for k, v in schema.items() if k != "$schema"}}
        found.append(definition)
    return found


def _usage(attributes: Attributes) -> Usage:
    return Usage(
        input=integer(first(attributes, "ai.usage.inputTokens", "ai.usage.promptTokens", "gen_ai.usage.input_tokens")),
        output=integer(
            first(attributes, "ai.usage.outputTokens", "ai.usage.completionTokens", "gen_ai.usage.output_tokens")
        ),
        reasoning=integer(attributes.get("ai.usage.reasoningTokens")),
        cached=integer(attributes.get("ai.usage.cachedInputTokens")),
    )
