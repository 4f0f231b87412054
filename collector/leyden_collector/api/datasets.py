"""`/api/datasets` and `/api/lineage`: what was exported, and what became of spans."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from leyden_collector.api.pages import Cursor, Limit, Page, cut
from leyden_collector.api.parts import Asking, Parts, of_all

Id = Annotated[str, Path(max_length=200)]


def router(parts: Parts) -> APIRouter:
    """The routes. A key of one project reads none of them: data sets are of all projects."""
    routes = APIRouter(tags=["datasets"])
    store = parts.store

    @routes.get("/datasets", summary="The newest data sets")
    def datasets(grant: Asking, limit: Limit = 100, cursor: Cursor = "") -> Page:
        of_all(grant)
        found = [
            (f"{one.created_at.isoformat() if one.created_at else ''} {one.dataset_id}", one.to_json())
            for one in store.datasets.all()
        ]
        return cut(sorted(found, key=lambda pair: pair[0], reverse=True), limit, cursor)

    @routes.get("/datasets/{dataset_id}", summary="One data set, by its id or hash")
    def dataset(grant: Asking, dataset_id: Id) -> dict[str, Any]:
        of_all(grant)
        return store.datasets.get(dataset_id).to_json()

    @routes.get(
        "/lineage/{name}", summary="What a span, rollout, data set, run or checkpoint was made of, and what of it"
    )
    def lineage(grant: Asking, name: Id) -> dict[str, Any]:
        of_all(grant)
        return store.lineage(name).to_json()

    return routes
