"""Connections: what is inserted through one is read back as it was, whatever engine it is."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import pytest

from leyden_store.connection import LIMITS, READ_ONLY
from leyden_store.errors import QueryFailed
from leyden_store.lightning import LightningStore

_TABLE = """
CREATE TABLE things
(
    Text String, Word LowCardinality(String), Number UInt64, Share Float64, Perhaps Nullable(Float64), Sure Bool,
    Day Date, Second DateTime, Milli DateTime64(3), Micro DateTime64(6), Labels Map(LowCardinality(String), String),
    Ids Array(Int32)
)
ENGINE = MergeTree ORDER BY Text
"""
NOW = datetime(2026, 12, 1, 3, 4, 5, 123456, tzinfo=UTC)
ROW = {
    "Text": 'a "quoted"\tline\\n\nwith \x00, ü and 😀',
    "Word": "{x: 1}",
    "Number": 2**64 - 1,
    "Share": 0.1 + 0.2,
    "Perhaps": None,
    "Sure": True,
    "Day": date(2026, 12, 1),
    "Second": NOW,
    "Milli": NOW,
    "Micro": NOW,
    "Labels": {"a": "1", "": "\\"},
    "Ids": [1, -(2**31)],
}
READ = "SELECT * REPLACE (toString(Day) AS Day, toDateTime64(Second, 0) AS Second) FROM things"


def test_a_row_is_read_as_it_was_inserted(store: LightningStore) -> None:
    store.connection.ddl(_TABLE)
    store.connection.insert("things", [ROW])
    assert store.connection.rows(READ) == [
        ROW
        | {
            "Day": "2026-12-01",
            "Second": NOW.replace(microsecond=0),
            "Milli": NOW.replace(microsecond=123000),
            "Labels": [("a", "1"), ("", "\\")],
        }
    ]


def test_numbers_that_json_has_no_form_for_are_kept(store: LightningStore) -> None:
    store.connection.ddl(_TABLE)
    store.connection.insert("things", [{"Text": str(x), "Share": x} for x in (math.inf, -math.inf, math.nan)])
    found = {row["Text"]: row["Share"] for row in store.connection.rows(READ)}
    assert (found["inf"], found["-inf"]) == (math.inf, -math.inf)
    assert math.isnan(found["nan"])


def test_what_no_column_takes_is_refused_and_nothing_of_it_stored(store: LightningStore) -> None:
    store.connection.ddl(_TABLE)
    with pytest.raises(QueryFailed, match="Nowhere"):
        store.connection.insert("things", [ROW | {"Nowhere": 1}])
    with pytest.raises(QueryFailed):
        store.connection.insert("things", [ROW, ROW | {"Number": "many"}])
    with pytest.raises(TypeError, match="object"):
        store.connection.insert("things", [ROW, ROW | {"Text": object()}])
    assert store.connection.rows(READ) == []


def test_a_reader_writes_nothing_and_is_limited(store: LightningStore) -> None:
    names = ["readonly", *LIMITS]
    asked = ", ".join(f"getSetting('{name}')" for name in names)
    (row,) = store.connection.rows(f"SELECT {asked}", settings=READ_ONLY)
    assert list(row.values()) == [1, *LIMITS.values()]
    with pytest.raises(QueryFailed, match="readonly"):
        store.connection.rows("SELECT 1 SETTINGS max_execution_time = 0", settings=READ_ONLY)
    assert store.connection.rows("SELECT getSetting('readonly') AS it") == [{"it": 0}]


@pytest.mark.parametrize("dsn", ["embedded"], indirect=True)
def test_an_engine_in_this_process_runs_one_statement_for_a_reader_s_query(store: LightningStore) -> None:
    def statements() -> int:
        return int(store.connection.rows("SELECT value FROM system.events WHERE event = 'Query'")[0]["value"])

    store.connection.rows("SELECT 1", settings=READ_ONLY)  # which opens the readers' handle
    before = statements()
    for _ in range(5):
        store.connection.rows("SELECT 1", settings=READ_ONLY)
    assert statements() - before == 6
