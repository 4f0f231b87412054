"""A training job: from a selection in the store to a checkpoint, recorded as a run with all it was made from."""

from __future__ import annotations

import hashlib
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.skimmable import StoreSource, as_is
from leyden_store.errors import StoreError
from leyden_store.lightning import LightningStore
from leyden_store.runs import Run, Runs, RunStatus, SpanKey, new_id
from leyden_store.selection import Selection
from leyden_store.turns import Rollout
from leyden_trainers.errors import RequirementMissing
from leyden_trainers.plugin import OnlineTrainer, OnMetrics, Surroundings, find_trainer, ignore
from leyden_trainers.settings import config_from_sets

_METRICS_EVERY_S = 2.0
_PATIENCE_S = 60.0
"""How long a store that is away at the end of a run is waited for."""


@dataclass(frozen=True, slots=True)
class CollectorAt:
    """Where a collector is. token: "" where it asks for none."""

    url: str
    token: str = ""


def train(
    store: LightningStore,
    selection: Selection | None,
    *,
    trainer: str,
    model: str,
    out: Path,
    sets: Sequence[str] = (),
    options: Options | None = None,
    watch: Callable[[Iterable[Rollout]], Iterable[Rollout]] = as_is,
    on_data: Callable[[Report], None] | None = None,
    on_metrics: OnMetrics = ignore,
    announced: str | None = None,
    collector: CollectorAt | None = None,
) -> Run:
    """Train `model` on the selected rollouts and record the run: query, settings, report, spans, metrics, checkpoint.

    selection: only a trainer that makes its own rollouts can do without
    announced: the id of a run that is in the store already, and only its training missing
    collector: for such a trainer, the one that fills the store

    Settings are checked before anything is read, the data before anything is loaded. A run that fails is recorded
    as failed, with the error, which is raised on. Raises the errors of the store, the exporters and the trainers.
    """
    plugin = find_trainer(trainer)
    config = config_from_sets(plugin, sets)
    run_id = announced or new_id()
    report, used = Report(), set[SpanKey]()

    def on_metrics_too(step: int, values: Mapping[str, float]) -> None:
        metrics.add(step, values)
        on_metrics(step, values)

    if isinstance(plugin, OnlineTrainer):
        if collector is None:
            raise RequirementMissing(f"{trainer} makes rollouts while it trains, and needs a collector to record them")
        around = Surroundings(
            store, collector.url, collector.token, selection, options or Options(), run_id, used.update
        )
        work = partial(plugin.train_online, around)
    else:
        if selection is None:
            raise RequirementMissing(f"{trainer} trains on stored rollouts: select some with --query, --where or --sql")
        table, report = plugin.prepare(watch(StoreSource(store, selection)), options)
        used.update(report.spans.kept_keys())
        if on_data is not None:
            on_data(report)
        work = partial(plugin.train, table)
    run = Run(
        run_id=run_id,
        trainer=trainer,
        model=model,
        query=selection.query if selection else "",
        query_version=selection.version if selection else 0,
        sql=selection.sql if selection else "",
        config=config.model_dump(mode="json"),
        report=report.to_json(),
        code_version=version("leyden"),
    )
    run = store.runs.start(run, list(used))
    metrics = _Metrics(store.runs, run.run_id)
    try:
        result = work(model=model, out=out, config=config, on_metrics=on_metrics_too)
        metrics.flush(at_most_s=_PATIENCE_S)
        run = store.runs.uses(run, list(used))
        return store.runs.succeed(
            run, str(result.checkpoint.absolute()), folder_hash(result.checkpoint), result.metrics
        )
    except BaseException as error:
        metrics.flush()
        run = store.runs.uses(run, list(used))
        status = RunStatus.CANCELLED if isinstance(error, KeyboardInterrupt) else RunStatus.FAILED
        store.runs.fail(run, f"{type(error).__name__}: {error}"[:2000], status=status)
        raise


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """In the block, SIGTERM ends what is done as Ctrl-C does, so that it can still be recorded."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def folder_hash(folder: Path) -> str:
    """SHA-256 over a checkpoint's files, names included."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


class _Metrics:
    """Metrics on their way to the store, a few seconds at a time: an insert a step would slow small models down."""

    def __init__(self, runs: Runs, run_id: str) -> None:
        self._runs = runs
        self._run_id = run_id
        self._waiting: list[tuple[int, Mapping[str, float]]] = []
        self._written = time.monotonic()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        self._waiting.append((step, dict(values)))
        if time.monotonic() - self._written > _METRICS_EVERY_S:
            self.flush()

    def flush(self, *, at_most_s: float = 0.0) -> None:
        """Write them. A store that is away, because its collector is started again, gets them later.

        at_most_s: how long it is waited for; StoreError after that, if this is not 0
        """
        deadline = time.monotonic() + at_most_s
        while self._waiting:
            try:
                self._runs.metrics(self._run_id, self._waiting)
                self._waiting = []
            except StoreError:
                if not at_most_s:
                    break
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
        self._written = time.monotonic()
