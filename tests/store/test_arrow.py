"""Arrow columns become the very values that Arrow's own, slower conversion gives."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from leyden_store import _arrow

text = st.text(max_size=3)
maps = st.dictionaries(text, text, max_size=3).map(lambda found: list(found.items()))
row = st.fixed_dictionaries(
    {
        "map": maps,
        "ints": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
        "maps": st.lists(maps, max_size=2),
        "perhaps": st.none() | st.integers(0, 9),
        "large": st.integers(0, 2**64 - 1),
        "text": text,
        "number": st.floats(allow_nan=False),
        "bytes": st.binary(max_size=2),
        "sure": st.booleans(),
    }
)
STRINGS = pa.map_(pa.string(), pa.string())
SCHEMA = pa.schema(
    {
        "map": STRINGS,
        "ints": pa.list_(pa.int32()),
        "maps": pa.list_(STRINGS),
        "perhaps": pa.int32(),
        "large": pa.uint64(),
        "text": pa.string(),
        "number": pa.float64(),
        "bytes": pa.binary(),
        "sure": pa.bool_(),
    }
)


@settings(deadline=None)
@given(st.lists(row, max_size=6), st.integers(0, 3), st.integers(0, 6))
def test_columns_are_arrows_own_whatever_part_of_a_table_they_are(
    found: list[dict[str, Any]], at: int, many: int
) -> None:
    batch = pa.RecordBatch.from_pylist(found, SCHEMA).slice(at, many)
    assert [_arrow.column(column) for column in batch.columns] == [column.to_pylist() for column in batch.columns]
