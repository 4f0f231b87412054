"""Text from tokens one at a time, and from text what may be said already.

A token may hold part of a character, and a reply's last words may turn out to begin a stop text or a tool call: such
are held back until it is clear what they are. What is said piece by piece adds up to what is said at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from leyden_trainers.policy_server import tool_calls
from leyden_trainers.policy_server.tool_calls import ToolCall

_BROKEN = "\N{REPLACEMENT CHARACTER}"


class Detokenizer:
    """The text of a growing list of ids, in pieces of whole characters."""

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []
        # Tokenizers strip or join at the edges: a piece is what a window's text gains, the window beginning one piece
        # before it.
        self._window = self._read = 0

    def add(self, token_id: int) -> str:
        """The text that this token completes; "" where a character is still incomplete."""
        self._ids.append(token_id)
        gained = self._gained()
        if not gained or gained.endswith(_BROKEN):
            return ""
        self._window, self._read = self._read, len(self._ids)
        return gained

    def rest(self) -> str:
        """What is held back, a broken character included: for the end."""
        gained = self._gained()
        self._read = len(self._ids)
        return gained

    def _gained(self) -> str:
        before = self._decode(self._ids[self._window : self._read]) if self._read else ""
        return self._decode(self._ids[self._window :])[len(before) :]


class StopWatch:
    """Whether a response has come to a stop text; called with the ids so far, after each."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str]) -> None:
        self._words = Detokenizer(decode)
        self._stops = stops
        self._longest = max(map(len, stops))
        self._tail = ""

    def __call__(self, ids: Sequence[int]) -> bool:
        piece = self._words.add(ids[-1])
        text = self._tail + piece
        self._tail = text[-self._longest :]
        return bool(piece) and any(stop in text for stop in self._stops)


class Speech:
    """What of a reply's text may be said: nothing from a stop text on, and no tool call as text.

    tools: whether tool calls are looked for
    """

    def __init__(self, stops: Sequence[str], *, tools: bool) -> None:
        self._stops = stops
        self._tools = tools
        self._marks = [*stops, tool_calls.OPENING] if tools else list(stops)
        self._text = ""
        self._said = 0

    def add(self, piece: str) -> str:
        """What may be said now that this has come."""
        self._text += piece
        until = min([len(self._text), *(_clear_of(self._text, mark, self._said) for mark in self._marks)])
        if self._tools:  # white space before a call is no part of the content
            until = self._said + len(self._text[self._said : until].rstrip())
        said, self._said = self._text[self._said : until], until
        return said

    def end(self) -> tuple[str, list[ToolCall]]:
        """What is left to say, and the tool calls."""
        content, calls = spoken(self._text, self._stops, tools=self._tools)
        return content[self._said :], calls


def spoken(text: str, stops: Sequence[str], *, tools: bool) -> tuple[str, list[ToolCall]]:
    """A whole reply's content, up to the first stop text, and its tool calls."""
    ends = [place for place in (text.find(stop) for stop in stops) if place >= 0]
    text = text[: min(ends)] if ends else text
    return tool_calls.parse(text) if tools else (text, [])


def _clear_of(text: str, mark: str, start: int) -> int:
    """The end of the part of the text, from `start` on, that holds no part of what is or may become the mark."""
    place = text.find(mark, start)
    if place >= 0:
        return place
    for size in range(min(len(mark) - 1, len(text) - start), 0, -1):
        if mark.startswith(text[-size:]):
            return len(text) - size
    return len(text)
