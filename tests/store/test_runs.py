"""Runs and data sets are recorded with what they were made of, and found again."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from leyden_store.checkpoints import CheckpointState
from leyden_store.errors import SelectionEmpty
from leyden_store.lightning import LightningStore
from leyden_store.runs import Run, RunNotFound, RunStatus, new_id
from leyden_store.selection import Selection
from tests.support.otlp_making import chat, put

KEYS = [("a" * 32, "1" * 16), ("a" * 32, "2" * 16), ("a" * 32, "1" * 16)]


def test_a_run_is_recorded_from_start_to_checkpoint(store: LightningStore) -> None:
    query = {"query": "q", "query_version": 3, "sql": "SELECT"}
    made = Run("run-1", "trl-sft", "tiny", config={"lr": 0.1}, report={"kept": 2}, **query)
    run = store.runs.start(made, KEYS)
    assert store.runs.get("run-1").status == "running"
    store.runs.metrics("run-1", [(1, {"loss": 2.0, "reward": 0.5}), (2, {"loss": 1.5})])
    done = store.runs.succeed(run, "/out", "f" * 64, {"loss": 1.5})
    found = store.runs.get("run")
    times = {
        name: found.to_json()[name] for name in ("started_at", "heartbeat_at", "ended_at")
    }  # kept to the millisecond
    assert found.to_json() == json.loads(json.dumps(done.to_json() | times))
    assert (found.status, found.checkpoint, found.metrics, found.spans) == ("succeeded", "/out", {"loss": 1.5}, 2)
    assert store.runs.curve("run-1") == [
        {"step": 1, "name": "loss", "value": 2.0},
        {"step": 2, "name": "loss", "value": 1.5},
        {"step": 1, "name": "reward", "value": 0.5},
    ]
    (checkpoint,) = store.sql("SELECT RunId, Path, PolicyVersion FROM checkpoints FINAL").to_pylist()
    assert checkpoint == {"RunId": "run-1", "Path": "/out", "PolicyVersion": "f" * 16}


def test_times_are_kept_in_utc(store: LightningStore) -> None:
    started = store.runs.start(Run("run-1", "t", "m"), []).started_at
    found = store.runs.get("run-1").started_at
    assert started is not None
    assert found is not None
    assert found.utcoffset() is not None
    assert abs((found - started).total_seconds()) < 0.01


def test_a_failed_run_says_why(store: LightningStore) -> None:
    run = store.runs.start(Run("run-1", "t", "m"), KEYS)
    store.runs.fail(run, "out of memory")
    (found,) = store.runs.all()
    assert (found.status, found.error) == ("failed", "out of memory")
    assert found.ended_at is not None


def test_which_spans_made_a_run_and_what_a_span_made(store: LightningStore) -> None:
    store.runs.start(Run("run-1", "t", "m"), KEYS)
    dataset = store.record_dataset(
        form="turns", path="/x", selection=Selection(), rows=2, sha256="0", report="{}", spans=KEYS[:1]
    )
    sql = "SELECT Kind, SubjectId FROM lineage FINAL WHERE SpanId = '1111111111111111' ORDER BY Kind"
    made = store.sql(sql).to_pylist()
    assert made == [{"Kind": "dataset", "SubjectId": dataset}, {"Kind": "run", "SubjectId": "run-1"}]
    (row,) = store.sql("SELECT Format, Rows, Spans FROM datasets FINAL").to_pylist()
    assert row == {"Format": "turns", "Rows": 2, "Spans": 1}


def test_a_run_is_found_by_a_beginning_that_only_it_has(store: LightningStore) -> None:
    for name in ("run-1", "run-12", "other"):
        store.runs.start(Run(name, "t", "m"), [])
    assert store.runs.get("o").run_id == "other"
    assert store.runs.get("run-1").run_id == "run-1"
    with pytest.raises(RunNotFound, match="2 runs begin with 'run'"):
        store.runs.get("run")
    with pytest.raises(RunNotFound, match="no run is called 'none'; list them with: leyden runs"):
        store.runs.get("none")


def test_ids_sort_by_time_and_are_unique() -> None:
    ids = [new_id() for _ in range(100)]
    assert len(set(ids)) == 100
    assert [i[:15] for i in ids] == sorted(i[:15] for i in ids)


def test_a_run_that_is_not_heard_of_is_lost_and_says_how_to_go_on(store: LightningStore) -> None:
    run = store.runs.start(Run("run-1", "t", "m"), [])
    store.connection.command(
        "INSERT INTO runs (RunId, Status, StartedAt, HeartbeatAt, UpdatedAt, Config, Report, Metrics)"
        " SELECT RunId, Status, StartedAt, now64(3) - INTERVAL 2 MINUTE, now64(6), Config, Report, Metrics"
        " FROM runs FINAL"
    )
    lost = store.runs.get("run-1")
    assert lost.status == RunStatus.LOST
    assert "its process was killed: not heard of since " in lost.error
    assert lost.error.endswith("leyden train --resume run-1")
    store.runs.beat(run)  # it only slept
    assert store.runs.get("run-1").status == "running"


def test_a_run_that_was_announced_keeps_when_it_began(store: LightningStore) -> None:
    announced = store.runs.announce(Run("run-1", "t", "m"))
    assert store.runs.start(replace(announced, model="n"), KEYS).started_at == announced.started_at
    cancelled = store.runs.fail(announced, "told to end", status=RunStatus.CANCELLED)
    assert (store.runs.get("run-1").status, cancelled.error) == ("cancelled", "told to end")


def test_a_run_is_a_span_too_and_no_agents(store: LightningStore) -> None:
    run = store.runs.start(Run("run-1", "trl-sft", "m", seed=7, rows_hash="ab"), KEYS)
    store.runs.metrics("run-1", [(step, {"loss": 1 / step}) for step in range(1, 1201)])
    store.runs.succeed(run, "/out", "f" * 64, {"loss": 0.5}, size=9, step=1200)
    tree = store.trace(run.to_json()["trace_id"])
    ((_, span),) = tree.walk()
    assert (span.name, span.status, span.project) == ("train trl-sft", "Ok", "leyden-runs")
    told = {name.removeprefix("leyden.run."): value for name, value in span.attributes.items()}
    assert (told["id"], told["seed"], told["rows_hash"], told["policy_version"]) == ("run-1", 7, "ab", "f" * 16)
    assert span.events[0].attributes == {"step": 1, "loss": 1.0}
    assert span.events[-1].attributes["step"] == 1200
    assert len(span.events) <= 501
    assert store.list_traces().rows == []
    with pytest.raises(SelectionEmpty):
        next(store.rollouts())


def test_checkpoints_are_registered_and_some_must_stay(store: LightningStore) -> None:
    for name in ("a", "b", "c", "d"):
        store.runs.succeed(
            store.runs.start(Run(name, "t", "m"), []), f"/{name}", name * 64, {"loss": 1.0}, size=9, step=3
        )
    store.checkpoints.promoted("/a")
    put(store, [chat(2, trace=1, policy_version="b" * 16, at_ns=time.time_ns())])
    store.runs.start(Run("e", "t", "/c"), [])
    found = {one.run_id: one for one in store.checkpoints.all()}
    assert (found["a"].state, found["d"].state) == (CheckpointState.PROMOTED, CheckpointState.KEPT)
    assert (found["d"].bytes, found["d"].step, found["d"].metrics) == (9, 3, {"loss": 1.0})
    assert store.checkpoints.in_use(datetime.now(UTC)) == {
        "a-3": "it was promoted",
        "b-3": "it was served within a day",
        "c-3": "the run e begins with it",
    }
