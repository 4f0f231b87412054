"""The rules in `replies.json`: what is said when, whatever API carries it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RULES = Path(__file__).with_name("replies.json")


@dataclass(frozen=True)
class Call:
    """A tool call of a reply. arguments: the exact JSON text."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Reply:
    """What the model says: words, or calls of tools, or both."""

    text: str
    calls: tuple[Call, ...] = ()


class Rules:
    """The rules of one file; `reply` answers a conversation, always the same way but for the ids of calls."""

    def __init__(self, path: Path = RULES) -> None:
        self._rules: list[dict[str, Any]] = json.loads(path.read_text())

    def reply(self, last: str, tools: Iterable[str], number: int) -> Reply:
        """The first rule whose `when` is found in the last message and whose tools are all offered.

        number: counts requests, and makes the ids of calls unique
        LookupError when no rule fits.
        """
        offered = set(tools)
        for rule in self._rules:
            calls = rule.get("calls", [])
            if re.search(rule["when"], last) and {c["name"] for c in calls} <= offered:
                made = (Call(f"call_{number}_{i}", c["name"], c["arguments"]) for i, c in enumerate(calls))
                return Reply(rule.get("say", ""), tuple(made))
        raise LookupError(f"no rule for {last[:200]!r} with the tools {sorted(offered)}")


def text_of(content: Any) -> str:
    """The text in a message's content, in any of the three APIs' shapes."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(filter(None, map(text_of, content)))
    if isinstance(content, dict):
        return text_of(content.get("text") or content.get("content") or content.get("output") or "")
    return ""


def ids_of(text: str) -> list[int]:
    """Token ids as this server counts: bytes."""
    return list(text.encode())


def pieces(text: str) -> list[str]:
    """A text in the pieces it is streamed in."""
    return re.findall(r".{1,12}", text, re.DOTALL)
