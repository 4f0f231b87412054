"""The report's rows: held as columns, counted as they come, and written beside the data."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from leyden_exporters import span_rows
from leyden_exporters.report import Reason, SpanRow
from leyden_exporters.span_rows import SpanRows, write_rows

ROWS = [
    SpanRow("r", "t", "s0", None, "forked from row 0 at token 3", 1),
    SpanRow("r", "t", "s1", Reason.FAILED, "429"),
    SpanRow("q", "u", "s2", Reason.UNREAD, "doubled: records the call of span s1 too"),
    SpanRow("q", "u", "s3", None, "", 0),
    SpanRow("q", "u", "s4", None, "", 0),
]


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_rows_come_back_as_they_were_added(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_rows, "_AT_ONCE", at_once)
    assert list(filled()) == ROWS
    assert len(filled()) == 5


@pytest.mark.parametrize("portion", [1, 2, 3, 5])
def test_the_same_rows_make_the_same_batches_in_whatever_portions_they_come(
    portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_rows, "_AT_ONCE", 2)
    rows = SpanRows()
    for start in range(0, len(ROWS), portion):
        more = SpanRows()
        more.add(ROWS[start : start + portion])
        rows.extend(more)
    assert list(rows.batches()) == list(filled().batches())
    assert [len(batch) for batch in rows.batches()] == [2, 2, 1]
    assert (rows.kept, rows.reasons, rows.unread) == (filled().kept, filled().reasons, filled().unread)


def test_counts_add_up() -> None:
    rows = filled()
    assert (rows.kept, dict(rows.reasons), dict(rows.unread)) == (3, {"failed": 1, "unread": 1}, {"doubled": 1})
    assert list(rows.kept_keys()) == [("t", "s0"), ("u", "s3"), ("u", "s4")]


def test_the_file_beside_the_data_says_the_same(tmp_path: Path) -> None:
    write_rows(filled(), tmp_path / "rows.jsonl.report.parquet")
    told = pq.read_table(tmp_path / "rows.jsonl.report.parquet").to_pylist()
    assert [(row["span_id"], row["reason"], row["detail"], row["branch"]) for row in told] == [
        (row.span_id, row.reason, row.detail or None, row.branch) for row in ROWS
    ]


def test_what_one_row_kept_is_told_with_its_place() -> None:
    rows = SpanRows()
    rows.add_kept("q", ["u", "v"], ["s3", "s4"], branch=2)
    assert list(rows) == [SpanRow("q", "u", "s3", branch=2), SpanRow("q", "v", "s4", branch=2)]
    assert rows.kept == 2


def filled() -> SpanRows:
    rows = SpanRows()
    rows.add(ROWS[:3])
    rows.add_kept("q", ["u", "u"], ["s3", "s4"])
    return rows
