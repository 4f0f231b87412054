"""Messages of every shape made OpenAI chat messages: the one shape turns have.

The rules that make captures of one conversation equal: a lone text part is a string; an assistant message that says
nothing has content None when it calls tools, refuses or only reasons, and "" otherwise; arguments are the exact string
where it was captured, else the parsed value written by `json.dumps`; a tool message names its call, not its function.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from leyden_store.dialects._values import Unreadable, listed, mapping, plain, text

_FINISH = {
    "stop": "stop",
    "length": "length",
    "tool_call": "tool_calls",
    "tool_calls": "tool_calls",
    "tool-calls": "tool_calls",
    "tool_use": "tool_calls",
    "toolUse": "tool_calls",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "complete": "stop",
    "eos": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "incomplete": "length",
    "content-filter": "content_filter",
    "safety": "content_filter",
    "function_call": "tool_calls",
}
as_json = json.JSONEncoder(ensure_ascii=False, default=plain).encode
"""A value as JSON text, letters as they are."""

_NO_REASONS = frozenset({"error", "unknown"})
"""What some write for a call that did not finish; the turn's status says that."""


def finish_reason(value: Any) -> str | None:
    """A finish reason under OpenAI's name; one we do not know is kept, none or "" is None."""
    if not isinstance(value, str) or not value or value in _NO_REASONS:
        return None
    return _FINISH.get(value) or _FINISH.get(value.lower()) or (value.lower() if value.isupper() else value)


def arguments(value: Any) -> str:
    """Tool-call arguments as a string: exact where they were a string, else the value as JSON; none at all is `{}`."""
    if isinstance(value, str):
        return value or "{}"
    if value is None:
        return "{}"
    return as_json(value)


def tool_call(call_id: Any, name: Any, args: Any) -> dict[str, Any]:
    """One entry of `tool_calls`."""
    return {
        "id": call_id if isinstance(call_id, str) else "",
        "type": "function",
        "function": {"name": name if isinstance(name, str) else "", "arguments": arguments(args)},
    }


def message(
    role: str,
    content: Sequence[Any] | str | None,
    *,
    tool_calls: Sequence[Mapping[str, Any]] = (),
    tool_call_id: str | None = None,
    name: Any = None,
    reasoning: str | None = None,
    refusal: str | None = None,
) -> dict[str, Any]:
    """Put a message together; `content` is a string or OpenAI content parts."""
    spoken = _content(content)
    if spoken in (None, "") and role == "assistant":
        spoken = None if tool_calls or refusal or reasoning else ""
    result: dict[str, Any] = {"role": role, "content": "" if spoken is None and role != "assistant" else spoken}
    if reasoning:
        result["reasoning_content"] = reasoning
    if refusal:
        result["refusal"] = refusal
    if tool_calls:
        result["tool_calls"] = list(tool_calls)
    if role == "tool":
        result["tool_call_id"] = tool_call_id or ""
    elif isinstance(name, str) and name:
        result["name"] = name
    return result


def _content(content: Sequence[Any] | str | None) -> Any:
    if content is None or isinstance(content, str):
        return content
    parts = [part for part in content if not (_is_text(part) and not part["text"])]
    if not parts:
        return "" if content else None
    if len(parts) == 1 and _is_text(parts[0]):
        return parts[0]["text"]
    return parts


def _is_text(part: Any) -> TypeGuard[dict[str, str]]:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def content_part(part: Any) -> Any:
    """One content part of any shape as OpenAI's; an unknown one is kept as it came."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    if kind in ("text", "input_text", "output_text"):
        spoken = part.get("text", part.get("content"))
        return {"type": "text", "text": spoken} if isinstance(spoken, str) else dict(part)
    if kind in ("image_url", "image", "input_image"):
        return _image(part)
    if kind == "uri" and isinstance(part.get("uri"), str):
        return _media(part, part["uri"])
    if kind == "blob" and isinstance(part.get("content"), str):
        return _blob(part)
    if kind in ("file", "input_file") and "file" not in part:
        known = {key: part[key] for key in ("file_id", "file_data", "filename") if part.get(key)}
        return {"type": "file", "file": known} if known else dict(part)
    return {key: value for key, value in part.items() if value is not None}


def _image(part: Mapping[str, Any]) -> Any:
    found = part.get("image_url", part.get("url"))
    details = dict(found) if isinstance(found, dict) else {"url": found}
    source = mapping(part.get("source"))
    if details.get("url") is None and source.get("data"):
        details["url"] = f"data:{source.get('media_type', 'image/png')};base64,{source['data']}"
    if details.get("url") is None and source.get("url"):
        details["url"] = source["url"]
    if details.get("url") is None:
        return dict(part)
    if part.get("detail"):
        details["detail"] = part["detail"]
    return {"type": "image_url", "image_url": {key: value for key, value in details.items() if value is not None}}


def _media(part: Mapping[str, Any], uri: str) -> Any:
    if part.get("modality") == "image" or str(part.get("mime_type") or "").startswith("image/"):
        return {"type": "image_url", "image_url": {"url": uri} | _detail(part)}
    return {key: value for key, value in part.items() if value is not None}


def _detail(part: Mapping[str, Any]) -> dict[str, Any]:
    """How closely a model is to look at an image; the convention has no word for it, OpenAI's stands beside."""
    return {"detail": part["detail"]} if part.get("detail") else {}


def _blob(part: Mapping[str, Any]) -> Any:
    mime = str(part.get("mime_type") or "")
    modality = part.get("modality") or mime.partition("/")[0]
    if modality == "image":
        url = f"data:{mime or 'image/png'};base64,{part['content']}"
        return {"type": "image_url", "image_url": {"url": url} | _detail(part)}
    if modality == "audio":
        audio_format = {"mpeg": "mp3", "x-wav": "wav"}.get(mime.partition("/")[2], mime.partition("/")[2] or "wav")
        return {"type": "input_audio", "input_audio": {"data": part["content"], "format": audio_format}}
    return {key: value for key, value in part.items() if value is not None}


def from_parts(raw: Any, attribute: str) -> list[dict[str, Any]]:
    """An OpenTelemetry GenAI message (`{role, parts[], name?}`) as chat messages: usually one.

    Several when it carries several tool results, each of which is a message of its own to OpenAI.
    Raises Unreadable when it is no message.
    """
    if not isinstance(raw, dict):
        raise Unreadable(attribute, f"a message is a {type(raw).__name__}, not an object")
    if "parts" not in raw:
        return [from_openai(raw, attribute)]
    role = str(raw.get("role") or "user")
    lone = _lone_text(raw["parts"]) if role != "tool" else None
    if lone is not None:  # as most messages are: what follows would say the same
        said = {"role": role, "content": lone}
        return [said | _named(raw)] if "name" in raw else [said]
    results: list[dict[str, Any]] = []
    content: list[Any] = []
    calls: list[dict[str, Any]] = []
    reasoning: list[str] = []
    refusal: str | None = None
    parts = raw["parts"]
    if not isinstance(parts, list | tuple) or isinstance(parts, str):
        raise Unreadable(attribute, "a message's parts are no list")
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "tool_call":
            calls.append(tool_call(part.get("id"), part.get("name"), part.get("arguments")))
        elif kind == "tool_call_response":
            result = part.get("response", part.get("result"))
            results.append(message("tool", tool_result(result), tool_call_id=part.get("id")))
        elif kind in ("reasoning", "thinking"):
            reasoning.append(thought(part.get("content") or part.get("text")))
        elif kind == "refusal":
            refusal = text(part.get("content") or part.get("refusal"))
        else:
            content.append(content_part(part))
    if results and not content and not calls:
        return results
    spoken = message(
        role,
        content,
        tool_calls=calls,
        name=raw.get("name"),
        reasoning="\n".join(reasoning) or None,
        refusal=refusal,
    )
    if role == "tool" and not results:
        spoken["tool_call_id"] = str(raw.get("tool_call_id") or raw.get("id") or "")
    return [*results, spoken]


def _lone_text(parts: Any) -> str | None:
    """The text where that is all the parts say."""
    if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict) and parts[0].get("type") == "text":
        spoken = parts[0].get("text", parts[0].get("content"))
        return spoken if isinstance(spoken, str) else None
    return None


def _named(raw: Mapping[str, Any]) -> dict[str, Any]:
    name = raw.get("name")
    return {"name": name} if isinstance(name, str) and name else {}


def thought(content: Any) -> str:
    """Reasoning as text, "" where there is none; a Responses API summary may have been written as JSON."""
    if isinstance(content, str) and content.startswith('[{"'):
        try:
            content = json.loads(content)
        except ValueError:
            return str(content)
    if isinstance(content, list):
        return "\n".join(str(mapping(item).get("text") or "") for item in content)
    return str(content or "")


def tool_result(value: Any) -> Any:
    """A tool's result as message content: text as it is, content parts as parts, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list) and value and all(isinstance(item, dict) and "type" in item for item in value):
        return [content_part(item) for item in value]
    return as_json(value)


def from_openai(raw: Any, attribute: str) -> dict[str, Any]:
    """An OpenAI chat message as it went over the wire, nulls and wire-only fields dropped.

    The `function_call` of old is a tool call without an id, and its `function` message a tool message.
    Raises Unreadable when it is no message.
    """
    if not isinstance(raw, dict):
        raise Unreadable(attribute, f"a message is a {type(raw).__name__}, not an object")
    role = str(raw.get("role") or "assistant")
    content = raw.get("content")
    refusal = text(raw.get("refusal"))
    if isinstance(content, list | tuple) and not isinstance(content, str):
        refused = [p.get("refusal") for p in content if isinstance(p, dict) and p.get("type") == "refusal"]
        refusal = refusal or (text(refused[0]) if refused else None)
        content = [content_part(p) for p in content if not (isinstance(p, dict) and p.get("type") == "refusal")]
    elif content is not None and not isinstance(content, str):
        content = as_json(content)
    calls = [_openai_tool_call(call) for call in listed(raw.get("tool_calls"))]
    legacy = mapping(raw.get("function_call"))
    if legacy.get("name") and not calls:
        calls = [tool_call("", legacy["name"], legacy.get("arguments"))]
    return message(
        "tool" if role == "function" else role,
        content,
        tool_calls=calls,
        tool_call_id=text(raw.get("tool_call_id")),
        name=raw.get("name"),
        reasoning=text(raw.get("reasoning_content")) or text(raw.get("reasoning")),
        refusal=refusal,
    )


def _openai_tool_call(call: Any) -> dict[str, Any]:
    call = mapping(call)
    function = mapping(call.get("function"))
    if not function and call.get("type") == "custom":
        return {key: value for key, value in call.items() if value is not None and key != "index"}
    return tool_call(call.get("id"), function.get("name"), function.get("arguments"))
