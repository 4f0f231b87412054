"""`/api/evaluations`: evaluations, and one with its rollouts and the comparisons it took part in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from leyden_collector.api.pages import Cursor, Limit, Page, cut
from leyden_collector.api.parts import Asking, Parts, of_all


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["evaluations"])
    evaluations = parts.store.evaluations

    @routes.get("/evaluations", summary="The newest evaluations")
    def listed(grant: Asking, limit: Limit = 100, cursor: Cursor = "") -> Page:
        of_all(grant)
        found = [(one.evaluation_id, one.to_json()) for one in evaluations.all()]
        return cut(sorted(found, key=lambda pair: pair[0], reverse=True), limit, cursor)

    @routes.get("/evaluations/{name}", summary="One evaluation, by its id or a beginning of it, or the newest so named")
    def evaluation(grant: Asking, name: Annotated[str, Path(max_length=200)]) -> dict[str, Any]:
        of_all(grant)
        return evaluations.told(evaluations.get(name))

    return routes
