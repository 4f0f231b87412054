"""A training job: from a selection in the store to a checkpoint, recorded as a run with all it was made from."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.skimmable import StoreSource, as_is
from leyden_exporters.snapshots import options_json
from leyden_store.errors import StoreError
from leyden_store.lightning import LightningStore
from leyden_store.runs import Run, RunStatus, new_id
from leyden_store.selection import Selection
from leyden_store.span_sets import SpanKey, SpanSet
from leyden_store.turns import Rollout
from leyden_trainers.checkpoints import check_output
from leyden_trainers.code import code_version
from leyden_trainers.errors import CannotResume, NotRecorded, OutputTaken, RequirementMissing
from leyden_trainers.plugin import (
    OnlineTrainer,
    OnMetrics,
    Surroundings,
    TrainerConfig,
    TrainResult,
    find_trainer,
    ignore,
)
from leyden_trainers.publishing import Place, place_of
from leyden_trainers.recording import Record
from leyden_trainers.settings import config_from_sets
from leyden_trainers.unfinished import Unfinished, plain

_PATIENCE_S = 60.0
"""How long a store that is away at the end of a run is waited for."""

_SEED = 42
"""Transformers' own, where none is given."""

_Work = Callable[..., TrainResult]
"""Trains, given `model`, `out`, `config` and `on_metrics`."""


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
    out: Path | str,
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
    out:       where the checkpoint goes, a path or URL. Where the same was asked for before and cut off, that run is
               gone on with
    announced: the id of a run that is in the store already, and only its training missing
    collector: for such a trainer, the one that fills the store

    Settings are checked before anything is read, the data before anything is loaded. A run that fails is recorded
    as failed, with the error, which is raised on. Raises the errors of the store, the exporters and the trainers.
    """
    _check_alone()
    plugin = find_trainer(trainer)
    config = config_from_sets(plugin, sets)
    place = place_of(out)
    unfinished = Unfinished(place.local)
    model = str(Path(model).absolute()) if Path(model).exists() else model
    asked = plain(
        {
            "trainer": trainer,
            "model": model,
            "config": config.model_dump(mode="json"),
            "selection": [selection.sql, selection.parameters] if selection else None,
            "options": options_json(options or Options()),
        }
    )
    if before := unfinished.asked():
        if before[1] != asked:
            raise OutputTaken(
                f"{unfinished.folder} holds the unfinished run {before[0]}, of which something else was asked: "
                f"go on with it (leyden train --resume {before[0]}), or remove it"
            )
        return resume(store, before[0], on_metrics=on_metrics, collector=collector)
    check_output(place.local)
    place.check()
    run_id = announced or new_id()
    report, used, rows = Report(), set[SpanKey](), None
    if isinstance(plugin, OnlineTrainer):
        work = _online(plugin, store, collector, selection, options, run_id, used)
    else:
        if selection is None:
            raise RequirementMissing(f"{trainer} trains on stored rollouts: select some with --query, --where or --sql")
        # Reading much takes long, and who has announced the run is to see that it lives.
        with Record(store.runs, store.runs.get(announced)).beating() if announced else nullcontext():
            rows, report = plugin.prepare(watch(StoreSource(store, selection)), options)
        used.update(report.spans.kept_keys())
        if on_data is not None:
            on_data(report)
        work = partial(plugin.train, rows)
    run = Run(
        run_id=run_id,
        trainer=trainer,
        model=model,
        query=selection.query if selection else "",
        query_version=selection.version if selection else 0,
        sql=selection.sql if selection else "",
        config=config.model_dump(mode="json"),
        report=report.to_json(),
        code_version=code_version(),
        out=place.recorded,
        seed=int(config.training.get("seed", _SEED)),
    )
    with unfinished.held():
        run = replace(run, rows_hash=unfinished.write(run_id, asked, rows))
        try:
            run = store.runs.start(run, list(used))
        except BaseException:
            unfinished.remove()
            raise
        return _carry_out(store, run, work, config, place, used, on_metrics)


def _check_alone() -> None:
    """Raise RequirementMissing where this is one process of several that train together."""
    processes = os.environ.get("WORLD_SIZE", "1")
    if processes != "1":
        raise RequirementMissing(
            f"leyden train runs in one process and was started in {processes}, which would write one checkpoint: "
            "export the rows (leyden export) for TRL's own scripts, or launch one process"
        )


def resume(
    store: LightningStore,
    run_id: str,
    *,
    on_metrics: OnMetrics = ignore,
    collector: CollectorAt | None = None,
) -> Run:
    """Go on with a run that was cut off, from its newest state, to the checkpoint it would have made.

    It trains on the rows it began with, which stand beside its output, whatever has come to the store since; a trainer
    that makes its own goes on making them. Raises RunNotFound; CannotResume, which says why.
    """
    run = store.runs.get(run_id)
    if run.status == RunStatus.SUCCEEDED:
        raise CannotResume(f"the run {run.run_id} has ended well: its checkpoint is {run.checkpoint}")
    place = place_of(run.out or "none")
    unfinished = Unfinished(place.local)
    before = unfinished.asked()
    if before is None or before[0] != run.run_id:
        raise CannotResume(
            f"nothing is left of the run {run.run_id} to go on from: it would stand in {unfinished.folder}"
        )
    plugin = find_trainer(run.trainer)
    config = plugin.Config.model_validate(run.config)
    used = set(store.datasets.spans("run", run.run_id))
    with unfinished.held():
        if place.local.exists():
            work: _Work = partial(_made, store, run)
        elif isinstance(plugin, OnlineTrainer):
            work = _online(plugin, store, collector, None, None, run.run_id, used)
        elif SpanSet(used).hash != run.spans_hash:
            raise CannotResume(f"some of what the run {run.run_id} trains on was erased from the store: start it anew")
        else:
            work = partial(plugin.train, unfinished.rows(run.rows_hash))
        run = replace(run, status=RunStatus.RUNNING, error="", ended_at=None, code_version=code_version())
        return _carry_out(store, store.runs.beat(run), work, config, place, used, on_metrics)


def _carry_out(
    store: LightningStore,
    run: Run,
    work: _Work,
    config: TrainerConfig,
    place: Place,
    used: set[SpanKey],
    on_metrics: OnMetrics,
) -> Run:
    """Train, publish and record. What is unfinished stays as long as a run can go on from it."""
    record, unfinished = Record(store.runs, run), Unfinished(place.local)

    def measured(step: int, values: Mapping[str, float]) -> None:
        record.measured(step, values)
        on_metrics(step, values)

    try:
        with record.beating():
            result = work(model=run.model, out=place.local, config=config, on_metrics=measured)
            made = place.publish(
                {"run_id": run.run_id, "trainer": run.trainer, "model": run.model, "step": result.steps}
            )
        try:
            record.flush(at_most_s=_PATIENCE_S)
            done = store.runs.succeed(
                store.runs.uses(record.run, list(used)),
                made.path,
                made.sha256,
                result.metrics,
                size=made.size,
                step=result.steps,
            )
        except StoreError as error:
            raise NotRecorded(
                f"the checkpoint is whole, but the store cannot be told: {error}; "
                f"when it is back: leyden train --resume {run.run_id}"
            ) from error
    except BaseException as error:
        said = (
            "it was told to end" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"[:2000]
        )
        if unfinished.resumable:
            said += f"; go on with: leyden train --resume {run.run_id}"
        else:
            unfinished.remove()
        status = RunStatus.CANCELLED if isinstance(error, KeyboardInterrupt) else RunStatus.FAILED
        with suppress(StoreError):  # what went wrong is raised on, whether the store hears of it or not
            record.flush()
            store.runs.fail(store.runs.uses(record.run, list(used)), said, status=status)
        raise
    unfinished.remove()
    place.tidy()
    return done


def _online(
    plugin: OnlineTrainer,
    store: LightningStore,
    collector: CollectorAt | None,
    selection: Selection | None,
    options: Options | None,
    run_id: str,
    used: set[SpanKey],
) -> _Work:
    if collector is None:
        raise RequirementMissing(f"{plugin.name} makes rollouts while it trains, and needs a collector to record them")
    options = options or Options()
    around = Surroundings(store, collector.url, collector.token, selection, options, run_id, used.update)
    return partial(plugin.train_online, around)


def _made(store: LightningStore, run: Run, *, out: Path, **_: object) -> TrainResult:
    """A checkpoint that was whole before its run could be recorded as ended."""
    curve = store.runs.curve(run.run_id)
    last = {point["name"]: point["value"] for point in curve}  # in the order of the steps
    return TrainResult(out, max((point["step"] for point in curve), default=0), last)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """In the block, SIGTERM ends what is done as Ctrl-C does, so that it can still be recorded."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
