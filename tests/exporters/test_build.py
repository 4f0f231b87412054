"""The table and the file are one thing, however the stream falls into batches."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from leyden_exporters import build
from leyden_exporters.build import token_weights, trajectory_table
from leyden_exporters.columns import SCHEMA
from leyden_exporters.formats import FORMATS
from leyden_exporters.options import Options
from leyden_store.turns import Rollout
from tests.exporters.making import rollout, single, turn


def some_rollouts() -> list[Rollout]:
    forked = rollout([turn(0, [1], [2]), turn(1, [1], [3], None)], rollout_id="f", group_id="g", rewards=0.5)
    return [single("a", "g", 1.0), forked, single("b", "g", 0.0), single("c", "h", None), rollout([], rollout_id="e")]


def test_an_empty_selection_is_a_table_without_rows() -> None:
    table, report = trajectory_table([])
    assert table.schema == SCHEMA
    assert table.num_rows == 0
    assert report.to_json()["llm_spans"] == 0
    assert token_weights(table) == []


@pytest.mark.parametrize("batch_tokens", [1, 3, 1 << 20])
def test_rows_do_not_depend_on_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_tokens: int) -> None:
    whole, _ = trajectory_table(some_rollouts())
    monkeypatch.setattr(build, "_BATCH_TOKENS", batch_tokens)
    table, report = trajectory_table(iter(some_rollouts()))
    assert table.schema == SCHEMA
    assert table.to_pylist() == whole.to_pylist()
    written = FORMATS["trajectories"].write(iter(some_rollouts()), tmp_path / "out.parquet", Options())
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == whole.to_pylist()
    assert written.to_json() == report.to_json()
    assert [row.tolist() for row in token_weights(table)] == [row.tolist() for row in token_weights(whole)]


def test_rollouts_are_read_once_and_in_order() -> None:
    table, report = trajectory_table(iter(some_rollouts()))
    assert table["rollout_id"].to_pylist() == ["a", "f", "f", "b", "c"]
    assert table["branch"].to_pylist() == [0, 0, 1, 0, 0]
    assert report.rollouts == 5
