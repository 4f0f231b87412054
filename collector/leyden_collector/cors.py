"""Pages that may send spans: the origins that were configured, to the OTLP routes alone. Without any, CORS is off."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send


class OtlpCors:
    """Middleware over everything: answers preflights for `/v1/…`, and lets pages of these origins read the answers."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._over = CORSMiddleware(
            app, allow_origins=tuple(origins), allow_methods=("POST",), allow_headers=("*",), max_age=7200
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, through the rules of CORS where it is for OTLP."""
        is_otlp = scope["type"] == "http" and scope["path"].startswith("/v1/")
        await (self._over if is_otlp else self._app)(scope, receive, send)
