"""The collector's web application: OTLP in, the gateway, the API and its state, over one spool and one store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fastapi import FastAPI

from leyden_collector import api, api_errors, otlp_http, state
from leyden_collector.api.parts import Parts
from leyden_collector.cors import OtlpCors
from leyden_collector.door import Door
from leyden_collector.exposition import Family
from leyden_collector.gateway import Gateway, elsewhere
from leyden_collector.intake import Intake
from leyden_collector.lanes import Lanes
from leyden_collector.local_names import LocalNamesOnly
from leyden_store import dsn as dsns
from leyden_store.lightning import LightningStore


def create_app(
    parts: Parts,
    intake: Intake,
    lanes: Lanes,
    gateway: Gateway | None,
    families: Callable[[], Iterable[Family]],
    cors_origins: Sequence[str] = (),
) -> FastAPI:
    """Put the routes together. The caller starts and stops the parts."""
    app = FastAPI(title="Leyden collector", description="Traces of agents in, span trees and training data out.")
    app.include_router(otlp_http.router(intake, parts.access))
    app.include_router(state.router(lanes, families))
    app.state.parts = parts  # for routes that are plugged in
    app.include_router(api.router(parts))
    app.add_middleware(Door, access=parts.access, auditor=parts.auditor)
    if not parts.access.enforced:
        app.add_middleware(LocalNamesOnly)
    if cors_origins:
        app.add_middleware(OtlpCors, origins=cors_origins)
    api_errors.install(app)
    app.include_router(gateway.router() if gateway is not None else elsewhere(_server(parts.store)))
    return app


def _server(store: LightningStore) -> str:
    target = store.connection.target
    return f"{target.host}:{target.port}" if isinstance(target, dsns.Server) else ""
