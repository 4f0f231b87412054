"""`leyden demo`: an unmodified agent is recorded, its traces train its model, and fresh rollouts say what that brought.

Everything is real but small: a policy of 100,000 parameters that samples, a collector, a store, trainers. A control
trained the same way on shuffled rewards shows what is not learning. Training reads nothing but the store.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from leyden.demo import recipe
from leyden.demo.processes import DemoFailed, finish, serving
from leyden.demo.sampling import Sampler, post
from leyden.demo.scores import Score, score
from leyden.demo.tasks import tasks
from leyden.draw import draw
from leyden.exporting import export
from leyden_exporters.build import trajectory_table
from leyden_store.lightning import LightningStore
from leyden_store.selection import Selection

_CONTROL = "shuffled"
"""The name under which the control's rewards stand beside the true ones."""


def run_demo(*, out: Path | None = None, seed: int = 0, as_json: bool = False) -> int:
    """Run the demo into `out` (default: a new folder under ./.leyden). 0 when it went through.

    Raises DemoFailed when `out` is taken or a part does not do its work.
    """
    began = time.monotonic()
    folder = (out or Path(f".leyden/demo-{datetime.now():%Y%m%d-%H%M%S}")).absolute()
    if folder.exists() and any(folder.iterdir()):
        raise DemoFailed(f"{folder} is not empty; give a new folder with --out, or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    return _Demo(folder, seed, Console(stderr=as_json), began, as_json).run()


class _Demo:
    def __init__(self, folder: Path, seed: int, console: Console, began: float, as_json: bool) -> None:
        self._folder = folder
        self._seed = seed
        self._console = console
        self._began = began
        self._as_json = as_json
        self._dsn = f"chdb://{folder / 'store'}"

    def run(self) -> int:
        base = self._folder / "base"
        with self._step("make a tiny policy (its replies are well formed, its choices a coin's toss)"):
            from leyden.demo.model import build_model  # loads torch, once there is something to read

            build_model(base, self._seed)
        with (
            serving(["leyden", "up", "--store", self._dsn, "--http-port", "0"]) as ready,
            serving(
                ["leyden_trainers.policy_server", "--model", str(base), "--port", "0", "--policy-version", "base",
                 "--served-model-name", "demo", "--seed", str(self._seed)]  # fmt: skip
            ) as policy,
        ):
            sampler = Sampler(collector=_url(ready), policy=policy)
            return self._with_servers(sampler, base)

    def _with_servers(self, sampler: Sampler, base: Path) -> int:
        held_out = tasks("heldout", recipe.HELD_OUT_ROLLOUTS, self._seed)
        with self._step(f"record the agent: {recipe.TRAIN_ROLLOUTS} rollouts to learn from"):
            groups = tasks("train", recipe.TRAIN_ROLLOUTS // recipe.GROUP_SIZE, self._seed)
            earned = sampler.run("train", groups * recipe.GROUP_SIZE, policy_version="base")
            values = list(earned.values())
            random.Random(self._seed).shuffle(values)  # noqa: S311: a control, no secret
            sampler.post(dict(zip(earned, values, strict=True)), name=_CONTROL)
        with self._step(f"and {len(held_out)} on tasks it will not learn from, before training"):
            sampler.run("before", held_out, policy_version="base")
        self._look(sampler)
        checkpoints = {name: self._train(name) for name in ("reward", _CONTROL)}
        for version, name in (("trained", "reward"), ("control", _CONTROL)):
            with self._step(f"swap the {version} weights in; the same held-out tasks again"):
                post(f"{sampler.policy.removesuffix('/v1')}/admin/load", {"path": str(checkpoints[name]), "policy_version": version})
                sampler.run(version, held_out, policy_version=version)
        return self._report(sampler, checkpoints["reward"])

    def _look(self, sampler: Sampler) -> None:
        """One span tree, a saved query, an export: what a person would do before training."""
        post(f"{sampler.collector}/api/flush", {})
        with LightningStore.open(self._dsn) as store:
            (newest,) = store.traces(Selection.where("startsWith(RolloutId, 'train/')"), limit=1)
            self._console.print("\nOne rollout, as recorded:")
            self._console.print(draw(store.trace(newest["trace_id"])))
            saved = store.queries.save(
                "demo-train", Selection.where("startsWith(RolloutId, 'train/')").sql, description="the demo's training rollouts"
            )
            made = export(
                store, store.select(query=saved.name), format="trajectories", out=self._folder / "trajectories.jsonl", options=recipe.OPTIONS
            )
        self._console.print(f"\nThe saved query {saved.name!r} as trajectories ({made.path.name}):")
        self._console.print(made.summary, highlight=False)

    def _train(self, reward: str) -> Path:
        out = self._folder / f"trained-on-{reward}"
        with self._step(f"train from the store on the {reward if reward != 'reward' else 'true'} rewards ({recipe.TRAINER})"):
            finish(
                ["leyden", "train", "--store", self._dsn, "--query", "demo-train", "--trainer", recipe.TRAINER,
                 "--model", str(self._folder / "base"), "--out", str(out), "--reward", reward,
                 "--advantage", recipe.OPTIONS.advantage.value,
                 *(word for setting in recipe.SETTINGS for word in ("--set", setting)), "--set", f"seed={self._seed}"]  # fmt: skip
            )
        return out

    def _report(self, sampler: Sampler, checkpoint: Path) -> int:
        post(f"{sampler.collector}/api/flush", {})
        with LightningStore.open(self._dsn) as store:
            scores = {name: score(store, name, self._seed) for name in ("before", "trained", "control")}
            _, found = trajectory_table(store.rollouts(), recipe.OPTIONS)
            stats = store.stats()
        seconds = round(time.monotonic() - self._began, 1)
        self._show(scores, found.rollouts, stats["spans"], found.llm_spans, found.dropped, checkpoint, seconds)
        if self._as_json:
            result = {
                "rollouts": found.rollouts,
                "spans": stats["spans"],
                "turns": found.llm_spans - found.dropped.get("unread", 0),
                "dropped": found.dropped,
                "reward_before": scores["before"].to_json(),
                "reward_after": scores["trained"].to_json(),
                "reward_shuffled": scores["control"].to_json(),
                "store": self._dsn,
                "checkpoint": str(checkpoint),
                "seconds": seconds,
            }
            print(json.dumps(result), flush=True)
        return 0

    def _show(
        self, scores: dict[str, Score], rollouts: int, spans: int, llm_spans: int, dropped: dict[str, int], checkpoint: Path, seconds: float
    ) -> None:
        table = Table(show_header=False, box=None, pad_edge=False)
        for name, value in (
            ("rollouts", f"{rollouts:,}"),
            ("spans", f"{spans:,}"),
            ("LLM calls", f"{llm_spans:,}"),
            ("dropped", ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or "none"),
            ("reward before", str(scores["before"])),
            ("reward after", f"[bold green]{scores['trained']}[/bold green]"),
            ("  control: shuffled rewards", str(scores["control"])),
            ("store", self._dsn),
            ("checkpoint", str(checkpoint)),
            ("took", f"{seconds} s"),
        ):
            table.add_row(name, value)
        self._console.print()
        self._console.print(table, soft_wrap=True)
        self._console.print(
            f"\nNext: leyden traces --store {self._dsn}\n"
            "      leyden up, then: leyden run -- python your_agent.py",
            soft_wrap=True, highlight=False,
        )  # fmt: skip

    @contextmanager
    def _step(self, words: str) -> Iterator[None]:
        start = time.monotonic()
        self._console.print(f"· {words}", highlight=False)
        yield
        self._console.print(f"  {time.monotonic() - start:.1f} s", style="dim")


def _url(ready: str) -> str:
    """The URL in the collector's first line."""
    return next(word for word in ready.split() if word.startswith("http://"))
