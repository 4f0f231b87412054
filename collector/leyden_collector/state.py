"""The collector's state: alive, ready, flush, metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, PlainTextResponse

from leyden_collector.exposition import CONTENT_TYPE, Family, text
from leyden_collector.lanes import Lanes


def router(lanes: Lanes, families: Callable[[], Iterable[Family]]) -> APIRouter:
    """The routes over the lanes; `families` gives the metrics."""
    routes = APIRouter(tags=["state"])

    @routes.get("/health", summary="The process is alive")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/ready", summary="Spans are taken, and reach the store")
    async def ready() -> JSONResponse:
        stuck_s = lanes.failing_s()
        state = {
            "ready": stuck_s == 0.0,
            "spool_bytes": lanes.bytes,
            "store_failing_s": round(stuck_s, 1),
            "quarantined": lanes.quarantined,
        }
        return JSONResponse(state, 200 if state["ready"] else 503)

    @routes.post("/api/flush", summary="Wait until everything acknowledged so far is stored")
    async def flush(timeout_s: Annotated[float, Query(ge=0, le=300)] = 30.0) -> JSONResponse:
        mark = lanes.seal()
        deadline = time.monotonic() + timeout_s
        while not lanes.stored(mark):
            if time.monotonic() > deadline:
                return JSONResponse({"stored": False, "spool_bytes": lanes.bytes}, 503)
            await asyncio.sleep(0.01)
        return JSONResponse({"stored": True, "spool_bytes": lanes.bytes})

    @routes.get("/metrics", summary="Prometheus metrics")
    def metrics() -> PlainTextResponse:
        return PlainTextResponse(text(families()), media_type=CONTENT_TYPE)

    return routes
