"""What is said in a chat call, as OpenTelemetry's convention has it: from the request's body and from the reply.

What goes over the wire is all there is: reasoning, refusals, an image's detail, a message's name and the letters of
tool arguments are in it, some of which every instrumentation that writes messages itself leaves out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from leyden_instrumentation.attributes import plain

INPUT = "gen_ai.input.messages"
OUTPUT = "gen_ai.output.messages"
TOOLS = "gen_ai.tool.definitions"

Part = Mapping[str, Any]

_letters = json.JSONEncoder(ensure_ascii=False, default=plain).encode
_ascii = json.JSONEncoder(default=plain).encode


def written(value: Any) -> str:
    """The value as JSON text; half a surrogate pair, which no UTF-8 holds, as its escape."""
    text = _letters(value)
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        return _ascii(value)
    return text


def of_request(body: Mapping[str, Any]) -> dict[str, str]:
    """The attributes that tell what a chat request says: its messages, and the tools it offers."""
    found = {INPUT: written([_asked(message) for message in _mappings(body.get("messages"))])}
    tools = [_definition(tool) for tool in _mappings(body.get("tools"))]
    tools += [{"type": "function", **function} for function in _mappings(body.get("functions"))]
    return found | {TOOLS: written(tools)} if tools else found


def of_embedding(body: Mapping[str, Any]) -> dict[str, str]:
    """The attribute that tells which texts a request has embedded; token ids, which some send instead, are none."""
    given = body.get("input")
    texts = [text for text in (given if isinstance(given, list | tuple) else [given]) if isinstance(text, str)]
    messages = [{"role": "user", "parts": [{"type": "text", "content": text}]} for text in texts]
    return {INPUT: written(messages)} if messages else {}


def of_response(reply: Mapping[str, Any]) -> dict[str, str]:
    """The attribute that tells what a reply of the Responses API says: its items, as parts of one message."""
    parts = [part for item in _mappings(reply.get("output")) for part in _parts_of_item(item)]
    reason = "tool_call" if any(part.get("type") == "tool_call" for part in parts) else "stop"
    if reply.get("status") == "incomplete":
        cut = (reply.get("incomplete_details") or {}).get("reason")
        reason = "content_filter" if cut == "content_filter" else "length"
    return {OUTPUT: written([{"role": "assistant", "parts": parts, "finish_reason": reason}])} if parts else {}


@dataclass(slots=True)
class Said:
    """What one choice of a reply says, added up: whole, or chunk by chunk.

    calls: by index, `id`, `name` and `arguments` to the letter
    """

    role: str = "assistant"
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    others: list[Any] = field(default_factory=list)
    finish_reason: str | None = None

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take in a message, or a delta of one."""
        spoken = message.get("content")
        if isinstance(spoken, str):
            self.text.append(spoken)
        elif spoken:
            self.others += spoken if isinstance(spoken, list) else [spoken]
        thought = message.get("reasoning_content") or message.get("reasoning")
        if isinstance(thought, str):
            self.reasoning.append(thought)
        if message.get("refusal"):
            self.refusal.append(str(message["refusal"]))
        calls = message.get("tool_calls")
        if calls:
            _read_calls(self.calls, calls)
        if message.get("function_call"):
            # The one call of old, which has no id.
            _read_calls(self.calls, [{"index": 0, "function": message["function_call"]}])

    def message(self) -> dict[str, Any]:
        """The message as the convention writes it."""
        parts: list[Part] = []
        if self.reasoning:
            parts.append({"type": "reasoning", "content": "".join(self.reasoning)})
        if text := "".join(self.text):
            parts.append({"type": "text", "content": text})
        parts += map(_content, _mappings(self.others))
        if self.refusal:
            parts.append({"type": "refusal", "content": "".join(self.refusal)})
        parts += [{"type": "tool_call", **call} for call in self.calls.values()]
        return {"role": self.role, "parts": parts, "finish_reason": _reason(self.finish_reason)}


def of_choices(choices: Mapping[int, Said]) -> dict[str, str]:
    """The attribute that tells what a reply's choices say, as far as they came."""
    return {OUTPUT: written([said.message() for _, said in sorted(choices.items())])} if choices else {}


def _reason(reason: str | None) -> str | None:
    return "tool_call" if reason in ("tool_calls", "function_call") else reason


def _asked(message: Mapping[str, Any]) -> dict[str, Any]:
    role, spoken = message.get("role"), message.get("content")
    if len(message) == 2 and isinstance(spoken, str) and role != "tool":  # as most are
        return {"role": role, "parts": [{"type": "text", "content": spoken}]}
    parts: list[Part] = []
    if role in ("tool", "function"):
        parts.append({"type": "tool_call_response", "id": message.get("tool_call_id"), "response": spoken})
        return {"role": "tool", "parts": parts}
    said = Said()
    said.hear({**message, "content": None})
    if isinstance(spoken, str):
        parts.append({"type": "text", "content": spoken})
    elif spoken:
        parts += map(_content, _mappings(spoken))
    found = said.message()["parts"]
    # Reasoning comes before what is said, all else after it.
    ahead = [part for part in found if part["type"] == "reasoning"]
    asked = {"role": role, "parts": [*ahead, *parts, *(part for part in found if part["type"] != "reasoning")]}
    return asked | {"name": message["name"]} if message.get("name") else asked


def _content(part: Mapping[str, Any]) -> Part:
    """A content part of OpenAI's; one that the convention has no words for stays as it is."""
    kind = part.get("type")
    if kind in ("text", "output_text"):
        return {"type": "text", "content": part.get("text")}
    if kind == "refusal":
        return {"type": "refusal", "content": part.get("refusal")}
    if kind == "image_url" and isinstance(part.get("image_url"), Mapping):
        return _image(part["image_url"])
    if kind == "input_audio" and isinstance(part.get("input_audio"), Mapping):
        audio = part["input_audio"]
        mime = {"mp3": "audio/mpeg"}.get(audio.get("format"), f"audio/{audio.get('format')}")
        return {"type": "blob", "modality": "audio", "mime_type": mime, "content": audio.get("data")}
    return part


def _image(image: Mapping[str, Any]) -> Part:
    url = str(image.get("url"))
    detail = {"detail": image["detail"]} if image.get("detail") else {}
    mime, encoded, data = url.removeprefix("data:").partition(";base64,")
    if url.startswith("data:") and encoded:
        return {"type": "blob", "modality": "image", "mime_type": mime, "content": data, **detail}
    return {"type": "uri", "modality": "image", "uri": url, **detail}


def _definition(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = tool.get("function")
    return {"type": "function", **function} if isinstance(function, Mapping) else tool


def _parts_of_item(item: Mapping[str, Any]) -> Iterator[Part]:
    kind = item.get("type")
    if kind == "message":
        yield from map(_content, _mappings(item.get("content")))
    elif kind == "function_call":
        call = {"id": item.get("call_id"), "name": item.get("name"), "arguments": item.get("arguments")}
        yield {"type": "tool_call", **call}
    elif kind == "reasoning":
        texts = [str(p.get("text")) for p in _mappings(item.get("content")) or _mappings(item.get("summary"))]
        if texts:
            yield {"type": "reasoning", "content": "\n".join(texts)}
    else:
        yield item


def _read_calls(calls: dict[int, dict[str, str]], parts: Any) -> None:
    """Add up tool calls; a stream sends id and name once and the arguments in pieces."""
    for position, part in enumerate(parts):
        call = calls.setdefault(part.get("index", position), {"id": "", "name": "", "arguments": ""})
        function = part.get("function") or part.get("custom") or {}
        call["id"] = part.get("id") or call["id"]
        call["name"] = function.get("name") or call["name"]
        call["arguments"] += function.get("arguments") or function.get("input") or ""


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    """The mappings of a list. What a program hands over as objects of its client's is read as what they are sent as."""
    if not isinstance(value, list | tuple):
        return []
    made = (one if isinstance(one, dict) else plain(one) for one in value if not isinstance(one, str))
    return [one for one in made if isinstance(one, Mapping)]
