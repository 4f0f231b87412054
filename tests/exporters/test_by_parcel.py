"""Rollouts that come unread, in parcels, some read in a process beside, give the files they give one by one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from leyden_exporters.by_parcel import Making
from leyden_exporters.curation.corrections import corrected
from leyden_exporters.formats import FORMATS, turns
from leyden_exporters.options import Options
from leyden_exporters.rows import Packing, shards_of
from leyden_exporters.skimmable import StoreSource, watched
from leyden_exporters.sources import Parcelled
from leyden_store import batches
from leyden_store.counted import Counted
from leyden_store.lightning import LightningStore
from leyden_store.turns import Rollout
from tests.exporters.making import said
from tests.exporters.test_snapshots import some_rollouts
from tests.support.otlp_making import NOW_NS, chat, put


@dataclass(frozen=True)
class Parcel:
    read: list[Rollout]

    @property
    def count(self) -> int:
        return len(self.read)

    def rollouts(self) -> list[Rollout]:
        return self.read


class Parcels:
    """A parcel of each rollout."""

    def __init__(self, rollouts: list[Rollout]) -> None:
        self._rollouts = rollouts

    def __iter__(self) -> Iterator[Rollout]:
        return iter(self._rollouts)

    def parcels(self) -> Counted[Parcel]:
        return Counted(len(self._rollouts), (Parcel([rollout]) for rollout in self._rollouts))


MANY = [rollout for _ in range(4) for rollout in some_rollouts()]
KINDS = [(name, suffix) for name, form in FORMATS.items() for suffix in form.suffixes if suffix]


HERE, BESIDE = {0}, {0, 1}
"""Cores: with two, a process beside takes part. It takes a second to start, so that not every format has one."""


@pytest.mark.parametrize(
    ("name", "suffix", "shard", "cores"),
    [(name, suffix, 5, HERE) for name, suffix in KINDS]
    + [("trl-sft", ".parquet", None, BESIDE), ("turns", ".jsonl", 5, BESIDE), ("hf", ".parquet", 5, BESIDE)],
)
def test_every_format_makes_the_same_file_of_both(
    name: str, suffix: str, shard: int | None, cores: set[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    form = FORMATS[name]
    write = form.rows or form.write
    files, reports = [], []
    for way, rollouts in (("one", MANY), ("parcels", Parcels(MANY))):
        (tmp_path / way).mkdir()
        with shards_of(shard):
            report = write(rollouts, tmp_path / way / f"train{suffix}", Options())
        files.append({file.name: file.read_bytes() for file in (tmp_path / way).iterdir()})
        reports.append((report.to_json(), list(report.spans)))
    assert files[0] == files[1]
    assert reports[0] == reports[1]


def test_more_rows_than_a_row_group_make_the_same_file_of_both(tmp_path: Path) -> None:
    many = some_rollouts() * 60
    for name, rollouts in (("one", many), ("parcels", Parcels(many))):
        turns.write(rollouts, tmp_path / f"{name}.parquet", Options())
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "parcels.parquet").read_bytes()


def test_a_store_gives_its_rollouts_in_parcels(
    store: LightningStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_BATCH", 1)
    for n in range(1, 10):
        put(store, [chat(1, trace=n, at_ns=NOW_NS + n * 10**9, resource={"leyden.rollout.id": f"r{n}"})])
    passed: list[int | None] = []
    source = watched(StoreSource(store), passed.append)
    assert isinstance(source, Parcelled)
    key = next(iter(source)).turns[0]
    fixed = corrected(source, {(key.trace_id, key.span_id): said("assistant", "as it should be")})
    passed.clear()
    turns.write(fixed, tmp_path / "parcels.jsonl", Options())
    assert passed == [*[1] * 9, None]
    turns.write(list(fixed), tmp_path / "one.jsonl", Options())
    assert (tmp_path / "parcels.jsonl").read_text() == (tmp_path / "one.jsonl").read_text()
    assert (tmp_path / "one.jsonl").read_text().count("as it should be") == 1


def test_only_the_chosen_turns_of_a_parcel_are_read(store: LightningStore) -> None:
    for n in (1, 2):
        put(store, [chat(1, trace=n), chat(2, trace=n)])
    selection = store.select(sql="SELECT TraceId, SpanId FROM otel_traces WHERE SpanId LIKE '%2'")
    (parcel,) = store.parcels(selection)
    read = [turn.span_id[-1] for rollout in parcel.rollouts() for turn in rollout.turns]
    assert read == ["2", "2"]
    made = Making(turns._rows, Options(), Packing(turns._SCHEMA, as_lines=True))(parcel)
    assert made.report.written == 2


def test_a_process_that_reads_parcels_imports_no_store() -> None:
    made = "import leyden_exporters.formats.trl_sft, leyden_store.parcels, sys"
    asked = f"{made}; sys.exit(not {{'clickhouse_connect', 'sqlglot', 'chdb'}}.isdisjoint(sys.modules))"
    subprocess.run([sys.executable, "-c", asked], check=True)
