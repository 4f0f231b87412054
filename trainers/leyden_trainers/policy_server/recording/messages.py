"""OpenAI's messages in the shape of OpenTelemetry's GenAI convention: a role and parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leyden_trainers.policy_server.recording.telling import Choice
from leyden_trainers.policy_server.recording.values import mapping, mappings, text

Message = dict[str, Any]


def prompts(path: str, body: Mapping[str, Any]) -> list[list[Message]]:
    """What a request says to the model, one list of messages a prompt. Ids alone are an empty one."""
    if path == "/chat/completions":
        return [[_message(given) for given in mappings(body.get("messages"))]]
    if path == "/responses":
        return [items(body.get("input"), body.get("instructions"))]
    if path == "/embeddings":
        return [[]]
    prompt = body.get("prompt")
    several = prompt if isinstance(prompt, list) and not all(isinstance(token, int) for token in prompt) else [prompt]
    return [[_text("user", one)] if isinstance(one, str) else [] for one in several]


def output(choice: Choice) -> Message:
    """One choice of a reply."""
    parts: list[Message] = []
    if choice.reasoning:
        parts.append({"type": "reasoning", "content": choice.reasoning})
    if choice.content:
        parts.append({"type": "text", "content": choice.content})
    if choice.refusal:
        parts.append({"type": "refusal", "content": choice.refusal})
    parts += [{"type": "tool_call", **call} for call in choice.calls.values()]
    return {"role": "assistant", "parts": parts, "finish_reason": choice.finish_reason or ""}


def items(given: Any, instructions: Any = None) -> list[Message]:
    """The items of the Responses API, sent or received."""
    said = [_text("system", instructions)] if isinstance(instructions, str) and instructions else []
    if isinstance(given, str):
        return [*said, _text("user", given)]
    return said + [_item(item) for item in mappings(given)]


def _item(item: Mapping[str, Any]) -> Message:
    kind = item.get("type")
    if kind == "function_call":
        call = {"id": item.get("call_id"), "name": item.get("name"), "arguments": item.get("arguments")}
        return {"role": "assistant", "parts": [{"type": "tool_call", **call}]}
    if kind == "function_call_output":
        return {"role": "tool", "parts": [_result(item.get("call_id"), item.get("output"))]}
    if kind == "reasoning":
        thought = "\n".join(text(part.get("text")) for part in mappings(item.get("summary")))
        return {"role": "assistant", "parts": [{"type": "reasoning", "content": thought}]}
    return _message(item)


def _message(given: Mapping[str, Any]) -> Message:
    role, content = str(given.get("role") or "assistant"), given.get("content")
    if role == "tool":
        return {"role": role, "parts": [_result(given.get("tool_call_id"), content)]}
    parts: list[Any] = []
    if thought := given.get("reasoning_content") or given.get("reasoning"):
        parts.append({"type": "reasoning", "content": thought})
    parts += [{"type": "text", "content": content}] if isinstance(content, str) and content else _parts(content)
    for call in mappings(given.get("tool_calls")):
        function = mapping(call.get("function"))
        made = {"id": call.get("id"), "name": function.get("name"), "arguments": function.get("arguments")}
        parts.append({"type": "tool_call", **made})
    return {"role": role, "parts": parts} | ({"name": given["name"]} if given.get("name") else {})


def _parts(content: Any) -> list[Any]:
    """Text parts under the convention's name; images and the like, for which it has none of OpenAI's, as they are."""
    return [{"type": "text", "content": part["text"]} if "text" in part else part for part in mappings(content)]


def _result(call_id: Any, content: Any) -> Message:
    return {"type": "tool_call_response", "id": call_id, "response": content}


def _text(role: str, content: str) -> Message:
    return {"role": role, "parts": [{"type": "text", "content": content}]}
