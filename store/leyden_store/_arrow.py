"""Arrow columns as Python rows, several times faster than `to_pylist` where rows hold maps and lists.

Nested columns are turned flat, all values at once, and cut by their offsets.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa


def rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Each row by column name; a map is a list of its (key, value) pairs, as `to_pylist` gives it."""
    names = batch.schema.names
    for values in zip(*map(column, batch.columns), strict=True):
        yield dict(zip(names, values, strict=True))


def column(array: pa.Array) -> list[Any]:
    """The column's values; None where it is null."""
    kind = array.type
    if array.null_count:
        return array.to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_map(kind):
        pairs = list(zip(_names(_flat(array, array.keys)), column(_flat(array, array.items)), strict=True))
        return _cut(pairs, array)
    if pa.types.is_list(kind):
        return _cut(column(_flat(array, array.values)), array)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_string(kind):
        return array.to_numpy(zero_copy_only=False).tolist()  # type: ignore[no-any-return]
    return array.to_pylist()  # type: ignore[no-any-return]


def _names(keys: pa.Array) -> list[str]:
    """The keys of maps: few are different, so that each is one string whose hash is known."""
    encoded = keys.dictionary_encode()
    known = column(encoded.dictionary)
    return [known[index] for index in column(encoded.indices)]


def _flat(array: pa.Array, values: pa.Array) -> pa.Array:
    """The values that lie in the array's rows: it may be a slice of a longer one."""
    offsets = array.offsets
    first = offsets[0].as_py()
    return values.slice(first, offsets[len(array)].as_py() - first)


def _cut(values: list[Any], array: pa.Array) -> list[list[Any]]:
    offsets = array.offsets.to_numpy()
    bounds = (offsets - offsets[0]).tolist()
    return [values[start:end] for start, end in pairwise(bounds)]
