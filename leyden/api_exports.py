"""`/api/exports`: data sets made by a running collector. Plugged in by `leyden up`, as the collector knows no formats.

One export runs at a time, in a thread. Their files lie beside the store until somebody removes the folder; what is
under way ends with the collector, and what was made stays registered in the store.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from leyden.exporting import export
from leyden_collector.access import Grant
from leyden_collector.api.pages import Cursor, Limit, Page, cut
from leyden_collector.api.parts import Asking, Parts, of_project
from leyden_collector.api_errors import RESPONSES
from leyden_exporters.options import Options
from leyden_exporters.skimmable import watched
from leyden_exporters.sources import Skimmable
from leyden_store import dsn as dsns
from leyden_store.audit import Action, acting_as
from leyden_store.errors import LeydenError
from leyden_store.keys import Scope
from leyden_store.runs import new_id
from leyden_store.selection import Selection
from leyden_store.turns import Rollout

log = logging.getLogger(__name__)

_SUFFIX = {"spans": ".parquet", "otlp": ".pb"}


class ExportNotFound(LeydenError):
    """No export of this collector has that id."""

    http_status = 404


class ExportNotReady(LeydenError):
    """The export has no file, or none yet."""

    http_status = 409


class ExportIn(BaseModel):
    """What to export: a format of `leyden export`, of a saved query, of a condition, or of everything."""

    model_config = ConfigDict(extra="forbid")

    format: str = Field(min_length=1, max_length=100, pattern="^[a-z0-9-]+$")
    query: str | None = Field(None, max_length=200, description="a saved query")
    where: str | None = Field(None, max_length=10_000, description="traces with a span for which this holds")
    file: Literal["jsonl", "parquet"] | None = Field(None, description="the kind of file; the format's own without")
    reward: str | None = Field(None, max_length=200, description="the reward to use")
    min_reward: float | None = Field(None, allow_inf_nan=False)
    require_reward: bool = False
    max_tokens: int | None = Field(None, ge=1)


@dataclass(slots=True)
class _Job:
    """An export. state: waiting, running, done or failed; read: rollouts so far."""

    export_id: str
    form: str
    query: str
    project: str
    path: Path
    state: str = "waiting"
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    error: str = ""
    read: int = 0
    made: dict[str, Any] | None = None

    def watch(self, rollouts: Iterable[Rollout]) -> Iterable[Rollout]:
        """The rollouts, counted as they are read."""
        return watched(rollouts, self._passed) if isinstance(rollouts, Skimmable) else rollouts

    def _passed(self, count: int | None) -> None:
        self.read += count or 0

    def to_json(self) -> dict[str, Any]:
        return {
            "export_id": self.export_id,
            "format": self.form,
            "query": self.query or None,
            "state": self.state,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "error": self.error,
            "rollouts_read": self.read,
            "dataset_id": self.made["dataset_id"] if self.made else None,
            "rows": self.made["rows"] if self.made else None,
            "sha256": self.made["sha256"] if self.made else None,
            "report": self.made["report"] if self.made else None,
        }


class Exports:
    """The exports of one collector, and the thread that makes them."""

    def __init__(self, parts: Parts, folder: Path) -> None:
        self._parts = parts
        self._folder = folder
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="leyden-export")

    def start(self, grant: Grant, given: ExportIn) -> _Job:
        """Begin an export. Raises what the selection raises."""
        chosen = self._parts.store.select(
            query=given.query, where=given.where, project=of_project(grant), purpose="export"
        )
        suffix = f".{given.file}" if given.file else _SUFFIX.get(given.format, ".jsonl")
        export_id = new_id()
        path = self._folder / export_id / f"{given.format}{suffix}"
        job = _Job(export_id, given.format, given.query or "", grant.project, path)
        with self._lock:
            self._jobs[export_id] = job
        self._thread.submit(self._make, job, given, chosen, grant)
        return job

    def get(self, grant: Grant, export_id: str) -> _Job:
        """One export that the grant may see. Raises ExportNotFound."""
        job = self._jobs.get(export_id)
        if job is None or grant.project not in ("", job.project):
            raise ExportNotFound(
                f"no export of this collector is called {export_id!r}; data sets made before its start"
                " are at /api/datasets"
            )
        return job

    def all(self, grant: Grant) -> list[_Job]:
        """Every export that the grant may see, the newest first."""
        with self._lock:
            found = [job for job in self._jobs.values() if grant.project in ("", job.project)]
        return sorted(found, key=lambda job: job.export_id, reverse=True)

    def _make(self, job: _Job, given: ExportIn, chosen: Selection, grant: Grant) -> None:
        job.state = "running"
        options = Options(
            reward=given.reward,
            min_reward=given.min_reward,
            require_reward=given.require_reward,
            max_tokens=given.max_tokens,
            selection=given.query or given.where or "everything",
        )
        try:
            job.path.parent.mkdir(parents=True)
            with acting_as(grant.key_id, grant.name):
                made = export(
                    self._parts.store, chosen, form=given.format, out=job.path, options=options, watch=job.watch
                )
            job.made, job.state = made.to_json(), "done"
        except (LeydenError, OSError) as error:
            job.error, job.state = str(error), "failed"
        except Exception as error:
            log.exception("the export %s failed", job.export_id)
            job.error, job.state = f"{type(error).__name__}: {error}", "failed"
        finally:
            job.ended_at = datetime.now(UTC)


Id = Annotated[str, InPath(max_length=100)]


def router(parts: Parts, exports: Exports) -> APIRouter:
    """The routes. An export reads content and leaves a file, so it needs the scopes read and write."""
    routes = APIRouter(prefix="/api", tags=["exports"], responses=RESPONSES)

    @routes.post("/exports", summary="Begin an export", status_code=202)
    def start(grant: Asking, given: ExportIn) -> dict[str, Any]:
        grant.require(Scope.READ)
        return exports.start(grant, given).to_json()

    @routes.get("/exports", summary="The newest exports of this collector")
    def listed(grant: Asking, limit: Limit = 100, cursor: Cursor = "") -> Page:
        return cut([(job.export_id, job.to_json()) for job in exports.all(grant)], limit, cursor)

    @routes.get("/exports/{export_id}", summary="How an export goes")
    def state(grant: Asking, export_id: Id) -> dict[str, Any]:
        return exports.get(grant, export_id).to_json()

    @routes.get("/exports/{export_id}/file", summary="What an export made", response_class=FileResponse)
    def download(grant: Asking, export_id: Id) -> FileResponse:
        job = exports.get(grant, export_id)
        if job.state != "done" or job.made is None:
            raise ExportNotReady(
                f"the export {export_id} is {job.state}: {job.error or 'ask for its state until it is done'}"
            )
        parts.auditor.note(grant, Action.DOWNLOAD, f"export {export_id}, {job.form}", job.made["rows"])
        return FileResponse(job.path, filename=job.path.name)

    return routes


def add_exports(app: FastAPI, parts: Parts) -> Exports:
    """Add the routes; files go to `exports` in an embedded store's folder, else to `./.leyden/exports`."""
    target = parts.store.connection.target
    beside = target.path if isinstance(target, dsns.Embedded) else Path(".leyden").absolute()
    exports = Exports(parts, beside / "exports")
    app.include_router(router(parts, exports))
    return exports
