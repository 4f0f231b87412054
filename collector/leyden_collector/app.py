"""The collector's web application: OTLP in, the gateway, the API and its state, over one spool and one store."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.responses import JSONResponse, PlainTextResponse

from leyden_collector import api, otlp_http
from leyden_collector.access import Access
from leyden_collector.api import errors
from leyden_collector.door import Door
from leyden_collector.flusher import Flusher
from leyden_collector.gateway import Gateway
from leyden_collector.intake import Intake
from leyden_collector.local_names import LocalNamesOnly
from leyden_collector.spool import Spool
from leyden_store.lightning import LightningStore


def create_app(
    store: LightningStore, intake: Intake, spool: Spool, flusher: Flusher, gateway: Gateway | None, access: Access
) -> FastAPI:
    """Put the routes together. The caller starts and stops the parts."""
    app = FastAPI(title="Leyden collector", description="Traces of agents in, span trees and training data out.")
    counts = intake.counts
    app.include_router(otlp_http.router(intake, access))
    app.include_router(api.router(store))
    app.add_middleware(Door, access=access)
    if not access.enforced:
        app.add_middleware(LocalNamesOnly)
    errors.install(app)
    if gateway is not None:
        app.include_router(gateway.router())

    @app.get("/health", tags=["state"], summary="The process is alive")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", tags=["state"], summary="Spans are taken, and reach the store")
    async def ready() -> JSONResponse:
        stuck_s = 0.0 if flusher.failing_since is None else time.monotonic() - flusher.failing_since
        state = {
            "ready": stuck_s == 0.0,
            "spool_bytes": spool.bytes,
            "store_failing_s": round(stuck_s, 1),
            "quarantined": flusher.quarantined,
        }
        return JSONResponse(state, 200 if state["ready"] else 503)

    @app.post("/api/flush", tags=["state"], summary="Wait until everything acknowledged so far is stored")
    async def flush(timeout_s: Annotated[float, Query(ge=0, le=300)] = 30.0) -> JSONResponse:
        mark = spool.seal()
        deadline = time.monotonic() + timeout_s
        while not spool.stored(mark):
            if time.monotonic() > deadline:
                return JSONResponse({"stored": False, "spool_bytes": spool.bytes}, 503)
            await asyncio.sleep(0.01)
        return JSONResponse({"stored": True, "spool_bytes": spool.bytes})

    @app.get("/metrics", tags=["state"], summary="Prometheus metrics")
    async def metrics() -> PlainTextResponse:
        lines = [
            f"leyden_collector_spans_accepted_total {counts['accepted_spans']}",
            f"leyden_collector_spans_rejected_total {counts['rejected_spans']}",
            f"leyden_collector_requests_accepted_total {counts['accepted_requests']}",
            *(
                f'leyden_collector_requests_refused_total{{status="{name[8:]}"}} {n}'
                for name, n in sorted(counts.items())
                if name.startswith("refused_") and name[8:].isdigit()
            ),
            f"leyden_collector_spool_bytes {spool.bytes}",
            f"leyden_collector_segments_stored_total {flusher.stored_segments}",
            f"leyden_collector_quarantined_total {flusher.quarantined}",
        ]
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

    return app
