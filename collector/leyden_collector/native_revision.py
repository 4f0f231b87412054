"""ClickHouse's Native format as its HTTP clients ask for it: `client_protocol_version` of 54454 and above.

The embedded engine always writes revision 0. Clients of clickhouse-go (Grafana's data source is one) read blocks of the
revision they name: each begins with its info, and each column says that it is serialised in the ordinary way.
Sources: src/Formats/NativeWriter.cpp and src/Core/ProtocolDefines.h of ClickHouse.
"""

from __future__ import annotations

import re
from collections.abc import Callable

BLOCK_INFO_SINCE = 1
ORDINARY_SERIALISATION_SINCE = 54454

_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""Field 1, is_overflows: false; field 2, bucket_num: -1; no more fields."""

_SIZES = {
    "Bool": 1, "Int8": 1, "UInt8": 1, "Enum8": 1, "Nothing": 1, "Int16": 2, "UInt16": 2, "Enum16": 2, "Date": 2,
    "BFloat16": 2, "Int32": 4, "UInt32": 4, "Float32": 4, "Date32": 4, "DateTime": 4, "IPv4": 4, "Decimal32": 4,
    "Time": 4, "Int64": 8, "UInt64": 8, "Float64": 8, "DateTime64": 8, "Decimal64": 8, "Time64": 8, "Int128": 16,
    "UInt128": 16, "UUID": 16, "IPv6": 16, "Decimal128": 16, "Int256": 32, "UInt256": 32, "Decimal256": 32,
}  # fmt: skip


class UnknownType(ValueError):
    """A column's type whose Native encoding is not known here."""


def with_revision(native: bytes, revision: int) -> bytes:
    """Blocks of revision 0 as blocks of `revision`. Raises UnknownType.

    A time zone in a column's type is not there at revision 0 and stays away; times are the same.
    """
    if revision < BLOCK_INFO_SINCE:
        return native
    reader, out = _Reader(native), bytearray()
    mark = b"\x00" if revision >= ORDINARY_SERIALISATION_SINCE else b""
    while reader.at < len(native):
        start = reader.at
        columns, rows = reader.varint(), reader.varint()
        out += _BLOCK_INFO + native[start : reader.at]
        for _ in range(columns):
            start = reader.at
            reader.text()
            kind = reader.text()
            out += native[start : reader.at] + mark
            start = reader.at
            if rows:
                reader.prefix(kind)
                reader.data(kind, rows)
            out += native[start : reader.at]
    return bytes(out)


class _Reader:
    """Walks over blocks without looking at values."""

    def __init__(self, native: bytes) -> None:
        self._bytes = native
        self.at = 0

    def varint(self) -> int:
        shift = value = 0
        while True:
            byte = self._bytes[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self) -> str:
        length = self.varint()
        self.at += length
        return self._bytes[self.at - length : self.at].decode()

    def prefix(self, kind: str) -> None:
        """What comes before a column's data: the version of each dictionary in it."""
        name, inner = _split(kind)
        if name == "LowCardinality":
            self.at += 8
        elif name not in _SIZES:
            for part in inner:
                self.prefix(part)

    def data(self, kind: str, rows: int) -> None:
        """A column's data, or part of it."""
        name, inner = _split(kind)
        if name in _SIZES:
            self.at += rows * _SIZES[name]
        elif name == "String":
            for _ in range(rows):
                length = self.varint()  # not in the same statement: it moves `at`
                self.at += length
        else:
            walk: Callable[[list[str], int], None] | None = getattr(self, f"_{name.lower()}", None)
            if walk is None:
                raise UnknownType(f"the gateway cannot send a column of type {kind} in Native; cast it in the query")
            walk(inner, rows)

    def _nullable(self, inner: list[str], rows: int) -> None:
        self.at += rows
        self.data(inner[0], rows)

    def _array(self, inner: list[str], rows: int) -> None:
        if rows:
            self.at += 8 * rows
            self.data(inner[0], int.from_bytes(self._bytes[self.at - 8 : self.at], "little"))

    def _map(self, inner: list[str], rows: int) -> None:
        self._array([f"Tuple({', '.join(inner)})"], rows)

    def _tuple(self, inner: list[str], rows: int) -> None:
        if not inner:
            self.at += rows
        for part in inner:
            self.data(part, rows)

    def _fixedstring(self, inner: list[str], rows: int) -> None:
        self.at += rows * int(inner[0])

    def _lowcardinality(self, inner: list[str], rows: int) -> None:
        if rows:
            width = 1 << (self._uint64() & 0xFF)
            kind = re.sub(r"^Nullable\((.*)\)$", r"\1", inner[0])
            self.data(kind, self._uint64())
            self.at += 8 + rows * width

    def _uint64(self) -> int:
        self.at += 8
        return int.from_bytes(self._bytes[self.at - 8 : self.at], "little")


def _split(kind: str) -> tuple[str, list[str]]:
    """`Map(String, Array(UInt8))` as its name and the types (or numbers) in it; names of a tuple's parts fall away."""
    name, _, rest = kind.partition("(")
    if name in _SIZES:
        return name, []
    parts, depth, start, quoted = [], 0, 0, False
    body = rest[:-1]
    for at, sign in enumerate(f"{body},"):
        if sign in "'`" and body[at - 1 : at] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (sign == "(") - (sign == ")")
            if sign == "," and depth == 0:
                parts.append(body[start:at].strip())
                start = at + 1
    parts = [part for part in parts if part]
    if name == "SimpleAggregateFunction":
        return _split(parts[-1])
    if name == "Decimal":
        digits = int(parts[0])
        return f"Decimal{32 if digits < 10 else 64 if digits < 19 else 128 if digits < 39 else 256}", []
    if name.startswith("Interval"):
        return "Int64", []
    if name == "Tuple":
        parts = [re.sub(r"^(?:`(?:[^`\\]|\\.)*`|\w+) (?=\w)", "", part) for part in parts]
    return name, parts
