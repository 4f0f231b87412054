"""`/api/runs`: training runs, and one with the curve of its metrics."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from leyden_collector.api.pages import Cursor, Limit, Page, cut
from leyden_collector.api.parts import Asking, Parts, of_all


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["runs"])

    @routes.get("/runs", summary="The newest training runs")
    def runs(grant: Asking, limit: Limit = 100, cursor: Cursor = "") -> Page:
        of_all(grant)
        found = [
            (f"{run.started_at.isoformat() if run.started_at else ''} {run.run_id}", run.to_json())
            for run in parts.store.runs.all()
        ]
        return cut(sorted(found, key=lambda pair: pair[0], reverse=True), limit, cursor)

    @routes.get("/runs/{run_id}", summary="One training run")
    def run(grant: Asking, run_id: Annotated[str, Path(max_length=200)]) -> dict[str, Any]:
        of_all(grant)
        found = parts.store.runs.get(run_id)
        evaluations = parts.store.evaluations.told_of_checkpoint(found.checkpoint)
        return {**found.to_json(), "curve": parts.store.runs.curve(found.run_id), "evaluations": evaluations}

    return routes
