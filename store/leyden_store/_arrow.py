"""Arrow columns as Python values, several times faster than `to_pylist` where rows hold maps and lists.

Nested columns are turned flat, all values at once, and cut by their offsets.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from sys import intern
from typing import Any

import numpy as np
import pyarrow as pa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Of each unit of time, how many are a second."""

_FEW = 1000
"""Texts for which `to_pylist` takes less than pyarrow's first `to_numpy`, which imports pandas where there is one."""


def column(array: pa.Array) -> list[Any]:
    """The column's values, as `to_pylist` gives them: None where it is null, a map as a list of (key, value) pairs."""
    kind = array.type
    if array.null_count:
        return [None] * len(array) if array.null_count == len(array) else array.to_pylist()
    if pa.types.is_map(kind):
        keys = _flat(array, array.keys)
        if not len(keys):
            return _nothing(array)
        return _cut(list(zip(_names(keys), column(_flat(array, array.items)), strict=True)), array)
    if pa.types.is_list(kind):
        values = _flat(array, array.values)
        return _cut(column(values), array) if len(values) else _nothing(array)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _numbers(array).tolist()  # type: ignore[no-any-return]
    if pa.types.is_string(kind) and len(array) > _FEW:
        return array.to_numpy(zero_copy_only=False).tolist()  # type: ignore[no-any-return]
    return array.to_pylist()  # type: ignore[no-any-return]


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """The table's rows, as its `to_pylist` gives them; times in UTC, to the microsecond."""
    columns = [_times(one) if pa.types.is_timestamp(one.type) else one.to_pylist() for one in table.columns]
    return [dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True)]


def _times(column: pa.ChunkedArray) -> list[datetime | None]:
    """By pyarrow itself it takes pandas, where that is installed: a third of a second to import."""
    per_s = _TICKS[column.type.unit]
    whole = [one for chunk in column.chunks for one in chunk.view(pa.int64()).to_pylist()]
    return [None if one is None else _EPOCH + timedelta(microseconds=one * 1_000_000 // per_s) for one in whole]


def _numbers(array: pa.Array) -> np.ndarray[Any, Any]:
    """The values of a column of numbers without nulls."""
    values = np.frombuffer(array.buffers()[1] or b"", array.type.to_pandas_dtype())
    return values[array.offset : array.offset + len(array)]


def _names(keys: pa.Array) -> list[str]:
    """The keys of maps: few are different, so that each is one string whose hash is known."""
    encoded = keys.dictionary_encode()
    known = [intern(name) for name in column(encoded.dictionary)]
    return [known[index] for index in column(encoded.indices)]


def _nothing(array: pa.Array) -> list[Any]:
    """What a row holds where none of them holds anything, as in most columns of most tables: one list for all."""
    return [[]] * len(array)


def _flat(array: pa.Array, values: pa.Array) -> pa.Array:
    """The values that lie in the array's rows: it may be a slice of a longer one."""
    offsets = array.offsets
    first = offsets[0].as_py()
    return values.slice(first, offsets[len(array)].as_py() - first)


def _cut(values: list[Any], array: pa.Array) -> list[list[Any]]:
    offsets = _numbers(array.offsets)
    bounds = (offsets - offsets[0]).tolist()
    return [values[start:end] for start, end in pairwise(bounds)]
