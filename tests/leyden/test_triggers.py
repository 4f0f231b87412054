"""Triggers at work: real trainings in processes of their own, and everything that can keep a checkpoint back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from leyden_store.lightning import LightningStore
from leyden_store.triggers import Trigger
from tests.support.cli import Cli
from tests.support.collector import Collector
from tests.support.otlp_making import chat, make, put
from tests.support.tiny_policy import tiny_policy

SETS = ("--set", "max_steps=1")


@pytest.fixture
def listener() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Stands for a policy server and a webhook: takes every POST, and keeps what was posted where."""
    posted: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", posted
        server.shutdown()
        thread.join()


def record(cli: Cli, *numbers: int) -> None:
    """Rollouts of one turn each, with token ids the tiny policy knows."""
    ids: dict[str, Any] = {
        "prompt_token_ids": [5, 6, 7],
        "response_token_ids": [8, 9],
        "response_logprobs": [-0.1, -0.2],
    }
    with LightningStore.open(cli.env["LEYDEN_STORE"]) as store:
        put(
            store,
            [
                span
                for n in numbers
                for span in (
                    make(1, trace=n, rollout_id=f"r{n}"),
                    chat(2, trace=n, parent=1, rollout_id=f"r{n}", **ids),
                )
            ],
        )


def trigger(cli: Cli, when: str = "rollouts > 0", **more: Any) -> None:
    """A trigger over every rollout, there without the command line, whose words one test below is about."""
    with LightningStore.open(cli.env["LEYDEN_STORE"]) as store:
        store.queries.save("all", "SELECT DISTINCT TraceId FROM otel_traces WHERE RolloutId != ''")
        given = {"model": str(tiny_policy()), "every_s": 0.0, "train": SETS} | more
        store.triggers.save(Trigger("t", "all", "trl-sft", out="out", when=when, **given))


def history(cli: Cli) -> list[Any]:
    with LightningStore.open(cli.env["LEYDEN_STORE"]) as store:
        return [firing.to_json() for firing in store.triggers.firings()]


def test_a_trigger_trains_when_enough_is_new_and_then_waits_again(
    empty: Cli, listener: tuple[str, list[tuple[str, Any]]]
) -> None:
    url, posted = listener
    record(empty, 1)
    empty("query", "save", "all", "--where", "RolloutId != ''")
    guard = (
        f"{sys.executable} -c \"import os; assert os.path.isfile(os.environ['LEYDEN_CHECKPOINT'] + '/config.json')\""
    )
    empty(
        "trigger", "add", "nightly", "--query", "all", "--trainer", "trl-sft", "--model", tiny_policy(), "--out", "out",
        "--when", "new_rollouts >= 2", "--every", "0s", *SETS, "--guard", guard, "--promote", f"{url}/v1",
        "--webhook", f"{url}/hook", "--train=--require-logprobs",
    )  # fmt: skip
    assert "waits: new_rollouts >= 2 (" in empty("trigger", "tick").stdout
    record(empty, 2)
    (looked,) = empty.lines("trigger", "tick", "--json")
    firing = looked["firing"]
    assert (looked["said"], firing["status"], firing["promoted"], firing["facts"]["new_rollouts"]) == (
        "succeeded", "succeeded", True, 2.0,
    )  # fmt: skip
    assert (Path(firing["checkpoint"]) / "config.json").is_file()
    (run,) = empty.lines("runs", "--json")
    assert (run["run_id"], run["query"], run["spans"]) == (firing["run_id"], "all", 2)
    assert [path for path, _ in posted] == ["/admin/load", "/hook"]
    assert posted[0][1] == {"path": firing["checkpoint"], "policy_version": run["policy_version"]}
    (checkpoint,) = empty.lines("runs", "checkpoints", "--json")
    assert (checkpoint["state"], checkpoint["policy_version"]) == ("promoted", firing["policy_version"])
    assert f"{checkpoint['path']}  left, it was promoted" in empty("runs", "prune", "--keep", "0", "--yes").stdout
    assert (Path(firing["checkpoint"]) / "config.json").is_file()
    assert posted[1][1]["firing_id"] == firing["firing_id"]
    assert "waits: new_rollouts >= 2 (" in empty("trigger", "tick").stdout
    assert [one["firing_id"] for one in history(empty)] == [firing["firing_id"]]


def test_a_checkpoint_the_guard_refuses_is_kept_and_not_promoted(
    empty: Cli, listener: tuple[str, list[tuple[str, Any]]]
) -> None:
    url, posted = listener
    record(empty, 1)
    guard = (sys.executable, "-c", "raise SystemExit('the reward fell to 0.2')")
    trigger(empty, "rollouts > 9", guard=guard, promote=(url,), max_tokens_per_day=5)
    (looked,) = empty.lines("trigger", "run", "t", "--json")
    firing = looked["firing"]
    assert (firing["status"], firing["promoted"]) == ("succeeded", False)
    assert "not promoted: " in firing["note"]
    assert "the reward fell to 0.2" in firing["note"]
    assert Path(firing["checkpoint"]).is_dir()
    assert posted == []
    assert "waits: its budget of 5 tokens a day is spent" in empty("trigger", "tick").stdout
    assert f"{firing['checkpoint']}  would be removed" in empty("runs", "prune", "--older-than", "0s").stdout
    assert Path(firing["checkpoint"]).is_dir()
    assert f"{firing['checkpoint']}  removed" in empty("runs", "prune", "--keep", "0", "--yes").stdout
    assert not Path(firing["checkpoint"]).exists()
    assert empty.lines("runs", "checkpoints", firing["run_id"], "--json")[0]["state"] == "pruned"
    assert "say which checkpoints to remove" in empty.refused("runs", "prune", code=2)
    empty("runs", firing["run_id"], "--plot", "curves.png")
    assert (empty.folder / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_training_that_fails_is_told_and_tried_again_next_time(empty: Cli) -> None:
    record(empty, 1)
    trigger(empty, "new_rollouts > 0", model="./no-model", max_runs_per_day=2)
    for _ in range(2):
        said = empty("trigger", "tick", code=1).stdout
        assert "failed: python" in said
        assert "is no model folder" in said
    assert "waits: its budget of 2 runs a day is spent" in empty("trigger", "tick").stdout
    assert [one["status"] for one in history(empty)] == ["failed", "failed"]


def test_a_training_beyond_its_minutes_is_ended(empty: Cli) -> None:
    record(empty, 1)
    trigger(empty, train=("--set", "max_steps=1000000"), max_minutes=0.02)
    assert "its budget of minutes is spent" in empty("trigger", "tick", code=1).stdout


def test_a_paused_trigger_waits_and_a_deleted_one_is_gone(empty: Cli) -> None:
    trigger(empty, "rollouts >= 0")
    empty("trigger", "pause", "t")
    assert "waits: it is paused" in empty("trigger", "tick").stdout
    assert "paused" in empty("trigger", "list").stdout
    empty("trigger", "resume", "t")
    assert empty.lines("trigger", "show", "t", "--json")[0]["facts"]["rollouts"] == 0
    empty("trigger", "delete", "t")
    assert empty("trigger", "list").stdout == ""
    assert "no trigger is called 't'" in empty.refused("trigger", "tick", "t")


def test_what_could_never_train_is_refused_when_it_is_added(empty: Cli) -> None:
    trigger(empty)
    right = {"--query": "all", "--trainer": "trl-sft", "--model": "org/m", "--out": "out", "--when": "rollouts > 0"}
    for wrong, said, code in (
        ({"--when": "rollots > 1"}, "'rollots', which is no fact: use rollouts", 2),
        ({"--trainer": "trl-sff"}, "no trainer is called 'trl-sff': use trl-sft", 2),
        ({"--set": "max_stepz=1"}, "did you mean max_steps", 2),
        ({"--query": "none"}, "no saved query is called 'none'", 1),
    ):
        words = [word for pair in (right | wrong).items() for word in pair]
        assert said in empty.refused("trigger", "add", "other", *words, code=code)
    with LightningStore.open(empty.env["LEYDEN_STORE"]) as store:
        assert [one.name for one in store.triggers.all()] == ["t"]


def test_a_running_collector_fires_by_itself_and_ends_a_training_when_told_to_stop(empty: Cli) -> None:
    record(empty, 1)
    trigger(empty, train=("--set", "max_steps=1000000", "--set", "logging_steps=1000"))
    with Collector(empty.env["LEYDEN_STORE"], empty.folder, env={"LEYDEN_TRIGGERS__EVERY_S": "0.5"}) as up:
        assert up.process is not None
        deadline = time.monotonic() + 60
        while not [one for one in history(empty) if one["status"] == "running"]:
            assert time.monotonic() < deadline
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(30) == 0
    (firing,) = history(empty)
    assert (firing["status"], firing["note"]) == ("failed", "ended because the collector stopped")
    left = subprocess.run(["pgrep", "-f", str(empty.folder)], capture_output=True, text=True, check=False).stdout
    assert [pid for pid in left.split() if int(pid) != os.getpid()] == []
