"""`trl-grpo` as a run: agents in processes, a collector, a store, and a policy that gets better by it."""

from __future__ import annotations

import json
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from leyden.demo import agent, recipe
from leyden.demo.tasks import tasks, write_tasks
from leyden_exporters.build import trajectory_table
from leyden_exporters.options import Options
from leyden_exporters.skimmable import StoreSource
from leyden_store.lightning import LightningStore
from leyden_trainers.plugin import Surroundings, find_trainer
from leyden_trainers.settings import config_from_sets
from tests.support.cli import Cli
from tests.support.collector import Collector
from tests.support.tiny_policy import serving, tiny_policy
from tests.trainers.online.test_hybrid import Worker
from tests.trainers.test_learning import score

AGENT = f"agent={agent.__file__}:solve"


@contextmanager
def overheard(url: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A front of that server which keeps its replies, by choice: prompt ids, ids, logprobs, policy version."""
    kept: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._pass_on(None)

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["content-length"])))

        def _pass_on(self, body: bytes | None) -> None:
            request = urllib.request.Request(f"{url.removesuffix('/v1')}{self.path}", body)
            request.add_header("content-type", "application/json")
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
            if self.path.endswith("/chat/completions"):
                kept.append(json.loads(text))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", kept
    finally:
        server.shutdown()
        server.server_close()


def sets(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def test_leyden_train_runs_agents_records_them_and_leaves_a_run(tiny: Path, tmp_path: Path) -> None:
    """Without a collector: it starts its own. What the trainer was given is, bit for bit, what the server said."""
    dsn = f"chdb://{tmp_path}/store"
    cli = Cli(tmp_path, dsn, patience_s=240)
    wanted = write_tasks(tmp_path / "tasks.jsonl", tasks("train", 8))
    with serving(tiny, name="tiny", policy_version="none") as served, overheard(served.url) as (url, replies):
        settings = [f"tasks={wanted}", AGENT, "reward=number", f"server={url}", "concurrency=2", "max_steps=2"]
        settings += ["num_generations=4", "per_device_train_batch_size=8", "learning_rate=1e-3"]
        done = cli("train", "--trainer", "trl-grpo", "--model", tiny, "--out", "out", "--json", *sets(*settings))
    run = json.loads(done.stdout.splitlines()[-1])
    assert (run["status"], run["trainer"], run["spans"]) == ("succeeded", "trl-grpo", len(replies))
    assert run["metrics"]["rollouts/trained"] == 8
    assert run["metrics"]["policy/logp_difference/max"] < 1e-4
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out") is not None
    assert not [*tmp_path.glob("out?*")], "what was unfinished is gone"

    with LightningStore.open(dsn) as store:
        table, report = trajectory_table(StoreSource(store), Options())
        versions = {turn.policy_version for rollout in store.rollouts() for turn in rollout.turns}
    assert (report.rollouts, report.dropped, versions) == (16, {}, {"0", "1"})
    said = {tuple(reply["prompt_token_ids"]) + tuple(reply["choices"][0]["token_ids"]): reply for reply in replies}
    for row in table.to_pylist():
        reply = said[tuple(row["input_ids"])]
        count = len(reply["choices"][0]["token_ids"])
        assert row["loss_mask"][-count:] == [1] * count
        logps = [token["logprob"] for token in reply["choices"][0]["logprobs"]["content"]]
        assert row["old_logps"][-count:] == pytest.approx(logps, abs=1e-6)


def test_what_is_missing_is_said_in_one_line_before_anything_is_started(tiny: Path, tmp_path: Path) -> None:
    cli = Cli(tmp_path, f"chdb://{tmp_path}/store")
    start = ("train", "--trainer", "trl-grpo", "--model", tiny, "--out", tmp_path / "out")
    assert "agent" in cli.refused(*start, code=2)
    assert "trl-grpo needs tasks" in cli.refused(*start, *sets(AGENT), code=2)
    assert "cannot read tasks" in cli.refused(*start, *sets(AGENT, "tasks=nowhere.jsonl"), code=2)


def trained(seed: int, reward: str, collector: Collector, folder: Path, *sets: str) -> Path:
    """The demo's first policy, trained online by the demo's recipe."""
    wanted = write_tasks(folder / "tasks.jsonl", tasks("train", recipe.ONLINE_TASKS, seed))
    trainer = find_trainer(recipe.ONLINE_TRAINER)
    given = [f"tasks={wanted}", AGENT, f"reward={reward}", f"seed={seed}"]
    config = config_from_sets(trainer, [*recipe.ONLINE_SETTINGS, *given, *sets])
    out = folder / reward.rpartition(":")[2]
    with LightningStore.open(collector.dsn) as store:
        around = Surroundings(store, collector.url, "", None, Options(), out.name, lambda _: None)
        trainer.train_online(around, model=str(tiny_policy(seed)), out=out, config=config)  # type: ignore[union-attr]
    return out


@contextmanager
def set_of(strategy: str, collector: Collector) -> Iterator[list[str]]:
    """What makes a run's agents run so, and who runs them."""
    if strategy == "hybrid":
        worker = Worker(collector.url, AGENT.removeprefix("agent="), "--queue", "rising", "--concurrency", "8")
        try:
            yield ["runner=hybrid", 'runner_settings={"queue": "rising"}']
        finally:
            worker.close()
    elif strategy == "ray":
        pytest.importorskip("ray")
        yield ["runner=ray", 'runner_settings={"cpus": 0.25}']
    else:
        yield []


@cache
def scores_to_beat(seed: int) -> tuple[float, float]:
    """Of the policy as it was, and trained on rewards that tell nothing, which is the same by whatever runner."""
    with tempfile.TemporaryDirectory() as folder, Collector(f"chdb://{folder}/store", Path(folder)) as collector:
        by_chance = trained(seed, "tests.support.online_rewards:chance", collector, Path(folder))
        return score(tiny_policy(seed), seed), score(by_chance, seed)


@pytest.mark.online
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("default")  # of Ray, and of torch in a thread
@pytest.mark.parametrize("strategy", ["local", "ray", "hybrid"])
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_twenty_steps_beat_a_frozen_policy_and_rewards_by_chance(strategy: str, seed: int, tmp_path: Path) -> None:
    frozen, chance = scores_to_beat(seed)
    with Collector(f"chdb://{tmp_path}/store", tmp_path) as collector, set_of(strategy, collector) as sets:
        true = score(trained(seed, "leyden.demo.tasks:solved", collector, tmp_path, *sets), seed)
    assert true > max(frozen, chance) + 0.1, (frozen, true, chance)
