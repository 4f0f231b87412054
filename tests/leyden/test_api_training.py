"""Training over the API: begun, watched, cancelled; what cannot be trained now, or here, says why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leyden_store.otlp import encode_traces
from tests.support.collector import Answer, Collector, ask
from tests.support.otlp_making import chat, make
from tests.support.tiny_policy import tiny_policy

ADMIN = {"X_API_Key": "secret"}
IDS: dict[str, Any] = {
    "prompt_token_ids": [5, 6, 7],
    "response_token_ids": [8, 9],
    "response_logprobs": [-0.1, -0.2],
}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    folder = tmp_path_factory.mktemp("training")
    with Collector(f"chdb://{folder}/store", folder, "--require-keys", env={"LEYDEN_TOKEN": "secret"}) as running:
        for n in (1, 2):
            spans = [make(1, trace=n, rollout_id=f"r{n}"), chat(2, trace=n, parent=1, rollout_id=f"r{n}", **IDS)]
            running.send(encode_traces(spans), **ADMIN)
        ask(f"{running.url}/api/flush", b"", **ADMIN)
        put = json.dumps({"where": "RolloutId != ''"}).encode()
        ask(f"{running.url}/api/queries/all", put, method="PUT", content_type="application/json", **ADMIN)
        yield running
        assert running.stop() == 0


def post(collector: Collector, path: str, body: Any = None, **headers: str) -> Answer:
    data = json.dumps(body).encode() if body is not None else b""
    return ask(f"{collector.url}/api/{path}", data, content_type="application/json", **headers or ADMIN)


def body(**more: Any) -> dict[str, Any]:
    return {"trainer": "trl-sft", "model": str(tiny_policy()), "set": {"max_steps": 2}} | more


def until(collector: Collector, run_id: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        run: dict[str, Any] = ask(f"{collector.url}/api/runs/{run_id}", **ADMIN).json()
        if run["status"] in states:
            return run
        time.sleep(0.1)
    raise AssertionError(run)


def test_a_run_is_begun_watched_and_leaves_a_checkpoint(collector: Collector) -> None:
    begun = post(collector, "queries/all/train", body(options=["--require-logprobs"]))
    assert begun.status == 202, begun.body
    assert begun.json()["status"] == "running"
    run = until(collector, begun.json()["run_id"], "succeeded", "failed")
    assert (run["status"], run["query"], run["spans"]) == ("succeeded", "all", 2), run["error"]
    assert run["config"]["training"]["max_steps"] == 2
    assert {"loss"} <= {point["name"] for point in run["curve"]}
    assert (Path(run["checkpoint"]) / "config.json").is_file()
    assert Path(run["checkpoint"]).parts[-2:] == ("checkpoints", run["run_id"])
    log = ask(f"{collector.url}/api/audit?limit=1000", **ADMIN).json()["items"]
    assert [one for one in log if one["key_id"] == "holder" and run["run_id"] in one["subject"]]


def test_one_runs_at_a_time_and_is_cancelled(collector: Collector) -> None:
    begun = post(collector, "queries/all/train", body(set={"max_steps": 10**6, "logging_steps": 10**3})).json()
    refused = post(collector, "queries/all/train", body())
    assert (refused.status, refused.json()["error"]["code"]) == (409, "training_refused")
    assert f"the run {begun['run_id']} already trains trl-sft on 'all'" in refused.json()["error"]["message"]
    full = post(collector, "queries/all/train", body(again=True))
    assert (full.status, "as many as training.max_at_once allows" in full.json()["error"]["message"]) == (409, True)
    assert post(collector, f"runs/{begun['run_id']}/cancel").status == 202
    run = until(collector, begun["run_id"], "cancelled", "failed")
    assert run["status"] == "cancelled", run
    assert run["ended_at"]
    again = post(collector, f"runs/{begun['run_id']}/cancel")
    assert (again.status, again.json()["error"]["code"]) == (409, "not_training_here")


def test_a_run_that_cannot_train_says_why(collector: Collector) -> None:
    begun = post(collector, "queries/all/train", body(model="./no-model")).json()
    run = until(collector, begun["run_id"], "failed", "succeeded")
    assert "./no-model is no model folder" in run["error"]


@pytest.mark.parametrize(
    ("path", "wrong", "status", "said"),
    [
        ("queries/none/train", {}, 404, "no saved query is called 'none'"),
        ("queries/all/train", {"trainer": "trl-sff"}, 400, "use trl-sft"),
        ("queries/all/train", {"trainer": "trl-grpo"}, 409, "starts agents, which nobody may do over HTTP"),
        ("queries/all/train", {"options": ["--out", "/elsewhere"]}, 400, "they are the training data options"),
        ("queries/all/train", {"out": "/elsewhere"}, 422, "out"),
        ("runs/none/cancel", {}, 404, "no run is called 'none'"),
    ],
)
def test_what_is_asked_wrongly_is_refused_at_once(
    collector: Collector, path: str, wrong: dict[str, Any], status: int, said: str
) -> None:
    answer = post(collector, path, body(**wrong) if path.endswith("train") else None)
    assert answer.status == status
    assert said in answer.json()["error"]["message"]


def test_training_needs_reading_and_writing(collector: Collector) -> None:
    for scope in ("read", "write", "ingest"):
        key = post(collector, "keys", {"name": scope, "scopes": [scope]}).json()["key"]
        assert post(collector, "queries/all/train", body(), X_API_Key=key).status == 403


def test_a_collector_without_trainers_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['trl'] = None"  # as if it were not installed
    with Collector(f"chdb://{tmp_path}/store", tmp_path, program=program, env={"LEYDEN_TOKEN": "secret"}) as running:
        put = json.dumps({"where": "1"}).encode()
        ask(f"{running.url}/api/queries/all", put, method="PUT", content_type="application/json")
        answer = post(running, "queries/all/train", body())
    assert (answer.status, answer.json()["error"]["code"]) == (501, "trainers_missing")
    assert "trl is not installed where it runs; pip install 'leyden[trainers]'" in answer.json()["error"]["message"]
