"""API keys: which texts are some, so that none of this process's leaves it, whatever it stands in.

Keys are known by the variable that holds them, by the client that uses them, and in short texts by their shape.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

REDACTED = "[redacted]"

_VARIABLE = re.compile(r"(?:API|ACCESS|SECRET|AUTH|PRIVATE)_?(?:KEY|TOKEN)|_TOKEN$|_SECRET$|PASSWORD", re.IGNORECASE)
_BEGINNINGS = ("sk", "rk", "pk", "gsk", "xai", "pplx", "r8", "hf", "ghp", "gho", "glpat")
_SHAPES = re.compile(
    rf"\b(?:{'|'.join(_BEGINNINGS)})[-_][\w-]{{16,}}|\bAIza[\w-]{{30,}}|\b[Bb]earer\s+[\w.~+/=-]{{8,}}"
    r"|\b[Bb]asic\s+[\w+/=]{8,}|(?<=uthorization['\"]: ['\"])[^'\"]+|(?<=pi-key['\"]: ['\"])[^'\"]+"
)
_MARKS = (*(start + end for start in _BEGINNINGS for end in "-_"), "AIza", "earer", "asic", "uthorization", "pi-key")
"""Text without one of these has no key's shape: a search for words takes a twentieth of the expression's time."""
_LONGEST = 4096
"""Characters; in longer texts, which are conversations, only keys of this process are looked for. Headers, arguments
and errors are shorter, and a scan for shapes costs a millisecond for every 10,000 characters.
"""
_SHORTEST = 8
"""Characters; what is shorter, such as `none`, is no secret and may be any word."""


class ApiKeys:
    """The keys of this process: those of its environment, and those that clients were made with."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        env = os.environ if env is None else env
        self._known: tuple[str, ...] = ()
        for name, value in env.items():
            if _VARIABLE.search(name):
                self.learn(value)

    def learn(self, key: object) -> None:
        """A key that the program uses."""
        if isinstance(key, str) and len(key) >= _SHORTEST and key not in self._known:
            # The longest first: one key may begin another.
            self._known = tuple(sorted({*self._known, key}, key=len, reverse=True))

    def hidden(self, text: str) -> str:
        """The text with every key in it replaced."""
        for key in self._known:
            if key in text:
                text = text.replace(key, REDACTED)
        if len(text) > _LONGEST or not any(mark in text for mark in _MARKS):
            return text
        return _SHAPES.sub(REDACTED, text)


keys = ApiKeys()
"""The process's."""
