"""Training over the API. Plugged in by `leyden up`: a run is `leyden train` in a process of its own, as a trigger's is.

Nothing waits in a queue: what cannot run now is refused, and says why. A run ends with the collector that started it,
and is recorded as cancelled then; `leyden train --resume` goes on with it.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

from fastapi import APIRouter
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from leyden.child import Unfinished, ran
from leyden_collector.access import Grant
from leyden_collector.api.parts import Asking, Parts, of_all
from leyden_collector.api_errors import RESPONSES, Error
from leyden_collector.settings import TrainingTable
from leyden_store import dsn as dsns
from leyden_store.audit import Action
from leyden_store.errors import LeydenError
from leyden_store.keys import Scope
from leyden_store.runs import Run, RunStatus, new_id
from leyden_trainers.plugin import OnlineTrainer, find_trainer

log = logging.getLogger(__name__)

_NEEDED = ("torch", "transformers", "trl", "datasets")


class TrainersMissing(LeydenError):
    """The collector's environment has nothing to train with."""

    http_status = 501


class TrainingRefused(LeydenError):
    """It cannot be trained now: one is under way already, or too many are."""

    http_status = 409


class NotTrainingHere(LeydenError):
    """The run is over, or another process than this collector started it."""

    http_status = 409


class TrainIn(BaseModel):
    """What to train on a saved query's rollouts, in the words of `leyden train`."""

    model_config = ConfigDict(extra="forbid")

    trainer: str = Field(min_length=1, max_length=100, description="such as trl-sft")
    model: str = Field(min_length=1, max_length=1000, description="a folder of the collector's machine, or a hub name")
    set: dict[str, Any] = Field({}, max_length=100, description="settings, as --set takes them")
    options: list[str] = Field([], max_length=100, description='data options, such as ["--advantage", "rloo"]')
    version: int | None = Field(None, ge=1, description="the query's version; without it the newest")
    again: bool = Field(False, description="train even while this trainer is at work on this query")


@dataclass(slots=True)
class _Training:
    run: Run
    thread: threading.Thread | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)


class Trainings:
    """The trainings of one collector; a context manager that ends those under way.

    dsn: where a training process finds the store; None is where this one does
    """

    def __init__(self, parts: Parts, settings: TrainingTable, dsn: str | None) -> None:
        self._parts = parts
        self._settings = settings
        self._dsn = dsn
        self._running: dict[str, _Training] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        for one in list(self._running.values()):
            if one.thread is not None:
                one.thread.join()

    def start(self, grant: Grant, query: str, given: TrainIn) -> Run:
        """Begin to train. Raises TrainersMissing, TrainerNotFound, OptionsInvalid, QueryNotFound, TrainingRefused."""
        if lacking := missing():
            raise TrainersMissing(
                f"this collector cannot train: {', '.join(lacking)} is not installed where it runs; "
                "pip install 'leyden[trainers]' there, or train elsewhere with: leyden train"
            )
        if isinstance(find_trainer(given.trainer), OnlineTrainer):
            raise TrainingRefused(f"{given.trainer} starts agents, which nobody may do over HTTP: use leyden train")
        words = [*_sets(given), *_data_options(given.options)]
        saved = self._parts.store.queries.get(query, given.version)
        with self._lock:
            self._check_room(saved.name, given)
            run_id = new_id()
            run = self._parts.store.runs.announce(
                Run(
                    run_id=run_id,
                    trainer=given.trainer,
                    model=given.model,
                    query=saved.name,
                    query_version=saved.version,
                    sql=saved.sql,
                    out=f"{self._folder()}/{run_id}",
                )
            )
            training = self._running[run_id] = _Training(run)
        self._parts.auditor.note(grant, Action.TRAIN, f"run {run_id}, {run.trainer}, of {run.query}, over the API")
        training.thread = threading.Thread(target=self._train, args=(training, words), name=f"leyden-train-{run_id}")
        training.thread.start()
        return run

    def cancel(self, run_id: str) -> Run:
        """Have a run end, which it does within seconds. Raises RunNotFound, NotTrainingHere."""
        run = self._parts.store.runs.get(run_id)
        training = self._running.get(run.run_id)
        if training is None or run.status != RunStatus.RUNNING:
            raise NotTrainingHere(
                f"the run {run.run_id} is {run.status}, and this collector does not train it: "
                "end its process where it runs"
            )
        training.cancelled.set()
        return run

    def _check_room(self, query: str, given: TrainIn) -> None:
        if self._stop.is_set():
            raise TrainingRefused("the collector is stopping: ask again when it is back")
        running = [run for run in self._parts.store.runs.all() if run.status == RunStatus.RUNNING]
        same = [run.run_id for run in running if (run.query, run.trainer) == (query, given.trainer)]
        if same and not given.again:
            raise TrainingRefused(
                f"the run {same[0]} already trains {given.trainer} on {query!r}: "
                'wait for its end, cancel it, or say "again": true'
            )
        here = [run.run_id for run in running if run.run_id in self._running]
        if len(here) >= self._settings.max_at_once:
            raise TrainingRefused(
                f"this collector trains {', '.join(here)} now, as many as training.max_at_once allows: "
                "ask again when one has ended"
            )

    def _folder(self) -> str:
        if self._settings.folder is not None:
            given = self._settings.folder
            return given.rstrip("/") if "://" in given else str(Path(given).absolute())
        target = self._parts.store.connection.target
        beside = target.path if isinstance(target, dsns.Embedded) else Path(".leyden").absolute()
        return str(beside.absolute() / "checkpoints")

    def _train(self, training: _Training, words: Sequence[str]) -> None:
        run = training.run
        command = [sys.executable, "-m", "leyden", "train", "--run-id", run.run_id, "--json"]
        command += ["--query", f"{run.query}@{run.query_version}", "--trainer", run.trainer, "--model", run.model]
        command += ["--out", run.out, *words]

        def why_end() -> str:
            if training.cancelled.is_set():
                return "cancelled over the API"
            return "cancelled because the collector stopped" if self._stop.is_set() else ""

        why = "its process ended without a word"
        try:
            ran(command, {"LEYDEN_STORE": self._dsn} if self._dsn else {}, why_end)
        except (Unfinished, OSError) as error:
            why = str(error)
        finally:
            try:
                self._record_end(run.run_id, why, ended=bool(why_end()))
            except LeydenError as error:
                log.warning("the end of the run %s could not be recorded: %s", run.run_id, error)
            del self._running[run.run_id]

    def _record_end(self, run_id: str, why: str, *, ended: bool) -> None:
        """Say what became of a run whose process could not say it itself."""
        found = self._parts.store.runs.get(run_id)
        if found.status in (RunStatus.RUNNING, RunStatus.LOST):
            status = RunStatus.CANCELLED if ended else RunStatus.FAILED
            self._parts.store.runs.fail(found, why[:2000], status=status)


def missing() -> list[str]:
    """What training needs and this environment lacks; nothing is loaded."""
    return [name for name in _NEEDED if not _there(name)]


def _there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # loaded by hand, or kept from being loaded
        return False


def _sets(given: TrainIn) -> list[str]:
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.set.items()}
    return [word for key, text in texts.items() for word in ("--set", f"{key}={text}")]


def _data_options(words: Sequence[str]) -> Sequence[str]:
    """The words, once it is sure that they are data options and nothing else. Raises OptionsInvalid."""
    import argparse

    from leyden.cli._shared import add_data_options
    from leyden_exporters.errors import OptionsInvalid

    class Strict(argparse.ArgumentParser):
        def error(self, message: str) -> Any:
            raise OptionsInvalid(f"options: {message}; they are the training data options of `leyden train --help`")

    parser = Strict(add_help=False, allow_abbrev=False)
    add_data_options(parser)
    parser.parse_args(words)
    return words


_MORE_RESPONSES: dict[int | str, dict[str, Any]] = {
    409: {"model": Error, "description": "Not now"},
    501: {"model": Error, "description": "There is nothing here to train with"},
}

Name = Annotated[str, InPath(max_length=200)]


def router(trainings: Trainings) -> APIRouter:
    """The routes. Training reads content and leaves a checkpoint, so it needs the scopes read and write."""
    routes = APIRouter(prefix="/api", tags=["runs"], responses=RESPONSES | _MORE_RESPONSES)

    @routes.post("/queries/{name}/train", summary="Train on what a saved query selects", status_code=202)
    def train(grant: Asking, name: Name, given: TrainIn) -> dict[str, Any]:
        """The run, which `GET /api/runs/{id}` then tells of: `status`, `progress`, `error`, and the `curve`."""
        grant.require(Scope.READ)
        of_all(grant)
        return trainings.start(grant, name, given).to_json()

    @routes.post("/runs/{run_id}/cancel", summary="End a run that this collector trains", status_code=202)
    def cancel(grant: Asking, run_id: Name) -> dict[str, Any]:
        of_all(grant)
        return trainings.cancel(run_id).to_json()

    return routes
