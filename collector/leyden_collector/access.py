"""Who may ask a collector: on a loopback address whoever is on this machine, elsewhere who has its token."""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error as Base64Error
from ipaddress import ip_address

from fastapi import HTTPException, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class Access:
    """The rule for reading and writing the store over HTTP; taking spans is open to every agent that reaches us.

    anonymous: whether a caller without the token may read, as on a loopback address
    """

    def __init__(self, token: str, *, anonymous: bool) -> None:
        self.anonymous = anonymous
        self._token = token

    def is_admin(self, request: Request) -> bool:
        """Whether the caller gave the token, in any of the ways of ClickHouse's HTTP interface or as a bearer."""
        given = request.headers.get("x-clickhouse-key") or request.query_params.get("password") or ""
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            given = credentials.strip()
        elif scheme.lower() == "basic":
            try:
                given = b64decode(credentials).decode().partition(":")[2]
            except (Base64Error, UnicodeDecodeError):
                return False
        return hmac.compare_digest(given.encode(), self._token.encode())

    async def known(self, request: Request) -> None:
        """A dependency of routes: let the caller through, or answer 401."""
        if not (self.anonymous or self.is_admin(request)):
            raise HTTPException(401, REFUSAL, {"WWW-Authenticate": 'Basic realm="leyden"'})


REFUSAL = (
    "this collector listens beyond its own machine, so reading needs its token: "
    "set LEYDEN_TOKEN where `leyden up` runs and send it as password or bearer token"
)


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
