"""Attribute values as dialects need them: JSON or structure alike, numbers that are numbers, nested keys rebuilt."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from json.scanner import make_scanner
from typing import Any

from leyden_store.spans import Attributes

Pairs = tuple[tuple[Any, ...], ...]
"""One item of a flattened list: (path, value) pairs."""


_decoder = json.JSONDecoder()
_scan = make_scanner(_decoder)  # type: ignore[arg-type]  # typeshed has it take itself


class Unreadable(Exception):
    """An LLM span's content is broken. `attribute` says where, `why` what is wrong with it."""

    def __init__(self, attribute: str, why: str) -> None:
        super().__init__(f"{attribute}: {why}")
        self.attribute = attribute
        self.why = why


def decoded(text: str) -> Any:
    """As `json.loads`, in half the time where no space stands around the value. Raises ValueError."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        return _decoder.decode(text)
    return value if end == len(text) else _decoder.decode(text)


def parsed(attributes: Attributes, key: str) -> Any:
    """The attribute's value, JSON text parsed; None where it is absent or empty.

    A span may hold JSON text where an event holds structure: both give the same. Raises Unreadable on broken JSON.
    """
    value = attributes.get(key)
    if isinstance(value, str):
        if not value:
            return None
        try:
            return decoded(value)
        except ValueError as error:
            raise Unreadable(key, f"no JSON ({error})") from None
    return value if value is None else plain(value)


def plain(value: Any) -> Any:
    """The value as JSON can hold it: bytes, which a part of a message may be, in base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def listed(value: Any) -> Sequence[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def parsed_or_text(attributes: Attributes, key: str) -> Any:
    """As `parsed`, but text that is no JSON is itself."""
    try:
        return parsed(attributes, key)
    except Unreadable:
        return plain(attributes[key])


def parsed_or_none(attributes: Attributes, key: str) -> Any:
    """As `parsed`, but broken JSON is None: for content that stands elsewhere on the span too."""
    try:
        return parsed(attributes, key)
    except Unreadable:
        return None


def text(value: Any) -> str | None:
    """A non-empty string, else None."""
    return value if isinstance(value, str) and value else None


def integer(value: Any) -> int | None:
    """A whole number, also where it was sent as a float or as digits; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) < 20 and value.isdecimal():
        return int(value)
    return None


def first(attributes: Attributes, *keys: str) -> Any:
    """The first of the keys that has a value."""
    for key in keys:
        value = attributes.get(key)
        if value is not None and value != "":
            return value
    return None


def integers(value: Any) -> list[int] | None:
    """Token ids, or None when it is no list of integers."""
    if isinstance(value, list | tuple) and set(map(type, value)) == {int}:
        return list(value)
    return None


_INDEXED = re.compile(r"(.+?)\.([0-9]{1,7})(?:\.(.*))?", re.DOTALL)


def flattened(attributes: Attributes, *prefixes: str) -> list[list[Pairs]]:
    """For each prefix, the items of the list that was flattened into `prefix.{i}.a.b` keys, in order, gaps closed.

    A value of another type than text is followed by its type, so that 1 and True are told apart.
    """
    found: dict[str, dict[int, list[tuple[Any, ...]]]] = {prefix: {} for prefix in prefixes}
    for key, value in attributes.items():
        split = _split(key)
        if split is None:
            continue
        prefix, index, path = split
        items = found.get(prefix)
        if items is not None:
            pair = (path, value) if type(value) is str else (path, value, type(value))
            items.setdefault(index, []).append(pair)
    return [[tuple(items[index]) for index in sorted(items)] for items in found.values()]


@lru_cache(maxsize=16384)
def _split(key: str) -> tuple[str, int, str] | None:
    """A key at its first index. Few are ever new: the same stand on every span."""
    match = _INDEXED.fullmatch(key)
    return None if match is None else (match[1], int(match[2]), match[3] or "")


def unflatten_any(attributes: Attributes, prefix: str) -> Any:
    """Rebuild the list or object that was flattened into keys under the prefix.

    Every step that is digits is a list index, every other a key. Where a key has both a value and children
    (`x` and `x.y`), the children stand under the value's key and the value under "".
    """
    start = len(prefix) + 1
    dotted = prefix + "."
    return nested((key[start:], value) for key, value in attributes.items() if key.startswith(dotted))


def nested(pairs: Iterable[Sequence[Any]]) -> Any:
    """Rebuild the list or object from its keys (`0.a.b`) and values, as `unflatten_any` does."""
    tree: dict[str, Any] = {}
    flat = True
    for key, found, *_ in pairs:
        value = found if type(found) is str else plain(found)
        if "." not in key and key not in tree:
            tree[key] = value
            continue
        flat = False
        node = tree
        *steps, last = key.split(".")
        for step in steps:
            child = node.get(step)
            if not isinstance(child, dict):
                child = {} if child is None else {"": child}
                node[step] = child
            node = child
        existing = node.get(last)
        if isinstance(existing, dict):
            existing[""] = value
        else:
            node[last] = value
    return tree if flat and not _is_list(tree) else _fold_lists(tree)


def _fold_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if _is_list(node):
        return [_fold_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _fold_lists(value) for key, value in node.items()}


def _is_list(node: dict[str, Any]) -> bool:
    return bool(node) and next(iter(node)).isdecimal() and all(key.isdecimal() for key in node)


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
