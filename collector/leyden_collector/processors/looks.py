"""A look at the bytes of a request: which secrets may be in it at all. Most requests hold none and cost no more."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from functools import partial

from leyden_collector.processors.secrets import BUILTIN, Secret

Look = Callable[[bytes, bytes], bool]
"""The encoded request and the same in lower case; whether the secret may be in it."""

HIDDEN_BYTES = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|/)")
"""Escapes of JSON, which may stand for a character of any secret."""

HEADER_MARKS = (b"cookie", b"authorization", b"api_key", b"api-key", b"apikey", b"api.key")
"""What is in every name of an attribute that is a secret whole."""

_EMAIL = re.compile(rb"@[A-Za-z0-9-]+\.[A-Za-z0-9]")
_VARINT = re.compile(rb"\x18([\x80-\xff]{5,8}[\x00-\x7f])")
_DOUBLE = re.compile(rb"\x21(.{7}[\x42\x43])", re.DOTALL)
"""A number of card's size behind the tag of an int or a double: AnyValue's fields 3 and 4."""


def _marked(marks: tuple[bytes, ...], _body: bytes, lower: bytes) -> bool:
    return any(mark in lower for mark in marks)


def _mailed(body: bytes, _lower: bytes) -> bool:
    return _EMAIL.search(body) is not None


def _carded(pattern: re.Pattern[bytes], valid: Callable[[str], bool], body: bytes, _lower: bytes) -> bool:
    at = 0
    while found := pattern.search(body, at):
        if valid(found[0].decode()):
            return True
        at = found.start() + 1
    numbers = [_varint(found[1]) for found in _VARINT.finditer(body)]
    doubles = [struct.unpack("<d", found[1])[0] for found in _DOUBLE.finditer(body)]
    numbers += [int(double) for double in doubles if double.is_integer()]
    return any(valid(str(number)) for number in numbers)


def _varint(encoded: bytes) -> int:
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(encoded))


def _look(name: str, secret: Secret) -> Look:
    if name == "emails":
        return _mailed
    if name == "cards":
        return partial(_carded, re.compile(secret.pattern.pattern.encode()), secret.valid)
    return partial(_marked, tuple(mark.encode() for mark in secret.marks))


LOOKS = {name: [(_look(name, secret), secret) for secret in secrets] for name, secrets in BUILTIN.items()}
