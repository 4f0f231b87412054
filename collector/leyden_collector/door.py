"""The door: every HTTP request gets its grant here, and what no rule opens stays shut.

Routes that are plugged in later are covered without knowing of it: GET needs the scope read, anything else write. OTLP
and the gateway word refusals in their own protocols, so they ask `grant_of` themselves.
"""

from __future__ import annotations

import re

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from leyden_collector.access import WRONG_WINDOW_S, Access, Grant, KeyUnknown, ScopeMissing, TooManyTries
from leyden_collector.api_errors import answer
from leyden_collector.audit import Auditor
from leyden_store.audit import Action
from leyden_store.errors import LeydenError
from leyden_store.keys import Scope

_OPEN = {"/health", "/ready", "/metrics", "/clickhouse/ping", "/docs", "/openapi.json"}
"""Whether it lives, its numbers, and how to speak with it: nothing of what is stored."""

_OWN_WORDS = ("/v1/", "/clickhouse")

_OF_PROJECTS = re.compile(
    r"/|/(queries|exports|sessions)|/(traces|rollouts|groups|labels|queries|export|exports|static)/.+"
)
"""The pages that show a key of one project what is its own, and nothing else. The rest are of all projects."""

_ANY_SCOPE = {("POST", "/api/flush")}

_OF_AGENTS = re.compile(r"/api/prompts/[^/]+")
"""What a key of an agent, which sends spans and reads nothing else, is good for too."""


class Door:
    """Middleware. A request that passes has its Grant in `request.state.grant`."""

    def __init__(self, app: ASGIApp, access: Access, auditor: Auditor) -> None:
        self._app = app
        self._access = access
        self._auditor = auditor

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401, 403 or 429."""
        if scope["type"] == "http" and not _is_open(scope["path"]):
            try:
                grant = await grant_of(Request(scope), self._access)
                _require(grant, scope["method"], scope["path"])
                if not scope["path"].startswith("/api/"):
                    self._let_into_pages(grant, scope)
            except LeydenError as error:
                await answer(error, headers_of(error))(scope, receive, send)
                return
            scope.setdefault("state", {})["grant"] = grant
        await self._app(scope, receive, send)

    def _let_into_pages(self, grant: Grant, scope: AsgiScope) -> None:
        """What is read on pages is written down as their path; some show what belongs to no project."""
        if grant.project and not _OF_PROJECTS.fullmatch(scope["path"]):
            raise ScopeMissing(
                f"the key {grant.name!r} is for the project {grant.project!r}, and this is of all projects"
            )
        if not scope["path"].startswith("/static/"):
            self._auditor.note(grant, Action.READ, f"page {scope['path']}")


async def grant_of(request: Request, access: Access) -> Grant:
    """What a request's sender may do. Raises AccessDenied; StoreError when keys were never read."""
    peer = request.client.host if request.client else ""
    if access.fresh:
        return access.authorize(request.headers, parameters=request.query_params, peer=peer)
    return await run_in_threadpool(access.authorize, request.headers, parameters=request.query_params, peer=peer)


def granted(request: Request) -> Grant:
    """A dependency of routes: the grant that the door gave."""
    grant: Grant = request.state.grant
    return grant


def headers_of(error: LeydenError) -> dict[str, str]:
    """What a refusal's headers say: how to show a key (browsers ask for it then), or when to come again."""
    match error:
        case TooManyTries():
            return {"Retry-After": f"{WRONG_WINDOW_S:.0f}"}
        case KeyUnknown():
            return {"WWW-Authenticate": 'Basic realm="leyden", Bearer'}
    return {}


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith(_OWN_WORDS)


def _require(grant: Grant, method: str, path: str) -> None:
    if (method, path) in _ANY_SCOPE and grant.scopes:
        return
    if method in ("GET", "HEAD") and grant.key_id and grant.may(Scope.INGEST) and _OF_AGENTS.fullmatch(path):
        return
    grant.require(Scope.READ if method in ("GET", "HEAD") else Scope.WRITE)
