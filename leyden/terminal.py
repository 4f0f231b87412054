"""What people are told. Text of spans may hold anything, and a terminal obeys what it is sent."""

from __future__ import annotations

import sys

_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
"""Control characters (ECMA-48's C0 and C1) to the pictures Unicode has of them. Lines and tabs do no harm."""
del _PICTURES[ord("\n")], _PICTURES[ord("\t")]


def visible(text: str) -> str:
    """The text with control characters shown, not sent: what an agent read sets no colour, title or clipboard."""
    return text.translate(_PICTURES)


def say(text: str) -> None:
    """Print a line or more: as it is into a pipe or a file, `visible` in a terminal."""
    print(visible(text) if sys.stdout.isatty() else text)
