"""Messages of every shape made OpenAI chat messages: the one shape turns have.

The rules that make captures of one conversation equal: a lone text part is a string; an assistant message that says
nothing has content None when it calls tools, refuses or only reasons, and "" otherwise; arguments are the exact string
where it was captured, else the parsed value written by `json.dumps`; a tool message names its call, not its function.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

from leyden_store.dialects._values import Unreadable, mapping, text

_FINISH = {
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
}


def finish_reason(value: Any) -> str | None:
    """A finish reason under OpenAI's name; one we do not know is kept, none or "" is None."""
    if not isinstance(value, str) or not value:
        return None
    return _FINISH.get(value) or _FINISH.get(value.lower()) or (value.lower() if value.isupper() else value)


def arguments(value: Any) -> str:
    """Tool-call arguments as a string: exact where they were a string, else the value as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return "{}"
    return json.dumps(value, ensure_ascii=False)


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


def _is_text(part: Any) -> TypeGuard[Mapping[str, str]]:
    return isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)


def content_part(part: Any) -> Any:
    """One content part of any shape as OpenAI's; an unknown one is kept as it came."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, Mapping):
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
    details = dict(found) if isinstance(found, Mapping) else {"url": found}
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
        return {"type": "image_url", "image_url": {"url": uri}}
    return {key: value for key, value in part.items() if value is not None}


def _blob(part: Mapping[str, Any]) -> Any:
    mime = str(part.get("mime_type") or "")
    modality = part.get("modality") or mime.partition("/")[0]
    if modality == "image":
        return {"type": "image_url", "image_url": {"url": f"data:{mime or 'image/png'};base64,{part['content']}"}}
    if modality == "audio":
        audio_format = {"mpeg": "mp3", "x-wav": "wav"}.get(mime.partition("/")[2], mime.partition("/")[2] or "wav")
        return {"type": "input_audio", "input_audio": {"data": part["content"], "format": audio_format}}
    return {key: value for key, value in part.items() if value is not None}


def from_parts(raw: Any, attribute: str) -> list[dict[str, Any]]:
    """An OpenTelemetry GenAI message (`{role, parts[], name?}`) as chat messages: usually one.

    Several when it carries several tool results, each of which is a message of its own to OpenAI.
    Raises Unreadable when it is no message.
    """
    if not isinstance(raw, Mapping):
        raise Unreadable(attribute, f"a message is a {type(raw).__name__}, not an object")
    if "parts" not in raw:
        return [from_openai(raw, attribute)]
    role = str(raw.get("role") or "user")
    results: list[dict[str, Any]] = []
    content: list[Any] = []
    calls: list[dict[str, Any]] = []
    reasoning: list[str] = []
    refusal: str | None = None
    parts = raw["parts"]
    if not isinstance(parts, Sequence) or isinstance(parts, str):
        raise Unreadable(attribute, "a message's parts are no list")
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "tool_call":
            calls.append(tool_call(part.get("id"), part.get("name"), part.get("arguments")))
        elif kind == "tool_call_response":
            result = part.get("response", part.get("result"))
            results.append(message("tool", tool_result(result), tool_call_id=part.get("id")))
        elif kind in ("reasoning", "thinking"):
            reasoning.append(str(part.get("content") or part.get("text") or ""))
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


def tool_result(value: Any) -> Any:
    """A tool's result as message content: text as it is, content parts as parts, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "type" in item for item in value):
        return [content_part(item) for item in value]
    return json.dumps(value, ensure_ascii=False)


def from_openai(raw: Any, attribute: str) -> dict[str, Any]:
    """An OpenAI chat message as it went over the wire, nulls and wire-only fields dropped.

    Raises Unreadable when it is no message.
    """
    if not isinstance(raw, Mapping):
        raise Unreadable(attribute, f"a message is a {type(raw).__name__}, not an object")
    role = str(raw.get("role") or "assistant")
    content = raw.get("content")
    refusal = text(raw.get("refusal"))
    if isinstance(content, Sequence) and not isinstance(content, str):
        refused = [p.get("refusal") for p in content if isinstance(p, Mapping) and p.get("type") == "refusal"]
        refusal = refusal or (text(refused[0]) if refused else None)
        content = [content_part(p) for p in content if not (isinstance(p, Mapping) and p.get("type") == "refusal")]
    elif content is not None and not isinstance(content, str):
        content = json.dumps(content, ensure_ascii=False)
    result = message(
        role,
        content,
        tool_calls=[_openai_tool_call(call) for call in raw.get("tool_calls") or ()],
        tool_call_id=text(raw.get("tool_call_id")),
        name=raw.get("name"),
        reasoning=text(raw.get("reasoning_content")) or text(raw.get("reasoning")),
        refusal=refusal,
    )
    legacy = raw.get("function_call")
    if isinstance(legacy, Mapping) and legacy.get("name"):
        result["function_call"] = {"name": legacy["name"], "arguments": arguments(legacy.get("arguments"))}
        result["content"] = result["content"] or None
    return result


def _openai_tool_call(call: Any) -> dict[str, Any]:
    call = mapping(call)
    function = mapping(call.get("function"))
    if not function and call.get("type") == "custom":
        return {key: value for key, value in call.items() if value is not None and key != "index"}
    return tool_call(call.get("id"), function.get("name"), function.get("arguments"))


def from_response_items(items: Any, attribute: str) -> list[dict[str, Any]]:
    """Items of the Responses API as chat messages; what one assistant turn said and called is one message."""
    if isinstance(items, str):
        return [message("user", items)]
    if not isinstance(items, Sequence):
        raise Unreadable(attribute, "the input is neither text nor a list of items")
    return join_assistant([_response_item(item, attribute) for item in items])


def _response_item(item: Any, attribute: str) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise Unreadable(attribute, f"an item is a {type(item).__name__}, not an object")
    kind = item.get("type")
    if kind == "function_call":
        call = tool_call(item.get("call_id") or item.get("id"), item.get("name"), item.get("arguments"))
        return message("assistant", None, tool_calls=[call])
    if kind == "function_call_output":
        return message("tool", tool_result(item.get("output")), tool_call_id=item.get("call_id"))
    if kind == "reasoning":
        thoughts = [*(item.get("summary") or ()), *(item.get("content") or ())]
        return message("assistant", None, reasoning="\n".join(str(mapping(t).get("text") or "") for t in thoughts))
    if "role" in item:
        return from_openai(item, attribute)
    return message("assistant", [{key: value for key, value in item.items() if value is not None}])


def join_assistant(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join neighbouring assistant messages into one: the Responses API lists what one turn did item by item."""
    joined: list[dict[str, Any]] = []
    for current in messages:
        if current["role"] != "assistant" or not joined or joined[-1]["role"] != "assistant":
            joined.append(current)
            continue
        before = joined[-1]
        reasoning = [m["reasoning_content"] for m in (before, current) if m.get("reasoning_content")]
        joined[-1] = message(
            "assistant",
            [*_parts_of(before["content"]), *_parts_of(current["content"])],
            tool_calls=[*before.get("tool_calls", ()), *current.get("tool_calls", ())],
            name=before.get("name") or current.get("name"),
            reasoning="\n".join(reasoning) or None,
            refusal=before.get("refusal") or current.get("refusal"),
        )
    return joined


def _parts_of(content: Any) -> list[Any]:
    if not content:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def join_tool_ids(messages: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Give calls the ids their results name, by order, where a capture wrote two different ids for one call.

    Touches only calls that no result names, and only while as many results name no call. Gives the messages and what was
    renamed: id as captured → id as joined.
    """
    result = list(messages)
    renamed: dict[str, str] = {}
    for at, current in enumerate(result):
        calls = current.get("tool_calls")
        if not calls:
            continue
        until = at + 1
        while until < len(result) and result[until]["role"] == "tool":
            until += 1
        answered = [answer["tool_call_id"] for answer in result[at + 1 : until]]
        known = {call["id"] for call in calls}
        loose = [call_id for call_id in answered if call_id not in known]
        open_calls = [call["id"] for call in calls if call["id"] not in answered]
        if loose and len(loose) <= len(open_calls):
            renamed |= dict(zip(open_calls, loose, strict=False))
            result[at] = rename_tool_calls(current, renamed)
    return result, renamed


def rename_tool_calls(spoken: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """The message with its tool calls' ids replaced where `ids` says by what."""
    return {**spoken, "tool_calls": [{**call, "id": ids.get(call["id"], call["id"])} for call in spoken["tool_calls"]]}
