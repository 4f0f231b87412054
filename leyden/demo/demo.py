"""`leyden demo`: an unmodified agent is recorded, its traces train its model, and fresh rollouts say what that brought.

Everything is real but small: a policy of 100,000 parameters that samples, a collector, a store, trainers. It is trained
on what is recorded, and once more, from the start, on rollouts made meanwhile; a control trained on shuffled rewards
shows what is not learning. Training reads nothing but the store.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rich.console import Console

from leyden.demo import agent, recipe
from leyden.demo.outcome import measure
from leyden.demo.sampling import Sampler
from leyden.demo.tasks import Task, tasks, write_tasks
from leyden.draw import draw
from leyden.exporting import export
from leyden.posting import Collector
from leyden.processes import finish, flags, serving
from leyden_store.errors import LeydenError
from leyden_store.lightning import LightningStore
from leyden_store.selection import Selection

_TRUE, _CONTROL = "reward", "shuffled"
"""The control's rewards stand in the store beside the true ones, under a name of their own."""


def run_demo(*, out: Path | None = None, seed: int = 0, as_json: bool = False) -> int:
    """Run the demo into `out` (default: a new folder under ./.leyden). 0 when it went through.

    Raises DemoFailed when `out` is taken, ProcessFailed when a part does not do its work.
    """
    folder = (out or Path(f".leyden/demo-{datetime.now():%Y%m%d-%H%M%S}")).absolute()
    if folder.exists() and any(folder.iterdir()):
        raise DemoFailed(f"{folder} is not empty; give a new folder with --out, or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    # The model is so small that a second thread costs more in waiting than it brings; children inherit this.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    return _Demo(folder, seed, Console(stderr=as_json), as_json).run()


class DemoFailed(LeydenError):
    """The demo cannot begin; says why."""


class _Demo:
    def __init__(self, folder: Path, seed: int, console: Console, as_json: bool) -> None:
        self._folder = folder
        self._base = folder / "base"
        self._dsn = f"chdb://{folder / 'store'}"
        self._seed = seed
        self._console = console
        self._as_json = as_json
        self._began = time.monotonic()

    def run(self) -> int:
        """Make the policy; with a collector and a policy server up, tell the story."""
        with self._step("make a tiny policy: its replies are well formed, its choices a coin's toss"):
            from leyden.demo.model import build_model  # loads torch, once there is something to read

            build_model(self._base, self._seed)
        collector = ["leyden", "up", *flags(store=self._dsn, http_port=0)]
        server = [
            "leyden_trainers.policy_server",
            *flags(model=self._base, port=0, policy_version="base", served_model_name="demo", seed=self._seed),
        ]
        with serving(collector) as ready, serving(server) as policy:
            url = next(word for word in ready.split() if word.startswith("http://"))
            return self._story(Sampler(collector=url, policy=policy))

    def _story(self, sampler: Sampler) -> int:
        held_out = tasks("heldout", recipe.HELD_OUT_ROLLOUTS, self._seed)
        with self._step(f"record the agent: {recipe.TRAIN_ROLLOUTS} rollouts to learn from"):
            groups = tasks("train", recipe.TRAIN_ROLLOUTS // recipe.GROUP_SIZE, self._seed)
            earned = sampler.run("train", groups * recipe.GROUP_SIZE, policy_version="base")
            values = list(earned.values())
            random.Random(self._seed).shuffle(values)  # noqa: S311 - a control, no secret
            sampler.post(dict(zip(earned, values, strict=True)), name=_CONTROL)
        with self._step(f"and {len(held_out)} on tasks it will not learn from, before training"):
            sampler.run("before", held_out, policy_version="base")
        self._look(sampler)
        checkpoints = {name: self._train(name) for name in (_TRUE, _CONTROL)}
        for version, name in (("trained", _TRUE), ("control", _CONTROL)):
            self._measure(sampler, checkpoints[name], version, held_out)
        online = self._train_online(sampler)
        self._measure(sampler, online, "online", held_out)
        Collector(sampler.collector).flush()
        outcome = measure(self._dsn, checkpoints[_TRUE], round(time.monotonic() - self._began, 1), self._seed)
        self._console.print()
        self._console.print(outcome.table(), soft_wrap=True)
        self._console.print(f"\nNext: leyden traces --store {self._dsn}", soft_wrap=True, highlight=False)
        self._console.print(
            "      leyden up, and in another terminal: leyden run -- python your_agent.py", highlight=False
        )
        if self._as_json:
            print(json.dumps(outcome.to_json()), flush=True)
        return 0

    def _measure(self, sampler: Sampler, checkpoint: Path, version: str, held_out: Sequence[Task]) -> None:
        with self._step(f"swap the {version} weights in; the same held-out tasks again"):
            sampler.load(checkpoint, version)
            sampler.run(version, held_out, policy_version=version)

    def _look(self, sampler: Sampler) -> None:
        """One span tree, a saved query, an export: what a person would do before training."""
        Collector(sampler.collector).flush()
        chosen = Selection.where("startsWith(RolloutId, 'train/')")
        with LightningStore.open(self._dsn) as store:
            (newest,) = store.traces(chosen, limit=1)
            self._console.print("\nOne rollout, as recorded:")
            self._console.print(draw(store.trace(newest["trace_id"])))
            saved = store.queries.save("demo-train", chosen.sql, description="the demo's training rollouts")
            out = self._folder / "trajectories.jsonl"
            made = export(store, store.select(query=saved.name), form="trajectories", out=out, options=recipe.OPTIONS)
        self._console.print(f"\nThe saved query {saved.name!r} as trajectories ({out.name}):")
        self._console.print(made.summary, highlight=False)
        self._console.print()

    def _train(self, reward: str) -> Path:
        out = self._folder / f"trained-on-{reward}"
        data = flags(store=self._dsn, query="demo-train", reward=reward, advantage=recipe.OPTIONS.advantage.value)
        settings = [word for setting in (*recipe.SETTINGS, f"seed={self._seed}") for word in ("--set", setting)]
        with self._step(
            f"train from the store on {'shuffled' if reward == _CONTROL else 'the'} rewards: {recipe.TRAINER}"
        ):
            finish(["leyden", "train", *data, *flags(trainer=recipe.TRAINER, model=self._base, out=out), *settings])
        return out

    def _train_online(self, sampler: Sampler) -> Path:
        """Train the first policy on rollouts that the agent makes meanwhile."""
        out = self._folder / "trained-online"
        some = tasks("train", recipe.ONLINE_TASKS, self._seed)
        settings = {
            "tasks": write_tasks(self._folder / "tasks.jsonl", some),
            "agent": f"{agent.__file__}:solve",
            "reward": "leyden.demo.tasks:solved",
            "server": sampler.policy,
            "seed": self._seed,
        }
        given = [*recipe.ONLINE_SETTINGS, *(f"{name}={value}" for name, value in settings.items())]
        words = [word for setting in given for word in ("--set", setting)]
        command = ["leyden", "train", *flags(store=self._dsn, trainer=recipe.ONLINE_TRAINER, model=self._base, out=out)]
        with self._step(f"train the first policy anew, online, while the agent works: {recipe.ONLINE_TRAINER}"):
            finish([*command, *words])
        return out

    @contextmanager
    def _step(self, words: str) -> Iterator[None]:
        start = time.monotonic()
        self._console.print(f"· {words}", highlight=False)
        yield
        self._console.print(f"  {time.monotonic() - start:.1f} s", style="dim")
