"""Row files: the same rows as JSON Lines, as Parquet, or as a folder that `datasets.load_dataset` opens.

Columns of free-form JSON (messages, tool arguments) have Arrow's JSON type. Never a struct: Arrow would fill every
key that one row lacks and another has with null, and a chat template would render those nulls.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from json.encoder import encode_basestring as _quoted
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from leyden_exporters.errors import PathUnwritable
from leyden_exporters.files import new_file, new_folder

JSON = pa.json_()
"""One JSON value, held as text; `datasets` reads it as its `Json` feature."""

SUFFIXES = (".jsonl", ".parquet", "")
"""What a row file's path may end in; "" is a folder. Where `.jsonl` may stand, `.jsonl.zst` may: it is compressed."""

_SHARD_ROWS: ContextVar[int | None] = ContextVar("shard_rows", default=None)

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Packing:
    """How rows are made ready for a file, apart from the file: another process can do it, since this pickles.

    as_lines: as lines of JSON, in one column; else in the schema's columns
    """

    schema: pa.Schema
    as_lines: bool

    def pack(self, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
        """The rows as a batch that `RowFile.add_packed` takes."""
        if self.as_lines:
            return pa.RecordBatch.from_arrays([pa.array(map(self.line, rows), pa.large_string())], ["line"])
        columns = [_column([row[column.name] for row in rows], column.type) for column in self.schema]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def line(self, row: Mapping[str, Any]) -> str:
        """A row as a line of JSON, without its end."""
        return to_text({name: row[name] for name in self.schema.names if name in row})


class RowFile(Protocol):
    """An open row file. Rows make the same file whether added one by one or packed.

    packing: how `add_packed` wants rows
    """

    packing: Packing

    def add(self, row: Mapping[str, Any]) -> None:
        """Append one row of plain JSON values, keyed by column; JSON Lines may leave nullable ones out."""

    def add_packed(self, batch: pa.RecordBatch) -> None:
        """Append rows that `packing` packed."""

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Append the rows of a batch, whose schema is the file's; in Parquet it is a row group of its own."""

    def close(self) -> None:
        """Write what is buffered."""


@contextmanager
def shards_of(rows: int | None) -> Iterator[None]:
    """Within the block, files of rows are written as shards of so many rows: `train-00000-of-00003.parquet`, …

    For who owns the folder the file is in, as a snapshot does: shards appear one by one.
    """
    token = _SHARD_ROWS.set(rows)
    try:
        yield
    finally:
        _SHARD_ROWS.reset(token)


@contextmanager
def new_rows(path: Path, schema: pa.Schema, suffixes: Collection[str] = SUFFIXES) -> Iterator[RowFile]:
    """A row file that appears at `path` when the block ends well.

    `.jsonl`, `.jsonl.zst` and `.parquet` name a file; no suffix names a new folder, which then holds `train.parquet`.

    Raises PathUnwritable for a suffix that is not among `suffixes`, and as `files` does.
    """
    suffix = suffix_of(path)
    if suffix.removesuffix(".zst") not in suffixes or suffix == ".parquet.zst":
        allowed = " or ".join(suffix or "no suffix (a folder)" for suffix in suffixes)
        raise PathUnwritable(f"cannot write {path}: this format's path ends in {allowed}")
    shard_rows = _SHARD_ROWS.get()
    if suffix and shard_rows is not None:
        shards = _Shards(path, schema, shard_rows)
        try:
            yield shards
        finally:
            shards.close()
        return
    with new_file(path) if suffix else new_folder(path) as temporary:
        target = temporary if suffix else temporary / "train.parquet"
        file = _opened(target, schema, suffix or ".parquet")
        try:
            yield file
        finally:
            file.close()


def suffix_of(path: Path) -> str:
    """The path's suffix, both of them where the last says how it is compressed."""
    return "".join(path.suffixes[-2:]) if path.suffix == ".zst" else path.suffix


def _opened(path: Path, schema: pa.Schema, suffix: str) -> RowFile:
    return (
        _Parquet(path, schema) if suffix == ".parquet" else _JsonLines(path, schema, compressed=suffix.endswith("zst"))
    )


class _Shards:
    """Row files one after the other, named by number, and when all are written by how many there are."""

    def __init__(self, path: Path, schema: pa.Schema, rows: int) -> None:
        self._path, self._schema, self._rows = path, schema, rows
        self._suffix = suffix_of(path)
        self._files: list[Path] = []
        self._open: RowFile | None = None
        self._room = 0
        self.packing = Packing(schema, as_lines=self._suffix != ".parquet")

    def add(self, row: Mapping[str, Any]) -> None:
        self._shard().add(row)
        self._room -= 1

    def add_packed(self, batch: pa.RecordBatch) -> None:
        self._add_cut(batch, lambda shard, piece: shard.add_packed(piece))

    def add_batch(self, batch: pa.RecordBatch) -> None:
        self._add_cut(batch, lambda shard, piece: shard.add_batch(piece))

    def _add_cut(self, batch: pa.RecordBatch, add: Callable[[RowFile, pa.RecordBatch], None]) -> None:
        while len(batch):
            shard = self._shard()
            add(shard, batch.slice(0, self._room))
            taken = min(self._room, len(batch))
            self._room -= taken
            batch = batch.slice(taken)

    def close(self) -> None:
        if not self._files:
            self._shard()  # no rows are a file without rows
        if self._open is not None:
            self._open.close()
            self._open = None
        for number, file in enumerate(self._files):
            file.rename(self._named(f"{number:05d}-of-{len(self._files):05d}"))
        self._files = []

    def _shard(self) -> RowFile:
        if self._open is None or self._room == 0:
            if self._open is not None:
                self._open.close()
            self._files.append(self._named(f"{len(self._files):05d}"))
            self._open, self._room = _opened(self._files[-1], self._schema, self._suffix), self._rows
        return self._open

    def _named(self, part: str) -> Path:
        return self._path.with_name(f"{self._path.name.removesuffix(self._suffix)}-{part}{self._suffix}")


class _JsonLines:
    def __init__(self, path: Path, schema: pa.Schema, *, compressed: bool = False) -> None:
        self.packing = Packing(schema, as_lines=True)
        self._file = pa.output_stream(path, compression="zstd" if compressed else None, buffer_size=1 << 20)

    def add(self, row: Mapping[str, Any]) -> None:
        self._file.write(f"{self.packing.line(row)}\n".encode())

    def add_packed(self, batch: pa.RecordBatch) -> None:
        for line in batch["line"].to_pylist():
            self._file.write(f"{line}\n".encode())

    def add_batch(self, batch: pa.RecordBatch) -> None:
        for row in batch.to_pylist():
            self.add(row)

    def close(self) -> None:
        self._file.close()


class _Parquet:
    """Row groups of `_ROWS_AT_ONCE`."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.packing = Packing(schema, as_lines=False)
        self._rows: list[Mapping[str, Any]] = []
        self._packed: list[pa.RecordBatch] = []
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def add(self, row: Mapping[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == _ROWS_AT_ONCE:
            self._pack()

    def add_packed(self, batch: pa.RecordBatch) -> None:
        self._pack()
        self._packed.append(batch)
        self._write(leave=_ROWS_AT_ONCE - 1)

    def add_batch(self, batch: pa.RecordBatch) -> None:
        self._pack()
        self._write(leave=0)
        self._writer.write_batch(batch)

    def close(self) -> None:
        try:
            self._pack()
            self._write(leave=0)
        finally:
            self._writer.close()

    def _pack(self) -> None:
        if self._rows:
            self._packed.append(self.packing.pack(self._rows))
            self._rows = []
            self._write(leave=_ROWS_AT_ONCE - 1)

    def _write(self, *, leave: int) -> None:
        """Write what is packed, in whole row groups while more rows than `leave` are there."""
        while sum(map(len, self._packed)) > leave:
            packed = pa.Table.from_batches(self._packed)
            self._writer.write_table(packed.slice(0, _ROWS_AT_ONCE).combine_chunks(), _ROWS_AT_ONCE)
            self._packed = packed.slice(_ROWS_AT_ONCE).to_batches()


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if kind == JSON:
        return pa.array([_text(value) for value in values], pa.string()).cast(kind)
    if pa.types.is_list(kind) and kind.value_type == JSON:
        texts = [None if value is None else [_text(item) for item in value] for value in values]
        return pa.array(texts, pa.list_(pa.string())).cast(kind)
    return pa.array(values, kind)


def _text(value: Any) -> str | None:
    if type(value) is dict and set(map(type, value.values())) == {str}:
        # As most messages are. Putting it together here takes a third of the time.
        return f"{{{','.join([f'{_quoted(key)}:{_quoted(item)}' for key, item in value.items()])}}}"
    return None if value is None else to_text(value)


def to_text(value: Any) -> str:
    """Compact JSON; numpy arrays as lists, and null for numbers that JSON cannot say (NaN, infinities)."""
    try:
        return _encode(value)
    except ValueError:
        return to_text(_finite(value))


def _listed(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_listed).encode


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
