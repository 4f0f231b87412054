"""Lineage goes from a span to data sets, runs, checkpoints and the rollouts these sampled, and all the way back."""

from __future__ import annotations

import pytest

from leyden_store.datasets import Dataset, DatasetNotFound
from leyden_store.lightning import LightningStore
from leyden_store.lineage import NothingByThatName
from leyden_store.runs import Run, new_id
from tests.support.otlp_making import NOW_NS, chat, make, put

FIRST, SPAN = f"{1:032x}", f"{2:016x}"
SHA = "ab" * 32


@pytest.fixture
def trained(store: LightningStore) -> LightningStore:
    """A rollout that a run was trained on, whose checkpoint sampled another."""
    put(store, [make(1, rollout_id="old"), chat(2, parent=1, resource={"leyden.rollout.id": "old"})])
    store.datasets.record(Dataset("set-1", "turns", "/x", rows=1, sha256=SHA), [(FIRST, SPAN)])
    run = store.runs.start(Run("run-1", "trl-sft", "m"), [(FIRST, SPAN)])
    store.runs.succeed(run, "/checkpoint", "cd" * 32, {})
    version = ("cd" * 32)[:16]
    sampled = {"leyden.rollout.id": "new", "leyden.policy.version": version}
    put(store, [make(1, trace=2, at_ns=NOW_NS + 1, rollout_id="new", policy_version=version, resource=sampled)])
    return store


def test_a_span_leads_to_what_its_weights_sampled(trained: LightningStore) -> None:
    for name in (SPAN, FIRST, "old"):
        found = trained.lineage(name)
        assert [one["dataset_id"] for one in found.datasets] == ["set-1"], name
        assert [one["run_id"] for one in found.runs] == ["run-1"]
        assert [one["path"] for one in found.checkpoints] == ["/checkpoint"]
        assert (found.rollouts, found.sampled) == (["old"], ["new"])


def test_a_rollout_leads_back_to_the_run_that_made_its_weights(trained: LightningStore) -> None:
    found = trained.lineage("new")
    assert [one["run_id"] for one in found.made_by] == ["run-1"]
    assert (found.datasets, found.runs, found.sampled) == ([], [], [])
    run = trained.lineage(found.made_by[0]["run_id"])
    assert (run.kind, run.spans, run.rollouts) == ("run", 1, ["old"])
    checkpoint = trained.lineage(found.sampled_by[0])
    assert (checkpoint.kind, checkpoint.rollouts, checkpoint.sampled) == ("checkpoint", ["old"], ["new"])


def test_a_data_set_is_found_by_id_and_hash(trained: LightningStore) -> None:
    assert trained.lineage("set-1").rollouts == ["old"]
    assert trained.lineage(SHA[:12]).id == "set-1"
    assert trained.datasets.get("set").dataset_id == trained.datasets.get(SHA).dataset_id == "set-1"
    assert trained.datasets.spans("dataset", "set-1") == [(FIRST, SPAN)]
    trained.datasets.record(Dataset(f"set-{new_id()}", "turns", "/y"), [])
    with pytest.raises(DatasetNotFound, match="2 data sets begin with 'set'"):
        trained.datasets.get("set")


@pytest.mark.parametrize("name", ["", "nothing", "' OR 1 --"])
def test_what_is_nothing_is_said(trained: LightningStore, name: str) -> None:
    with pytest.raises(NothingByThatName):
        trained.lineage(name)
