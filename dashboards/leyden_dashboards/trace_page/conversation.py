"""A rollout as a conversation: each message said once, in order, with the turn that said it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leyden_dashboards.trace_page.wording import pretty
from leyden_store.turns import Message, Rollout, Turn

_IMAGE = ("data:image/png;base64,", "data:image/jpeg;base64,", "data:image/gif;base64,", "data:image/webp;base64,")
"""Images that are shown: those that came with the message. Others are named, not fetched."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message: text, an image's data URL, or a tool call's arguments."""

    kind: str
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """One message. turn: the LLM call whose reply it is; None for what it was told."""

    role: str
    parts: Sequence[Part]
    turn: Turn | None = None


def conversation(rollout: Rollout) -> Iterator[Said]:
    """The messages of the turns, in order; what an earlier turn held already is not said again."""
    seen: set[str] = set()
    for turn in rollout.turns:
        for message in turn.messages:
            key = _key(message)
            if key not in seen:
                seen.add(key)
                yield Said(str(message.get("role", "")), tuple(_parts(message)))
        for reply in filter(None, (turn.response, *turn.choices)):
            seen.add(_key(reply))
            yield Said("assistant", tuple(_parts(reply)), turn)
        if turn.response is None:
            yield Said("assistant", (Part("note", turn.error or "no reply was recorded"),), turn)


def shared(a: Sequence[Said], b: Sequence[Said]) -> int:
    """How many messages two conversations begin with alike: the next one is where they part."""
    alike = 0
    for one, other in zip(a, b, strict=False):
        if (one.role, one.parts) != (other.role, other.parts):
            break
        alike += 1
    return alike


def _key(message: Message) -> str:
    held = {name: value for name, value in message.items() if value and name in ("role", "content", "tool_calls")}
    if "tool_call_id" in message:
        held["tool_call_id"] = message["tool_call_id"]
    return json.dumps(held, sort_keys=True, default=str)


def _parts(message: Message) -> Iterator[Part]:
    if message.get("reasoning_content"):
        yield Part("reasoning", str(message["reasoning_content"]), "reasoning")
    content = message.get("content")
    for piece in content if isinstance(content, list) else [content]:
        if piece is not None and piece != "":
            yield _content(piece)
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        yield Part("call", pretty(function.get("arguments", "")), str(function.get("name", "")))
    if message.get("refusal"):
        yield Part("note", str(message["refusal"]), "refusal")


def _content(piece: Any) -> Part:
    if isinstance(piece, Mapping):
        if isinstance(piece.get("text"), str):
            return Part("text", piece["text"])
        image = piece.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else image
        if isinstance(url, str):
            return Part("image", url) if url.startswith(_IMAGE) else Part("note", url[:500], "image elsewhere")
    return Part("text", piece if isinstance(piece, str) else pretty(piece))
