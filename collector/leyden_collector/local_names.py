"""A collector for its own machine answers to that machine's names only."""

from __future__ import annotations

from ipaddress import ip_address

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens at `host`."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class LocalNamesOnly:
    """Middleware: refuses requests that name another host than this machine.

    A web page whose name was made to resolve to 127.0.0.1 (DNS rebinding) could read the store otherwise.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 421."""
        if scope["type"] == "http":
            named = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
            if not is_loopback(_without_port(named)):
                said = f"this collector is for its own machine: ask for localhost, not {named!r}\n"
                await PlainTextResponse(said, 421)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _without_port(host: str) -> str:
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
