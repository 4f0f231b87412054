"""The collector's own API, under `/api`: one module a resource, cursors where a list grows, errors of one shape."""

from __future__ import annotations

from fastapi import APIRouter

from leyden_collector.api import (
    audit,
    datasets,
    evaluations,
    keys,
    labels,
    leases,
    prompts,
    queries,
    rewards,
    runs,
    search,
    sessions,
    stats,
    tasks,
    traces,
    turns,
)
from leyden_collector.api.parts import Parts
from leyden_collector.api_errors import RESPONSES

_RESOURCES = (
    traces,
    turns,
    sessions,
    search,
    rewards,
    labels,
    queries,
    prompts,
    datasets,
    runs,
    evaluations,
    tasks,
    leases,
    stats,
    keys,
    audit,
)


def router(parts: Parts) -> APIRouter:
    """Every resource's routes. They are sync below: FastAPI runs them in its thread pool."""
    routes = APIRouter(prefix="/api", responses=RESPONSES)
    for resource in _RESOURCES:
        routes.include_router(resource.router(parts))
    return routes
