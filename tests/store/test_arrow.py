"""Arrow columns and rows become the very values that Arrow's own, slower conversion gives."""

from __future__ import annotations

from datetime import UTC, datetime
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


def test_a_column_of_many_texts_is_arrows_own_too() -> None:
    texts = [f"text {number}" for number in range(3000)]
    assert _arrow.column(pa.array(texts, pa.string()).slice(5, 2000)) == texts[5:2005]


@settings(deadline=None)
@given(
    st.lists(st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2262, 1, 1), timezones=st.just(UTC)), max_size=4),
    st.sampled_from(["us", "ms", "s"]),
)
def test_rows_are_arrows_own_and_their_times_are_utc(times: list[datetime | None], unit: str) -> None:
    known = pa.array(times, pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, "UTC"), safe=False)
    table = pa.table({"time": pa.chunked_array([known, known]), "row": list(range(2 * len(times)))})
    assert _arrow.rows(table) == table.to_pylist()


def test_a_time_in_nanoseconds_is_read_to_the_microsecond() -> None:
    table = pa.table({"time": pa.array([1_800_000_000_123_456_789], pa.timestamp("ns", "Asia/Kolkata"))})
    assert _arrow.rows(table) == [{"time": datetime(2027, 1, 15, 8, 0, 0, 123456, tzinfo=UTC)}]
