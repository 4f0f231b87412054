"""OTLP/JSON traces written straight to protobuf's wire form: what exporters send, ten times as fast as by messages.

Only the usual is written here: the specification's field names, values of their own types. Anything else is Unusual,
and `leyden_store.otlp` reads it through protobuf's own JSON format, which knows every spelling and says what is wrong.
https://protobuf.dev/programming-guides/encoding/, field numbers of opentelemetry-proto 1.x.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

_fixed64, _double, _fixed32 = struct.Struct("<Q").pack, struct.Struct("<d").pack, struct.Struct("<I").pack


class Unusual(Exception):
    """Not written here."""


def traces(document: Mapping[str, Any]) -> bytes:
    """An ExportTraceServiceRequest as JSON → its bytes, as protobuf writes them. Raises Unusual."""
    try:
        return _message(document, _REQUEST)
    except (KeyError, TypeError, ValueError, AttributeError, struct.error, RecursionError) as error:
        raise Unusual from error


_Field = Callable[[Any], bytes]


def _message(value: Mapping[str, Any], fields: Mapping[str, _Field]) -> bytes:
    """The fields in the order of their numbers, which is that of `fields`; one that is not among them is a KeyError."""
    if type(value) is not dict:
        raise TypeError
    order = _ORDERS[id(fields)]
    return b"".join([fields[key](value[key]) for key in sorted(value, key=order.__getitem__)])


def _varint(number: int) -> bytes:
    if number < 0x80:
        return _SMALL[number]
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_SMALL = [bytes([n]) for n in range(0x80)]


def _long(tag: bytes, data: bytes) -> bytes:
    size = len(data)
    return tag + (_SMALL[size] if size < 0x80 else _varint(size)) + data


def _integer(value: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is str and value.isascii() and value.lstrip("-").isdigit():
        return int(value)
    raise TypeError


def _text(number: int) -> _Field:
    tag = bytes([number << 3 | 2])

    def write(value: Any) -> bytes:
        if type(value) is not str:
            raise TypeError
        return _long(tag, value.encode()) if value else b""

    return write


def _id(number: int) -> _Field:
    tag = bytes([number << 3 | 2])

    def write(value: Any) -> bytes:
        raw = bytes.fromhex(value)
        if len(value) != 2 * len(raw):
            raise ValueError
        return _long(tag, raw) if raw else b""

    return write


def _count(number: int, below: int = 1 << 32) -> _Field:
    tag = _varint(number << 3)

    def write(value: Any) -> bytes:
        if type(value) is not int or not 0 <= value < below:
            raise ValueError
        return tag + _varint(value) if value else b""

    return write


def _packed(tag: bytes, pack: Callable[[int], bytes]) -> _Field:
    def write(value: Any) -> bytes:
        number = _integer(value)
        return tag + pack(number) if number else b""

    return write


def _one(number: int, fields: Mapping[str, _Field]) -> _Field:
    tag = bytes([number << 3 | 2])
    return lambda value: _long(tag, _message(value, fields))


def _many(number: int, fields: Mapping[str, _Field]) -> _Field:
    tag = bytes([number << 3 | 2])

    def write(value: Any) -> bytes:
        if type(value) is not list:
            raise TypeError
        return b"".join([_long(tag, _message(item, fields)) for item in value])

    return write


def _attributes(number: int) -> _Field:
    tag = bytes([number << 3 | 2])

    def write(value: Any) -> bytes:
        if type(value) is not list:
            raise TypeError
        return b"".join([_long(tag, _pair(item)) for item in value])

    return write


def _pair(item: Any) -> bytes:
    key = item["key"]
    if len(item) > 2 or type(key) is not str:
        raise TypeError
    name = _usual_name(key) if len(key) < 64 else _name(key)
    return name + _long(b"\x12", _any(item["value"])) if len(item) == 2 else name


def _name(key: str) -> bytes:
    return _long(b"\x0a", key.encode()) if key else b""


_usual_name = lru_cache(4096)(_name)
"""Spans have the same few names over and over."""


def _any(value: Any) -> bytes:
    """An AnyValue: of a oneof even a default is written."""
    if len(value) != 1:
        if value == {}:
            return b""
        raise ValueError
    ((kind, content),) = value.items()
    if kind == "stringValue" and type(content) is str:
        return _long(b"\x0a", content.encode())
    if kind == "intValue":
        number = _integer(content)
        if not -(1 << 63) <= number < 1 << 63:
            raise ValueError
        return b"\x18" + _varint(number & 0xFFFFFFFFFFFFFFFF)
    if kind == "doubleValue" and type(content) in (float, int):
        return b"\x21" + _double(content)
    if kind == "doubleValue" and content in ("NaN", "Infinity", "-Infinity"):
        return b"\x21" + _double(float(content))
    if kind == "bytesValue":
        raw = base64.b64decode(content, validate=True)
        if base64.b64encode(raw).decode() != content:
            raise ValueError
        return _long(b"\x3a", raw)
    if kind == "boolValue" and type(content) is bool:
        return b"\x10\x01" if content else b"\x10\x00"
    if kind == "arrayValue" and (content == {} or list(content) == ["values"]):
        return _long(b"\x2a", b"".join([_long(b"\x0a", _any(item)) for item in content.get("values", [])]))
    if kind == "kvlistValue" and (content == {} or list(content) == ["values"]):
        return _long(b"\x32", b"".join([_long(b"\x0a", _pair(item)) for item in content.get("values", [])]))
    raise ValueError


_STATUS = {"message": _text(2), "code": _count(3, 1 << 31)}
_LINK = {
    "traceId": _id(1), "spanId": _id(2), "traceState": _text(3), "attributes": _attributes(4),
    "droppedAttributesCount": _count(5), "flags": _packed(b"\x35", _fixed32),
}  # fmt: skip
_EVENT = {
    "timeUnixNano": _packed(b"\x09", _fixed64), "name": _text(2), "attributes": _attributes(3),
    "droppedAttributesCount": _count(4),
}  # fmt: skip
_SPAN = {
    "traceId": _id(1), "spanId": _id(2), "traceState": _text(3), "parentSpanId": _id(4), "name": _text(5),
    "kind": _count(6, 1 << 31),
    "startTimeUnixNano": _packed(b"\x39", _fixed64), "endTimeUnixNano": _packed(b"\x41", _fixed64),
    "attributes": _attributes(9), "droppedAttributesCount": _count(10), "events": _many(11, _EVENT),
    "droppedEventsCount": _count(12), "links": _many(13, _LINK), "droppedLinksCount": _count(14),
    "status": _one(15, _STATUS), "flags": _packed(b"\x85\x01", _fixed32),
}  # fmt: skip
_SCOPE = {"name": _text(1), "version": _text(2), "attributes": _attributes(3), "droppedAttributesCount": _count(4)}
_SCOPE_SPANS = {"scope": _one(1, _SCOPE), "spans": _many(2, _SPAN), "schemaUrl": _text(3)}
_RESOURCE = {"attributes": _attributes(1), "droppedAttributesCount": _count(2)}
_RESOURCE_SPANS = {
    "resource": _one(1, _RESOURCE), "scopeSpans": _many(2, _SCOPE_SPANS), "schemaUrl": _text(3),
}  # fmt: skip
_REQUEST = {"resourceSpans": _many(1, _RESOURCE_SPANS)}
_ORDERS = {
    id(fields): {name: position for position, name in enumerate(fields)}
    for fields in (_STATUS, _LINK, _EVENT, _SPAN, _SCOPE, _SCOPE_SPANS, _RESOURCE, _RESOURCE_SPANS, _REQUEST)
}
