"""A snapshot is shards, manifest, card and lineage, written here or by URL; every row names the spans it is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from leyden_exporters.errors import FormatUnknown, PathUnwritable, SnapshotBroken
from leyden_exporters.formats import FORMATS, format_named, formats
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import new_rows, shards_of
from leyden_exporters.snapshots import (
    FileEntry,
    Manifest,
    Part,
    data_suffix,
    options_json,
    parse_target,
    read_manifest,
    verify,
    write_snapshot,
)
from leyden_exporters.snapshots.rows_of_spans import row_places
from leyden_store.turns import Rollout
from tests.exporters.making import called, rollout, said, turn

USER = said("user", "u")
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]


def some_rollouts() -> list[Rollout]:
    """Forks, pairs, failures, tool calls, with token ids."""
    found = []
    for number in range(6):
        call = called("add", '{ "a":1}')
        own, first = {"rollout_id": f"r{number}"}, 10 * number
        history = [USER, call, said("tool", "2", tool_call_id="call_1")]
        answer = said("assistant", f"a{number % 3}")
        turns = [
            turn(first, [1, 2], [3 + number], messages=[USER], response=call, tools=TOOLS, **own),
            turn(first + 1, [1, 2, 3 + number, 5], [6], tools=TOOLS, messages=history, response=answer, **own),
            turn(first + 2, [9], [7], messages=[said("user", "v")], response=said("assistant", "z"), **own),
            turn(first + 3, [9], [7], status="error", **own),
        ]
        found.append(rollout(turns, rollout_id=f"r{number}", group_id=f"g{number % 2}", rewards=number / 6))
    return found


def manifesto(files: list[FileEntry], reports: dict[str, Report]) -> Manifest:
    rows = sum(report.written for report in reports.values())
    splits = {split: report.written for split, report in reports.items()}
    query = {"name": "q", "version": 1, "sql": "SELECT 1", "parameters": {}, "project": ""}
    return Manifest("f", query, "0012", {}, rows, 0, "", reports["train"].to_json(), splits, files)


def write(
    name: str, out: Path | str, *, suffix: str | None = None, shard_rows: int | None = None, parts: Any = None
) -> Manifest:
    form = FORMATS[name]
    made, _ = write_snapshot(
        form, parts or [Part("train", some_rollouts())], parse_target(out), Options(), manifesto,
        suffix=data_suffix(form, suffix), shard_rows=shard_rows,
    )  # fmt: skip
    return made


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_makes_a_snapshot_that_verifies_and_is_the_same_again(tmp_path: Path, name: str) -> None:
    first, second = write(name, tmp_path / "a"), write(name, tmp_path / "b")
    assert first == second
    assert verify(tmp_path / "a") == read_manifest(tmp_path / "b")
    assert first.rows > 0
    for file in first.files:
        assert (tmp_path / "a" / file.path).read_bytes() == (tmp_path / "b" / file.path).read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_every_row_is_traced_to_its_spans(tmp_path: Path, name: str) -> None:
    manifest = write(name, tmp_path / "a")
    lineage = pq.read_table(tmp_path / "a" / "lineage.parquet").to_pylist()
    assert {row["row"] for row in lineage} == set(range(manifest.rows))
    path = tmp_path / ("x" if "" in FORMATS[name].suffixes else "x.jsonl")
    report = FORMATS[name].write(some_rollouts(), path, Options())
    assert len(lineage) == report.kept


def test_the_rows_of_trajectories_name_the_spans_that_lineage_names(tmp_path: Path) -> None:
    write("trajectories", tmp_path / "a")
    rows = pq.read_table(tmp_path / "a" / "train.parquet").to_pylist()
    named: dict[int, list[str]] = {}
    for one in pq.read_table(tmp_path / "a" / "lineage.parquet").to_pylist():
        named.setdefault(one["row"], []).append(one["span_id"])
    assert [sorted(row["span_ids"]) for row in rows] == [sorted(named[at]) for at in range(len(rows))]


def test_the_rows_of_turns_are_in_the_order_of_lineage(tmp_path: Path) -> None:
    report = FORMATS["turns"].write(some_rollouts(), tmp_path / "x.jsonl", Options())
    rows = [json.loads(line)["span_id"] for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert row_places(report)["span_id"].to_pylist() == rows


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "jsonl.zst"])
def test_shards_hold_the_same_rows_in_the_same_order(tmp_path: Path, suffix: str) -> None:
    write("turns", tmp_path / "whole", suffix=suffix)
    manifest = write("turns", tmp_path / "parts", suffix=suffix, shard_rows=5)
    data = [file.path for file in manifest.files if file.split]
    assert data == [f"train-{n:05d}-of-{len(data):05d}.{suffix}" for n in range(len(data))]
    assert len(data) == -(-manifest.rows // 5)
    assert _rows(tmp_path / "whole", suffix) == _rows(tmp_path / "parts", suffix)


def _rows(folder: Path, suffix: str) -> list[Any]:
    found: list[Any] = []
    for path in sorted(folder.glob(f"train*.{suffix}")):
        if suffix == "parquet":
            found += pq.read_table(path).to_pylist()
        else:
            text = pa.input_stream(path, compression="zstd" if suffix.endswith("zst") else None).read().decode()
            found += [json.loads(line) for line in text.splitlines()]
    return found


def test_batches_are_cut_where_a_shard_ends(tmp_path: Path) -> None:
    schema = pa.schema([("a", pa.int64())])
    with shards_of(4), new_rows(tmp_path / "x.parquet", schema) as file:
        file.add_batch(pa.RecordBatch.from_pydict({"a": list(range(10))}, schema=schema))
        file.add({"a": 10})
    sizes = [pq.read_table(path)["a"].to_pylist() for path in sorted(tmp_path.iterdir())]
    assert sizes == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


def test_parts_are_files_of_their_own_and_load_dataset_knows_them(tmp_path: Path) -> None:
    rollouts = some_rollouts()
    write("hf", tmp_path / "a", shard_rows=2, parts=[Part("train", rollouts[:4]), Part("validation", rollouts[4:])])
    found = load_dataset(str(tmp_path / "a"), cache_dir=str(tmp_path / "cache"))
    assert set(found) == {"train", "validation"}
    assert found["validation"].num_rows == 4


def test_llama_factory_finds_every_file(tmp_path: Path) -> None:
    manifest = write("llama-factory", tmp_path / "a", shard_rows=3)
    info = json.loads((tmp_path / "a" / "dataset_info.json").read_text())
    assert sorted(entry["file_name"] for entry in info.values()) == [f.path for f in manifest.files if f.split]


def test_a_snapshot_goes_to_a_url_with_its_manifest_last(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    write("turns", "memory://bucket/one", shard_rows=5)
    write("turns", tmp_path / "here", shard_rows=5)
    for path in (tmp_path / "here").iterdir():
        assert memory.cat_file(f"/bucket/one/{path.name}") == path.read_bytes()
    with pytest.raises(PathUnwritable, match="already holds a snapshot"):
        write("turns", "memory://bucket/one")


def test_an_upload_that_breaks_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    put = type(memory).put_file

    def breaking(self: Any, here: str, there: str, **more: Any) -> None:
        if there.endswith("train.parquet"):
            raise OSError("the line is cut")
        put(self, here, there, **more)

    monkeypatch.setattr(type(memory), "put_file", breaking)
    with pytest.raises(PathUnwritable, match="the line is cut"):
        write("turns", "memory://bucket/broken")
    assert memory.find("/bucket/broken") == []


def test_a_url_of_nothing_known_is_said() -> None:
    with pytest.raises(PathUnwritable, match="cannot write"):
        parse_target("nothing://x/y")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    write("turns", tmp_path / "a")
    (tmp_path / "a" / "train.parquet").unlink()
    with pytest.raises(SnapshotBroken, match="is missing"):
        verify(tmp_path / "a")
    with pytest.raises(SnapshotBroken, match="is no snapshot"):
        verify(tmp_path)


def test_what_a_format_cannot_be_written_as_is_said() -> None:
    with pytest.raises(PathUnwritable, match=r"can be jsonl, jsonl\.zst"):
        data_suffix(FORMATS["axolotl"], "parquet")
    assert data_suffix(FORMATS["axolotl"], None) == ".jsonl"
    assert data_suffix(FORMATS["axolotl"], "jsonl.zst") == ".jsonl.zst"


def test_options_are_told_where_they_are_not_the_default() -> None:
    assert options_json(Options()) == {}
    found = options_json(Options(agents=frozenset("ba"), min_reward=0.5, selection="x"))
    assert found == {"agents": ["a", "b"], "min_reward": 0.5}


def test_a_plugins_format_is_found_and_a_broken_one_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "mine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: mine\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[leyden.exporters]\nmine = mine_formats:FORMAT\n")
    (tmp_path / "mine_formats.py").write_text(
        "from leyden_exporters.formats import FORMATS, Format\nFORMAT = Format('mine', 's', FORMATS['turns'].write)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert format_named("mine").name == "mine"
    assert set(formats()) == {*FORMATS, "mine"}
    (info / "entry_points.txt").write_text("[leyden.exporters]\nmine = mine_formats:NOTHING\n")
    with pytest.raises(FormatUnknown, match="cannot be loaded"):
        format_named("mine")
