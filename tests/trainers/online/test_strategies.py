"""Online training by the strategies that reach beyond this machine: the same steps, whoever runs the agents.

That they learn as much is in test_online_training.py.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from leyden.demo import agent
from leyden.demo.tasks import tasks, write_tasks
from leyden_store.lightning import LightningStore
from leyden_store.runs import Run, RunStatus
from leyden_trainers.job import CollectorAt, train
from tests.support.collector import Collector, ask
from tests.trainers.online.test_hybrid import Worker, eventually

AGENT = f"{agent.__file__}:solve"
GROUP = 4

pytestmark = pytest.mark.filterwarnings("default")  # of Ray, and of torch in a thread


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    folder = tmp_path_factory.mktemp("collector")
    with Collector(f"chdb://{folder}/store", folder) as running:
        yield running


class Training:
    """A run of `trl-grpo` on the demo's tasks."""

    def __init__(
        self,
        collector: Collector,
        model: Path,
        folder: Path,
        *sets: str,
        steps: int,
        batch: int = 8,
    ) -> None:
        chosen = write_tasks(folder / "tasks.jsonl", tasks("train", 96))
        self.metrics: list[dict[str, float]] = []
        self._given = (collector, model, folder)
        self._sets = [
            f"tasks={chosen}",
            f"agent={AGENT}",
            "reward=tests.support.shop_reward:right_number",
            f"num_generations={GROUP}",
            f"per_device_train_batch_size={batch}",
            "learning_rate=2e-3",
            "lr_scheduler_type=constant",
            "seed=0",
            f"max_steps={steps}",
            *sets,
        ]

    def run(self) -> Run:
        collector, model, folder = self._given
        with LightningStore.open(collector.dsn) as store:
            return train(
                store,
                None,
                trainer="trl-grpo",
                model=str(model),
                out=folder / "out",
                sets=self._sets,
                on_metrics=self._note,
                collector=CollectorAt(collector.url),
            )

    def _note(self, _step: int, values: Mapping[str, float]) -> None:
        if "reward" in values:
            self.metrics.append(dict(values))

    def total(self, name: str) -> float:
        return sum(values[name] for values in self.metrics)


@contextmanager
def worker_of(collector: Collector, queue: str) -> Iterator[Worker]:
    worker = Worker(collector.url, AGENT, "--queue", queue, "--concurrency", "4")
    try:
        yield worker
    finally:
        worker.close()


def hybrid(queue: str, lease_s: float = 30.0) -> list[str]:
    return ["runner=hybrid", f"runner_settings={json.dumps({'queue': queue, 'lease_s': lease_s})}"]


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_costs_no_rollout(collector: Collector, tiny: Path, tmp_path: Path) -> None:
    """It is killed while it has rollouts, and another is started. Their second tries are what is trained on."""
    training = Training(collector, tiny, tmp_path, *hybrid("killed", lease_s=2.0), steps=2, batch=8)
    done: list[Run] = []
    with worker_of(collector, "killed") as doomed:
        running = threading.Thread(target=lambda: done.append(training.run()))
        running.start()

        def leased() -> bool:
            items = ask(f"{collector.url}/api/tasks").json()["items"]
            return any(one["queue"] == "killed" and one["rollouts"].get("leased", 0) >= 2 for one in items)

        eventually(leased, 120)
        doomed.close()
        with worker_of(collector, "killed"):
            running.join(240)
    assert [run.status for run in done] == [RunStatus.SUCCEEDED]
    assert training.total("rollouts/trained") + training.total("rollouts/nothing_usable") == 2 * 8
    batches = [one for one in ask(f"{collector.url}/api/tasks").json()["items"] if one["queue"] == "killed"]
    assert len(batches) == 2
    assert {one["rollouts"]["done"] for one in batches} == {8}
    assert sum(one["retries"] for one in batches) >= 2
    attempts = collector.query(
        "SELECT DISTINCT max(Attempt) FROM otel_traces WHERE RolloutId != '' GROUP BY RolloutId FORMAT TSV"
    ).body.split()
    assert set(attempts) == {b"0", b"1"}


@pytest.mark.online
def test_agents_as_tasks_of_a_ray_cluster(collector: Collector, tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    training = Training(
        collector, tiny, tmp_path, "runner=ray", 'runner_settings={"cpus": 0.5}', "concurrency=4", steps=2
    )
    run = training.run()
    assert run.status is RunStatus.SUCCEEDED
    assert training.total("rollouts/trained") + training.total("rollouts/nothing_usable") == 2 * 8
    assert training.total("rollouts/incomplete") == 0
