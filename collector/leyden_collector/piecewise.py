"""Long trace requests in pieces: a parser may take forty times the bytes of a body, so no long one is parsed whole.

A piece is a request of its own: some of the spans, under the fields of their resource and scope. All of them, one after
another, are the request (https://protobuf.dev/programming-guides/encoding/#last-one-wins: repeated fields join).
"""

from __future__ import annotations

from collections.abc import Iterator

from leyden_store.errors import OtlpInvalid
from leyden_store.ingest import varint

PIECE_BYTES = 1 << 20
"""Parsed as it is: 40 MB at the very worst."""

_MOST_FIELDS = 2_000_000
"""Looked at in one body, each span twice: of those that can be stored hardly more than a million fit into 64 MiB."""

_DEEPEST = 100
"""As google.protobuf has it."""

_LEVELS = (1, 2, 2)
"""The field that holds resource spans, scope spans, spans."""

# Of each message, which fields are messages (opentelemetry-proto 1.x).
_ANY_VALUE: dict[int, object] = {}
_KEY_VALUE: dict[int, object] = {2: _ANY_VALUE}
_ANY_VALUE |= {5: {1: _ANY_VALUE}, 6: {1: _KEY_VALUE}}
_ITEM: dict[int, object] = {3: _KEY_VALUE}
_SPAN: dict[int, object] = {9: _KEY_VALUE, 11: _ITEM, 13: {4: _KEY_VALUE}, 15: {}}
_REQUEST: dict[int, object] = {1: {1: {1: _KEY_VALUE, 3: {}}, 2: {1: _ITEM, 2: _SPAN}}}


class _Walk:
    """A body, and how many of its fields may yet be looked at."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._left = _MOST_FIELDS

    def fields(self, at: int, end: int) -> Iterator[tuple[int, bool, int, int, int]]:
        """Every field of the message there: number, whether it has a length; its start, its value's, its end."""
        body = self._body
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise OtlpInvalid("the request holds too many fields: send it in several")
            start = at
            tag, at = _number(body, at)
            value = at
            match tag & 7:
                case 0:
                    _, at = _number(body, at)
                case 1:
                    at += 8
                case 2:
                    length, value = _number(body, at)
                    at = value + length
                case 5:
                    at += 4
                case _:
                    raise OtlpInvalid(f"the bytes are no ExportTraceServiceRequest: a field of wire type {tag & 7}")
            if at > end:
                raise OtlpInvalid("the bytes are no ExportTraceServiceRequest: they end in a field")
            yield tag >> 3, tag & 7 == 2, start, value, at

    def split(self, at: int, end: int, levels: tuple[int, ...] = _LEVELS) -> Iterator[bytes]:
        """A message as several of its kind, of about PIECE_BYTES; longer where a span alone is."""
        number, *below = levels
        header = b"".join(
            self._body[start:after]
            for found, has_length, start, _, after in self.fields(at, end)
            if not (found == number and has_length)
        )
        most = max(PIECE_BYTES, 4 * len(header))  # what every piece repeats stays a fraction of it
        run = bytearray(header)
        for found, has_length, start, value, after in self.fields(at, end):
            if not (found == number and has_length):
                continue
            if len(run) > len(header) and len(run) + after - start > most:
                yield bytes(run)
                run = bytearray(header)
            if below and after - start > most:
                for part in self.split(value, after, tuple(below)):
                    yield b"".join([header, varint(number << 3 | 2), varint(len(part)), part])
            else:
                run += self._body[start:after]
        if len(run) > len(header) or header:
            yield bytes(run)

    def count(self, at: int, end: int, kind: dict[int, object] = _REQUEST, depth: int = 0) -> None:
        """Look at every message in a message. Raises OtlpInvalid when they are too many, or too deep in each other."""
        if depth > _DEEPEST:
            raise OtlpInvalid(f"the request holds messages nested over {_DEEPEST} deep")
        for number, has_length, _, value, after in self.fields(at, end):
            if has_length and isinstance(inner := kind.get(number), dict):
                self.count(value, after, inner, depth + 1)


def pieces(body: bytes) -> Iterator[bytes]:
    """An encoded ExportTraceServiceRequest as several. Raises OtlpInvalid for what takes too much memory to parse."""
    if len(body) <= PIECE_BYTES:
        yield body
        return
    for piece in _Walk(body).split(0, len(body)):
        if len(piece) > 2 * PIECE_BYTES:
            _Walk(piece).count(0, len(piece))
        yield piece


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A varint, and where it ends."""
    number = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return number, at
        shift += 7
    raise OtlpInvalid("the bytes are no ExportTraceServiceRequest: they end in a number")
