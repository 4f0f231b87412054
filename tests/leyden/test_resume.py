"""`leyden train`, killed with its process at any step and gone on with: the checkpoint is as if it never was."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch
from safetensors.torch import load_file

from leyden_exporters.errors import PathUnwritable
from leyden_store.lightning import LightningStore
from leyden_store.reading import PostedReward
from leyden_trainers.checkpoints import partial_of
from leyden_trainers.errors import CannotResume, ModelInvalid, OutputTaken
from leyden_trainers.job import resume, train
from leyden_trainers.models import load_model
from tests.support.cli import Cli
from tests.support.collector import Collector
from tests.support.otlp_making import chat, make, put
from tests.support.tiny_policy import tiny_policy
from tests.support.warm import Command

STEPS = 12
SETS = [f"max_steps={STEPS}", "learning_rate=1e-2", "per_device_train_batch_size=2", "save_steps=1"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def rolled(empty: Cli) -> Cli:
    """A store with four attempts at each of two tasks, of unlike rewards."""
    with LightningStore.open(empty.env["LEYDEN_STORE"]) as store:
        for n in range(1, 9):
            of: dict[str, Any] = {"trace": n, "rollout_id": f"r{n}", "group_id": f"g{n % 2}"}
            ids = {
                "prompt_token_ids": [5, 6, 7],
                "response_token_ids": [8, 9, n],
                "response_logprobs": [-1.0, -2.0, -3.0],
            }
            put(store, [make(1, **of), chat(2, parent=1, said=f"reply {n}", **of, **ids)])
        store.add_rewards([PostedReward(name="reward", value=float(n > 3), rollout_id=f"r{n}") for n in range(1, 9)])
        store.queries.save("all", "SELECT DISTINCT TraceId FROM otel_traces WHERE RolloutId != ''")
    return empty


def killed_at(process: Command, step: int) -> None:
    """kill -9 as soon as it says that it has done that step."""
    assert process.stderr is not None
    said = []
    with process, process.stderr:
        for line in process.stderr:
            said.append(line)
            if line.startswith(f"step {step} "):
                process.kill()
    assert process.returncode == -signal.SIGKILL, "".join(said)


def words(trainer: str, out: str) -> list[str]:
    sets = [word for text in SETS for word in ("--set", text)]
    return ["--query", "all", "--trainer", trainer, "--model", str(tiny_policy()), "--out", out, *sets]


def in_this_process(cli: Cli, trainer: str, out: str, **more: Any) -> Any:
    with LightningStore.open(cli.env["LEYDEN_STORE"]) as store:
        chosen = store.select(query="all")
        place = out if "://" in out else str(cli.folder / out)
        return train(store, chosen, trainer=trainer, model=str(tiny_policy()), out=place, sets=SETS, **more)


def weights(folder: Path) -> bytes:
    loaded = load_file(folder / "model.safetensors")
    return b"".join(loaded[name].numpy().tobytes() for name in sorted(loaded))


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("trl-sft", "trl-dpo", "trl-kto", "trl-reward")]


@pytest.mark.parametrize("trainer", ["torch-replay", *SLOW])
def test_killed_at_random_steps_it_ends_with_the_same_weights(rolled: Cli, trainer: str) -> None:
    whole = in_this_process(rolled, trainer, "whole")
    first = random.randrange(1, STEPS - 1)
    killed_at(rolled.start("train", *words(trainer, "cut")), first)
    assert not (rolled.folder / "cut").exists()
    with LightningStore.open(rolled.env["LEYDEN_STORE"]) as store:
        (run_id,) = [run.run_id for run in store.runs.all() if run.run_id != whole.run_id]
        put(
            store, [chat(2, trace=99, rollout_id="late", prompt_token_ids=[1], response_token_ids=[2])]
        )  # not in its rows
    second = random.randrange(first + 1, STEPS)
    killed_at(rolled.start("train", "--resume", run_id), second)
    with LightningStore.open(rolled.env["LEYDEN_STORE"]) as store:
        done = resume(store, run_id)
        steps = [point["step"] for point in store.runs.curve(run_id) if point["name"] == "loss"]
    assert weights(rolled.folder / "cut") == weights(rolled.folder / "whole"), (first, second)
    assert (done.status, done.rows_hash, done.spans_hash) == ("succeeded", whole.rows_hash, whole.spans_hash)
    assert done.policy_version == whole.policy_version
    assert steps == list(range(1, STEPS + 1))
    assert sorted(path.name for path in rolled.folder.iterdir()) == ["cut", "store", "whole"]


class Killed(BaseException):
    """Stands for the end of the process."""


def cut_off(cli: Cli, at: int = 3, **more: Any) -> str:
    """The id of a run that was ended in the middle."""

    def die(step: int, _: Any) -> None:
        if step == at:
            raise Killed

    with pytest.raises(Killed):
        in_this_process(cli, "torch-replay", "out", on_metrics=die, **more)
    with LightningStore.open(cli.env["LEYDEN_STORE"]) as store:
        return store.runs.all()[0].run_id


def test_what_goes_on_and_what_does_not(rolled: Cli) -> None:
    run_id = cut_off(rolled)
    partial = partial_of(rolled.folder / "out")
    with LightningStore.open(rolled.env["LEYDEN_STORE"]) as store:
        failed = store.runs.get(run_id)
        assert (failed.status, failed.error.endswith(f"leyden train --resume {run_id}")) == ("failed", True)
        other = ["--query", "all", "--trainer", "torch-replay", "--model", str(tiny_policy())]
        with pytest.raises(OutputTaken, match=f"holds the unfinished run {run_id}, of which something else was asked"):
            train(
                store,
                store.select(query="all"),
                trainer="trl-sft",
                model=other[-1],
                out=rolled.folder / "out",
                sets=SETS,
            )
        rows = (partial / "rows.arrow").read_bytes()
        (partial / "rows.arrow").write_bytes(rows[:-1] + b"?")
        with pytest.raises(CannotResume, match="does not hold the rows that the run began with"):
            resume(store, run_id)
        (partial / "rows.arrow").write_bytes(rows)
        store.connection.ddl(f"DELETE FROM lineage WHERE TraceId = '{1:032x}'")  # as `leyden store erase` does
        with pytest.raises(CannotResume, match="was erased from the store"):
            resume(store, run_id)
        shutil.rmtree(partial)
        with pytest.raises(CannotResume, match="nothing is left of the run"):
            resume(store, run_id)


def test_the_same_asked_again_goes_on_and_one_that_ended_is_told(rolled: Cli) -> None:
    run_id = cut_off(rolled)
    seen: list[int] = []
    done = in_this_process(rolled, "torch-replay", "out", on_metrics=lambda step, _: seen.append(step))
    assert (done.run_id, done.status) == (run_id, "succeeded")
    assert seen[:3] == [1, 2, 3], "what was measured before is told again"
    with LightningStore.open(rolled.env["LEYDEN_STORE"]) as store, pytest.raises(CannotResume, match="has ended well"):
        resume(store, run_id)
    said = rolled.refused("train", "--resume", run_id, "--out", "x", code=2)
    assert "leave out --out" in said


def test_a_checkpoint_whole_before_its_run_was_recorded_is_recorded(
    rolled: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("leyden_store.runs.Runs.succeed", lambda *_, **__: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            in_this_process(rolled, "torch-replay", "out")
    made = weights(rolled.folder / "out")
    with LightningStore.open(rolled.env["LEYDEN_STORE"]) as store:
        run_id = store.runs.all()[0].run_id
        done = resume(store, run_id)
        (checkpoint,) = store.checkpoints.all()
    assert (done.status, checkpoint.run_id, checkpoint.step) == ("succeeded", run_id, STEPS)
    assert weights(rolled.folder / "out") == made
    assert not partial_of(rolled.folder / "out").exists()


def test_a_collector_killed_meanwhile_and_started_again_hears_the_rest(rolled: Cli) -> None:
    with Collector(rolled.env["LEYDEN_STORE"], rolled.folder) as collector:
        process = rolled.start("train", *words("torch-replay", "out"), "--json")
        assert process.stderr is not None
        lines = iter(process.stderr)
        for line in lines:
            if line.startswith("step 2 "):
                break
        os.kill(process.pid, signal.SIGSTOP)
        collector.kill()
        threading.Thread(target=lambda: (time.sleep(0.5), os.kill(process.pid, signal.SIGCONT))).start()
        collector.start()
        rest = "".join(lines)
        process.stderr.close()
        assert process.wait(120) == 0, rest
    with LightningStore.open(rolled.env["LEYDEN_STORE"]) as store:
        (run,) = store.runs.all()
        steps = {point["step"] for point in store.runs.curve(run.run_id)}
    assert (run.status, steps) == ("succeeded", set(range(1, STEPS + 1)))


def test_a_run_told_to_end_says_so_and_where_to_go_on(rolled: Cli) -> None:
    process = rolled.start("train", *words("torch-replay", "out"))
    assert process.stderr is not None
    with process, process.stderr:
        for line in process.stderr:
            if line.startswith("step 3 "):
                process.send_signal(signal.SIGTERM)
    assert process.returncode == 130
    with LightningStore.open(rolled.env["LEYDEN_STORE"]) as store:
        (run,) = store.runs.all()
    assert (run.status, run.error) == (
        "cancelled",
        f"it was told to end; go on with: leyden train --resume {run.run_id}",
    )


def test_a_checkpoint_at_a_url_is_whole_or_absent_and_loads(rolled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(rolled.folder / "cache"))
    memory = fsspec.filesystem("memory")
    url = f"memory://{rolled.folder.name}/out"
    put_file = type(memory).put_file

    def failing(self: Any, local: str, remote: str, **more: Any) -> None:
        if remote.endswith("model.safetensors"):
            raise OSError("the bucket is full")
        put_file(self, local, remote, **more)

    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "put_file", failing)
        with pytest.raises(PathUnwritable, match="the bucket is full"):
            in_this_process(rolled, "torch-replay", url)
    assert memory.find(f"/{rolled.folder.name}") == []
    with LightningStore.open(rolled.env["LEYDEN_STORE"]) as store:
        (run,) = store.runs.all()
        seen: list[int] = []
        done = resume(store, run.run_id, on_metrics=lambda step, _: seen.append(step))
        (checkpoint,) = store.checkpoints.all()
        with pytest.raises(PathUnwritable, match=r"already holds a checkpoint\.json"):
            train(store, store.select(query="all"), trainer="torch-replay", model=str(tiny_policy()), out=url)
    assert (done.checkpoint, checkpoint.path, seen) == (url, url, [])
    assert checkpoint.bytes == sum(memory.size(name) for name in memory.find(url) if "checkpoint.json" not in name)
    assert load_model(url).config.model_type == load_model(str(tiny_policy())).config.model_type
    assert list((rolled.folder / "cache" / "leyden" / "checkpoints").iterdir()) == []
    shutil.rmtree(rolled.folder / "cache")
    memory.pipe_file(f"{url}/config.json", b"{}")
    with pytest.raises(ModelInvalid, match="is not what it was: the hash of"):
        load_model(url)
    memory.rm_file(f"{url}/checkpoint.json")
    with pytest.raises(ModelInvalid, match="holds no whole checkpoint"):
        load_model(url)
