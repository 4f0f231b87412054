"""Every text in an OTLP message, wherever it stands: attributes, arrays, nested kvlists, and JSON inside strings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Change = Callable[[str], str]
"""A text in, the text to keep out; equal when there is nothing to change."""

HIDDEN = re.compile(r"\\(?:u[0-9a-fA-F]{4}|/)")
"""Escapes of JSON that may stand for a character of a secret."""


def change_pairs(pairs: Iterable[KeyValue], change: Change) -> bool:
    """Change keys and values of attributes in place; whether anything changed."""
    changed = False
    for pair in pairs:
        if (key := change(pair.key)) != pair.key:
            pair.key, changed = key, True
        changed |= change_value(pair.value, change)
    return changed


def change_value(value: AnyValue, change: Change) -> bool:
    """Change a value in place: a number whose digits change becomes a text. Whether it changed."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        before = value.string_value
        after = change_text(before, change)
        if after == before:
            return False
        value.string_value = after
    elif kind == "int_value":
        if (after := change(str(value.int_value))) == str(value.int_value):
            return False
        value.string_value = after
    elif kind == "double_value":
        number = value.double_value
        if not number.is_integer() or abs(number) > 1e19 or (after := change(str(int(number)))) == str(int(number)):
            return False
        value.string_value = after
    elif kind == "bytes_value":
        text = value.bytes_value.decode(errors="surrogateescape")
        if (after := change_text(text, change)) == text:
            return False
        value.bytes_value = after.encode(errors="surrogateescape")
    elif kind == "array_value":
        return sum(change_value(item, change) for item in value.array_value.values) > 0  # all of them
    elif kind == "kvlist_value":
        return change_pairs(value.kvlist_value.values, change)
    else:
        return False
    return True


def change_text(text: str, change: Change) -> str:
    """Change a text; one that is JSON is changed inside, so that it stays JSON and no escape hides anything."""
    plain = change(text)
    if plain == text and HIDDEN.search(text) is None:
        return text
    tree = parse(text)
    if tree is None:
        if plain == text and (shown := change(unescaped := _unescaped(text))) != unescaped:
            return shown
        return plain
    changed = change_tree(tree, change)
    if changed == tree:
        return plain
    written = dump(changed)
    return change(written)


def change_tree(tree: Any, change: Change) -> Any:
    """A JSON value with its texts, keys and numbers changed; strings that are JSON again are changed inside."""
    if isinstance(tree, str):
        return change_text(tree, change)
    if isinstance(tree, dict):
        return {change(key): change_tree(item, change) for key, item in tree.items()}
    if isinstance(tree, list):
        return [change_tree(item, change) for item in tree]
    if isinstance(tree, int) and not isinstance(tree, bool):
        text = str(tree)
        return tree if (after := change(text)) == text else after
    return tree


def parse(text: str) -> Any:
    """The object or list that a text is as JSON, or a string in quotes; None when it is none."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def dump(tree: Any) -> str:
    """JSON as most SDKs write it."""
    return json.dumps(tree, ensure_ascii=False)


def _unescaped(text: str) -> str:
    """Text that is JSON cut short, its harmless escapes read: what is left hides nothing of ASCII."""

    def read(match: re.Match[str]) -> str:
        character = "/" if match[0] == "\\/" else chr(int(match[0][2:], 16))
        return character if character.isprintable() and character not in '"\\' else match[0]

    return HIDDEN.sub(read, text)
