"""`/api/stats`: what the store holds."""

from __future__ import annotations

from fastapi import APIRouter

from leyden_collector.api.parts import Asking, Parts, of_all


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["state"])

    @routes.get("/stats", summary="Rows and bytes on disk")
    def stats(grant: Asking) -> dict[str, int]:
        of_all(grant)
        return parts.store.stats()

    return routes
