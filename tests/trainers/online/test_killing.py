"""A run of `trl-grpo` of which a part is killed in the middle: it ends right, or goes on where it was.

That of a worker is in test_strategies.py.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from leyden.demo import agent
from leyden.demo.tasks import tasks, write_tasks
from leyden_store.lightning import LightningStore
from leyden_store.runs import Run
from leyden_trainers.checkpoints import partial_of
from leyden_trainers.online.serving import OwnServer
from tests.support.cli import Cli
from tests.support.collector import Collector

pytestmark = pytest.mark.slow

STEPS, BATCH = 4, 8


class Training:
    """`leyden train`, as its stderr tells of it."""

    def __init__(self, cli: Cli, *words: str) -> None:
        self.process = cli.start("train", *words)
        self.said = ""
        self._done: set[int] = set()
        self._news = threading.Condition()
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                with self._news:
                    self.said += line
                    if line.startswith("step "):
                        self._done.add(int(line.split()[1]))
                    self._news.notify_all()

    def did(self, step: int) -> None:
        """Wait until it has done a step."""
        with self._news:
            assert self._news.wait_for(lambda: step in self._done, 120), self.said

    def children(self, word: str) -> list[int]:
        """The processes it started whose command holds the word."""
        return [pid for pid, parent, command in processes() if parent == self.process.pid and word in command]

    def end(self) -> int:
        """Its exit code, once it has ended by itself."""
        code = self.process.wait(120)
        self._listening.join(30)
        return code

    def kill(self) -> None:
        """kill -9, if it still runs."""
        self.process.kill()
        self.process.wait()
        self._listening.join(30)


def processes() -> Iterator[tuple[int, int, str]]:
    """Process, its parent, its command."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            yield int(folder.name), parent, (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue


def words(tiny: Path, folder: Path, *sets: str) -> list[str]:
    """A run so small that its parts' starts are most of it."""
    wanted = write_tasks(folder / "tasks.jsonl", tasks("train", 8))
    settings = [f"tasks={wanted}", f"agent={agent.__file__}:solve", "reward=number", "concurrency=2", "seed=0"]
    settings += [f"max_steps={STEPS}", "num_generations=4", f"per_device_train_batch_size={BATCH}", "save_steps=1"]
    settings += ["learning_rate=1e-4", *sets]
    asked = [word for setting in settings for word in ("--set", setting)]
    return ["--trainer", "trl-grpo", "--model", str(tiny), "--out", "out", *asked]


@contextmanager
def training(cli: Cli, *words: str) -> Iterator[Training]:
    run = Training(cli, *words)
    try:
        yield run
    finally:
        run.kill()


def eventually(condition: Callable[[], object], timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.05)


def ended_well(cli: Cli) -> tuple[Run, dict[int, dict[str, float]]]:
    """The run, which succeeded and left a whole checkpoint, and its metrics by step."""
    with LightningStore.open(cli.env["LEYDEN_STORE"]) as store:
        (run,) = store.runs.all()
        steps: dict[int, dict[str, float]] = {}
        for point in store.runs.curve(run.run_id):
            steps.setdefault(point["step"], {})[point["name"]] = point["value"]
    assert (run.status, run.policy_version is not None) == ("succeeded", True)
    assert AutoModelForCausalLM.from_pretrained(cli.folder / "out") is not None
    assert not partial_of(cli.folder / "out").exists()
    assert set(steps) == set(range(1, STEPS + 1))
    return run, steps


def told_of(metrics: dict[str, float]) -> float:
    """How many rollouts a step tells of, whatever became of them."""
    fates = ["trained", "failed", "timed_out", "incomplete", "no_turn", "nothing_usable", "no_reward"]
    return sum(metrics[f"rollouts/{fate}"] for fate in fates)


def versions(cli: Cli) -> dict[str, set[str]]:
    """The rollouts of each batch, and the policy versions that sampled them, by what the store holds."""
    with LightningStore.open(cli.env["LEYDEN_STORE"]) as store:
        found: dict[str, set[str]] = {}
        for rollout in store.rollouts():
            batch = "/".join(rollout.rollout_id.split("/")[:2])
            found.setdefault(batch, set()).update(str(turn.policy_version) for turn in rollout.turns)
    return found


def test_a_killed_trainer_goes_on_with_new_rollouts_by_the_weights_it_had(tiny: Path, tmp_path: Path) -> None:
    """Nothing of it is left behind: its collector and its policy server end with it."""
    cli = Cli(tmp_path, f"chdb://{tmp_path}/store")
    with training(cli, *words(tiny, tmp_path)) as first:
        first.did(2)
        left = first.children(" up ") + first.children("policy_server")
        assert len(left) == 2
        first.kill()
    eventually(lambda: not set(left) & {pid for pid, _, _ in processes()})
    with LightningStore.open(cli.env["LEYDEN_STORE"]) as store:
        (run,) = store.runs.all()
    with training(cli, "--resume", run.run_id) as second:
        assert second.end() == 0, second.said
    run, steps = ended_well(cli)
    assert {step: told_of(metrics) for step, metrics in steps.items()} == dict.fromkeys(range(1, STEPS + 1), BATCH)
    made = versions(cli)
    sessions = {batch.partition("/")[0] for batch in made}
    assert len(sessions) == 2, "a run that is gone on with makes rollouts of its own"
    assert set.union(*made.values()) == {str(version) for version in range(STEPS)}
    assert all(len(found) <= 1 for found in made.values()), "none was made by two policies"


def test_a_killed_policy_server_is_started_again_and_its_rollouts_are_tried_once_more(
    tiny: Path, tmp_path: Path
) -> None:
    cli = Cli(tmp_path, f"chdb://{tmp_path}/store")
    with training(cli, *words(tiny, tmp_path)) as run:
        run.did(1)
        # It has the weights of the second step, and agents begin.
        eventually(lambda: [path.name for path in tmp_path.rglob("policy-*")] == ["policy-1"])
        (server,) = run.children("policy_server")
        os.kill(server, signal.SIGKILL)
        assert run.end() == 0, run.said
    _, steps = ended_well(cli)
    assert steps[2]["rollouts/retried"] >= 1
    for metrics in steps.values():
        assert metrics["rollouts/trained"] + metrics["rollouts/nothing_usable"] == BATCH, metrics


def test_a_policy_server_that_dies_while_weights_are_handed_over_is_started_again(tiny: Path, tmp_path: Path) -> None:
    asked: list[Path] = []

    def save(folder: Path) -> None:
        asked.append(folder)
        shutil.copytree(tiny, folder)
        if len(asked) == 2:
            os.kill(server._process.pid, signal.SIGKILL)

    server = OwnServer(str(tiny), tmp_path / "weights")
    try:
        first = server.load(save, 0)
        second = server.load(save, 1)
        assert [folder.name for folder in asked] == ["policy-0", "policy-1", "policy-1"]
        assert (second.version, second.base_url != first.base_url, server.alive()) == ("1", True, True)
        with urllib.request.urlopen(second.base_url.replace("/v1", "/health"), timeout=30) as answer:
            assert json.load(answer)["policy_version"] == "1"
    finally:
        server.close()


def test_a_collector_killed_and_started_again_costs_some_rollouts_and_no_step(tiny: Path, tmp_path: Path) -> None:
    cli = Cli(tmp_path, f"chdb://{tmp_path}/store")
    with Collector(cli.env["LEYDEN_STORE"], tmp_path) as collector:
        port = collector.url.rpartition(":")[2]
        with training(cli, *words(tiny, tmp_path, "wait_s=15")) as run:
            run.did(1)
            collector.kill()
            time.sleep(1)
            collector._arguments = ("--http-port", port)
            collector.start()
            assert run.end() == 0, run.said
        _, steps = ended_well(cli)
    assert {told_of(metrics) for metrics in steps.values()} == {BATCH}
    for step in (1, STEPS):
        assert steps[step]["rollouts/incomplete"] == 0, "before and after, none is lost"


def test_a_run_whose_own_collector_is_killed_says_so_and_goes_on(tiny: Path, tmp_path: Path) -> None:
    cli = Cli(tmp_path, f"chdb://{tmp_path}/store")
    with training(cli, *words(tiny, tmp_path, "wait_s=3")) as first:
        first.did(2)
        (collector,) = first.children(" up ")
        os.kill(collector, signal.SIGKILL)
        assert first.end() == 1
    assert "Traceback" not in first.said
    with LightningStore.open(cli.env["LEYDEN_STORE"]) as store:
        (run,) = store.runs.all()
    done = json.loads(cli("train", "--resume", run.run_id, "--json").stdout.splitlines()[-1])
    assert (done["status"], done["run_id"]) == ("succeeded", run.run_id)
    ended_well(cli)
