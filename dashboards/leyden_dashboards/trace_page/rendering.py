"""Templates to answers: what every page is written with, and faults as pages too."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any
from urllib.parse import quote

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from leyden_dashboards.trace_page import wording
from leyden_dashboards.trace_page.guarding import HEADERS
from leyden_store.errors import LeydenError, QueryNotFound, SelectionEmpty, StoreError, TraceNotFound
from leyden_store.runs import RunNotFound
from leyden_store.triggers import TriggerNotFound

_NOT_THERE = (TraceNotFound, QueryNotFound, RunNotFound, TriggerNotFound, SelectionEmpty)


def project_of(request: Request) -> str:
    """The project that the caller's key is for; "" is all. The collector's door leaves the grant on the request."""
    return str(getattr(grant_of(request), "project", ""))


def grant_of(request: Request) -> object:
    """What the caller may do, as the collector's door left it: to be handed back to the collector."""
    return getattr(request.state, "grant", None)


def author_of(request: Request) -> str:
    """Who labels: the name of the caller's key, else the page itself."""
    return str(getattr(grant_of(request), "name", "")) or "page"


def page(request: Request, name: str, status: int = 200, **held: Any) -> HTMLResponse:
    """A template as an answer. `held` is what it shows."""
    template = _templates().get_template(f"{name}.html")
    text = template.render(here=name, project=project_of(request), **held)
    return HTMLResponse(text, status, dict(HEADERS))


class PageRoute(APIRoute):
    """A route whose faults are pages too, not the API's JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, its errors shown."""
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handle(request)
            except (LeydenError, HTTPException, RequestValidationError) as error:
                return page(request, "fault", _status(error), fault=_words(error))

        return shown


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("leyden_dashboards.trace_page"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": wording.duration,
        "moment": wording.moment,
        "number": wording.number,
        "size": wording.size,
        "pretty": wording.pretty,
        "path": lambda text: quote(str(text), safe="/"),
    }
    return environment


def _status(error: Exception) -> int:
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, _NOT_THERE):
        return 404
    if isinstance(error, StoreError):
        return 503
    # Errors of the collector's own packages say theirs.
    return int(getattr(error, "http_status", None) or getattr(error, "status", None) or 400)


def _words(error: Exception) -> str:
    match error:
        case RequestValidationError():
            return "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
        case HTTPException():
            return str(error.detail)
    return str(error)
