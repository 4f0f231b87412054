"""Histories that grow: agents send all that was said with every call, so what an earlier call told is not read again.

The last few histories of a thread are remembered. A text that begins as one of them did, up to the end of its last
message, takes its messages from there and parses the rest alone: the same messages, in time that goes with what is new.
Messages are shared between the calls that tell them, so nobody may change one.
"""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leyden_store.dialects._values import Pairs, decoded

Convert = Callable[[Any], Sequence[dict[str, Any]]]
"""An item of a history as messages."""

Shape = tuple[tuple[str, Convert], ...]
"""Under which keys of an object a history may stand, and what reads its items; the key "" is for a bare list. It is a
constant of its module: by it histories are told apart."""

_REMEMBERED = 8
"""Histories a thread keeps for each shape: agents that talk at once, and the odd short call between."""

_SPACES = " \t\n\r"
_SPACE = re.compile(f"[{_SPACES}]*")
_scan = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A history that was read: its text up to the end of its last item, the object's fields before it, its messages."""

    head: str
    fields: Mapping[str, Any]
    key: str
    convert: Convert
    messages: Sequence[dict[str, Any]]


class _Memory(threading.local):
    def __init__(self) -> None:
        self.texts: dict[Shape, deque[_Known]] = {}
        self.flat: dict[Convert, deque[tuple[list[Pairs], list[dict[str, Any]]]]] = {}


_memory = _Memory()


def read_text(text: str, shape: Shape) -> tuple[str, dict[str, Any], list[dict[str, Any]]] | None:
    """Read JSON text that is a list of items, or an object that holds one.

    Gives the key of the list, the object's other fields and the items' messages, or None where the text is no JSON of
    that shape. Raises what reading an item raises.
    """
    known = _memory.texts.get(shape)
    if known is None:
        known = _memory.texts[shape] = deque(maxlen=_REMEMBERED)
    found = None
    try:
        for earlier in known:
            if text.startswith(earlier.head):
                found = _continued(text, earlier)
                if found is not None:
                    break
        else:
            found = _begun(text, dict(shape))
    except (ValueError, IndexError):
        return None
    if found is None:
        return None
    history, rest = found
    if history.key in rest:  # Said twice: the last holds, which this way of reading does not find.
        return None
    if history not in known:
        known.appendleft(history)
    return history.key, {**history.fields, **rest}, list(history.messages)


def read_flat(items: list[Pairs], convert: Convert) -> list[dict[str, Any]]:
    """Read what came flattened (messages, tool definitions) with a function of its own for each kind."""
    known = _memory.flat.setdefault(convert, deque(maxlen=_REMEMBERED))
    messages: list[dict[str, Any]] = []
    told = 0
    for earlier, read in known:
        if earlier == items[: len(earlier)]:
            messages, told = list(read), len(earlier)
            break
    for item in items[told:]:
        messages.extend(convert(item))
    known.appendleft((items, messages))
    return list(messages)


def _begun(text: str, shape: Mapping[str, Convert]) -> tuple[_Known, dict[str, Any]] | None:
    """Read a text from its start."""
    at = _skip(text, 0)
    if "" in shape and text[at] == "[":
        return _listed(text, at, _Known("", {}, "", shape[""], ()))
    fields: dict[str, Any] = {}
    if text[at] != "{":
        return None
    at = _skip(text, at + 1)
    while text[at] == '"':
        name, at = _scan(text, at)
        at = _skip(text, at)
        if text[at] != ":":
            return None
        at = _skip(text, at + 1)
        if name in shape:
            return _listed(text, at, _Known("", fields, name, shape[name], ())) if text[at] == "[" else None
        fields[name], at = _scan(text, at)
        at = _skip(text, at)
        if text[at] != ",":
            return None
        at = _skip(text, at + 1)
    return None


def _continued(text: str, earlier: _Known) -> tuple[_Known, dict[str, Any]] | None:
    """Read what follows a head that is known; None where it goes on inside its last item."""
    at = _skip(text, len(earlier.head))
    if text[at] == ",":
        return _listed(text, at, earlier)
    if text[at] == "]":
        rest = _rest(text, at + 1, earlier.key)
        return None if rest is None else (earlier, rest)
    return None


def _listed(text: str, at: int, before: _Known) -> tuple[_Known, dict[str, Any]] | None:
    """Read items from the `[` or `,` before the first, and the fields after the list if an object holds it."""
    if not before.key:
        return _bare(text, at, before)
    messages = list(before.messages)
    first = text[at] == "["
    end = at = _skip(text, at + 1)
    while text[at] != "]" or not first:
        item, end = _scan(text, at)
        messages.extend(before.convert(item))
        first = True
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
            first = False
        elif text[at] != "]":
            return None
    rest = _rest(text, at + 1, before.key)
    return None if rest is None else (_Known(text[:end], before.fields, before.key, before.convert, messages), rest)


def _bare(text: str, at: int, before: _Known) -> tuple[_Known, dict[str, Any]] | None:
    """As `_listed`, where the list is all there is: its new items are parsed by one call."""
    items = decoded(f"[{text[at + 1 :]}")
    if not items and text[at] == ",":
        return None
    messages = list(before.messages)
    for item in items:
        messages += before.convert(item)
    head = text.rstrip(_SPACES)[:-1].rstrip(_SPACES)
    return _Known(head, before.fields, "", before.convert, messages), {}


def _rest(text: str, at: int, key: str) -> dict[str, Any] | None:
    """What follows the list: the object's further fields, else nothing."""
    at = _skip(text, at)
    if not key:
        return {} if at == len(text) else None
    if text[at] == "," and text[_skip(text, at + 1)] != '"':
        return None
    found: dict[str, Any] = json.loads("{" + text[at + (text[at] == ",") :])
    return found


def _skip(text: str, at: int) -> int:
    if text[at : at + 1] > " ":  # nothing to skip, as nearly always
        return at
    found = _SPACE.match(text, at)
    return found.end() if found else at
