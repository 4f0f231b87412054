"""OpenLLMetry (Traceloop) up to 0.47: messages flattened into `gen_ai.prompt.{i}.*` and `gen_ai.completion.{i}.*`."""

from __future__ import annotations

import json
from typing import Any

from leyden_store.dialects import genai, traceloop
from leyden_store.dialects._growing import read_flat
from leyden_store.dialects._messages import finish_reason, from_openai, thought, tool_call
from leyden_store.dialects._responses import join_assistant
from leyden_store.dialects._tool_ids import join_tool_ids
from leyden_store.dialects._tools import tools
from leyden_store.dialects._values import Pairs, first, flattened, listed, mapping, nested, text
from leyden_store.spans import Span
from leyden_store.turns import Call

NAME = "traceloop-indexed"

_REQUEST_TYPES = ("chat", "completion")


def matches(span: Span) -> bool:
    """An LLM span by its request type, or by its first indexed message."""
    attributes = span.attributes
    if attributes.get("gen_ai.operation.name") is not None:
        return False
    kind = attributes.get("llm.request.type")
    if kind is not None:
        return kind in _REQUEST_TYPES
    return "gen_ai.prompt.0.role" in attributes or "gen_ai.completion.0.content" in attributes


def read(span: Span) -> Call:
    """Read the span. Raises Unreadable where content is broken."""
    attributes = span.attributes
    # AgentOps, whose messages are indexed alike, says gen_ai of functions too.
    asked, said, functions, others = flattened(
        attributes, "gen_ai.prompt", "gen_ai.completion", "llm.request.functions", "gen_ai.request.functions"
    )
    messages = read_flat(asked, _prompted)
    raw_outputs = [mapping(nested(item)) for item in said]
    outputs = [
        (_message({"role": "assistant", **raw}, "gen_ai.completion"), text(raw.get("finish_reason")))
        for raw in raw_outputs
    ]
    if genai.is_responses_api(span):
        messages, outputs = join_assistant(messages), genai.join_outputs(outputs)
        outputs = [
            (spoken, reason or ("tool_calls" if spoken.get("tool_calls") else None)) for spoken, reason in outputs
        ]
    history, tool_ids = join_tool_ids(messages)
    return Call(
        dialect=NAME,
        messages=history,
        tool_ids=tool_ids,
        response=outputs[0][0] if outputs else None,
        choices=[{**spoken, "finish_reason": finish_reason(reason)} for spoken, reason in outputs[1:]],
        tools=read_flat(functions or others, _function),
        finish_reason=finish_reason(outputs[0][1]) if outputs else None,
        usage=genai.usage(attributes),
        params=genai.request_params(attributes),
        provider=text(attributes.get("gen_ai.system", "")) and str(attributes["gen_ai.system"]).lower(),
        model=text(first(attributes, "gen_ai.response.model", "gen_ai.request.model")),
        request_model=text(attributes.get("gen_ai.request.model")),
        response_id=text(attributes.get("gen_ai.response.id")),
        session_id=traceloop.session(span),
        streamed=first(attributes, "gen_ai.is_streaming", "llm.is_streaming") is True,
        notes=() if messages else ("no content captured",),
    )


def _prompted(item: Pairs) -> list[dict[str, Any]]:
    return [_message(nested(item), "gen_ai.prompt")]


def _message(raw: Any, attribute: str) -> dict[str, Any]:
    raw = dict(mapping(raw))
    calls = listed(raw.pop("tool_calls", None))
    if "user" in raw and "role" not in raw:  # Legacy completions stand under the role's own name.
        raw = {"role": "user", "content": raw["user"]}
    raw["content"] = _content(raw.get("content"))
    raw["reasoning"] = thought(raw.get("reasoning"))
    spoken = from_openai(raw, attribute)
    if calls:
        spoken["tool_calls"] = [
            tool_call(call.get("id"), call.get("name"), call.get("arguments")) for call in map(mapping, calls)
        ]
        spoken["content"] = spoken["content"] or None
    return spoken


def _content(content: Any) -> Any:
    """Content that was a list of parts was written as JSON text."""
    if not isinstance(content, str) or not content.startswith('[{"'):
        return content
    try:
        parts = json.loads(content)
    except ValueError:
        return content
    return parts if all(isinstance(part, dict) and "type" in part for part in parts) else content


def _function(item: Pairs) -> list[dict[str, Any]]:
    return tools([mapping(nested(item))], "llm.request.functions")
