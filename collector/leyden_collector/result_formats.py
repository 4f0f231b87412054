"""Results in pieces: how the blocks of a result, each written as if it were the whole, are made one result.

Formats of rows and of blocks can be joined: a heading is kept from the first, an end from the last. Formats that are
one document (JSON, Parquet, Pretty, …) cannot, and are made whole.
"""

from __future__ import annotations

from collections.abc import Callable
from io import RawIOBase
from typing import Protocol

import pyarrow as pa

from leyden_collector.native_revision import with_revision

_ARROW_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"


class Joiner(Protocol):
    """Takes blocks in order, gives what to send for each, and at the end what is left."""

    engine_format: str

    def add(self, block: bytes) -> bytes:
        """A block; the bytes to send for it."""

    def end(self) -> bytes:
        """No more blocks."""


def joiner(output: str, revision: int = 0) -> Joiner | None:
    """What joins results in a format (its name in any case); None when they can only be whole.

    revision: of ClickHouse's Native protocol that the client reads
    """
    match output.lower():
        case "native":
            return _Native(revision)
        case "arrowstream":
            return _ArrowStream()
        case "arrow":
            return _ArrowFile()
        case "rowbinarywithnames":
            return _Headed(output, lambda block: _strings(block, 1))
        case "rowbinarywithnamesandtypes":
            return _Headed(output, lambda block: _strings(block, 2))
        case "csvwithnames":
            return _Headed(output, lambda block: _csv_lines(block, 1))
        case "csvwithnamesandtypes":
            return _Headed(output, lambda block: _csv_lines(block, 2))
        case name if name in _ROWS:
            return _Headed(output, lambda _: 0)
        case name if name in _HEADED_ROWS:
            lines = 2 if name.endswith("andtypes") else 1
            return _Headed(output, lambda block: _lines(block, lines))
    return None


_ROWS = {
    "tabseparated", "tsv", "tabseparatedraw", "tsvraw", "raw", "csv", "jsoneachrow", "jsonlines", "ndjson",
    "jsonstringseachrow", "jsoncompacteachrow", "jsoncompactstringseachrow", "rowbinary", "tskv", "msgpack", "null",
}  # fmt: skip

_HEADED_ROWS = {
    f"{form}{heading}"
    for form in ("tabseparated", "tsv", "jsoncompacteachrow", "jsoncompactstringseachrow")
    for heading in ("withnames", "withnamesandtypes")
}


class _Headed:
    """Rows under a heading; `length` finds how long the heading is."""

    def __init__(self, engine_format: str, length: Callable[[bytes], int]) -> None:
        self.engine_format = engine_format
        self._length = length
        self._first = True

    def add(self, block: bytes) -> bytes:
        if self._first:
            self._first = False
            return block
        return block[self._length(block) :]

    def end(self) -> bytes:
        return b""


class _Native:
    engine_format = "Native"

    def __init__(self, revision: int) -> None:
        self._revision = revision

    def add(self, block: bytes) -> bytes:
        return with_revision(block, self._revision)

    def end(self) -> bytes:
        return b""


class _ArrowStream:
    """Each block is a stream: a message that is the schema, messages of data, and an end."""

    engine_format = "ArrowStream"

    def __init__(self) -> None:
        self._first = True

    def add(self, block: bytes) -> bytes:
        body = block.removesuffix(_ARROW_END)
        if self._first:
            self._first = False
            return body
        return body[8 + int.from_bytes(body[4:8], "little") :]

    def end(self) -> bytes:
        return b"" if self._first else _ARROW_END


class _ArrowFile:
    """A file ends with an index of what is in it, so it is written again from the engine's stream."""

    engine_format = "ArrowStream"

    def __init__(self) -> None:
        self._sink = _Sink()
        self._writer: pa.RecordBatchFileWriter | None = None

    def add(self, block: bytes) -> bytes:
        with pa.ipc.open_stream(block) as reader:
            if self._writer is None:
                self._writer = pa.ipc.new_file(self._sink, reader.schema)
            for batch in reader:
                self._writer.write_batch(batch)
        return self._sink.take()

    def end(self) -> bytes:
        if self._writer is not None:
            self._writer.close()
        return self._sink.take()


class _Sink(RawIOBase):
    """Holds what was written until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._held += data
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def take(self) -> bytes:
        held, self._held = bytes(self._held), bytearray()
        return held


def _lines(block: bytes, count: int) -> int:
    """The length of so many lines, whose names and types have no line's end in them (it is escaped)."""
    at = 0
    for _ in range(count):
        at = block.index(b"\n", at) + 1
    return at


def _csv_lines(block: bytes, count: int) -> int:
    """Likewise in CSV, where a line's end may stand inside quotes; a quote inside quotes is doubled."""
    at = 0
    for _ in range(count):
        quotes = 0
        while True:
            end = block.index(b"\n", at) + 1
            quotes += block.count(b'"', at, end)
            at = end
            if quotes % 2 == 0:
                break
    return at


def _strings(block: bytes, times: int) -> int:
    """The length of RowBinary's heading: how many columns, then so many times as many strings."""
    columns, at = _varint(block, 0)
    for _ in range(columns * times):
        length, at = _varint(block, at)
        at += length
    return at


def _varint(block: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = block[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
