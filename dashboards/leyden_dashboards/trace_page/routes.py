"""The page's addresses: lists, one trace, one rollout, a group side by side, sessions, queries, runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from leyden_dashboards.trace_page import charts, wording
from leyden_dashboards.trace_page.asked import Asked
from leyden_dashboards.trace_page.conversation import conversation
from leyden_dashboards.trace_page.guarding import HEADERS, from_this_page
from leyden_dashboards.trace_page.tokens import DecodeOne, training_view
from leyden_dashboards.trace_page.waterfall import WIDTH, bars
from leyden_exporters.options import Options
from leyden_store.errors import LeydenError, QueryNotFound, QueryRefused, SelectionEmpty, TraceNotFound
from leyden_store.lightning import LightningStore
from leyden_store.runs import RunNotFound
from leyden_store.selection import Selection
from leyden_store.triggers import TriggerNotFound
from leyden_store.turns import PostedReward, Rollout

_OWN_FILES = {"style.css": "text/css", "page.js": "text/javascript"}
_PAGE = 50
_GROUP = 64
"""Rollouts of a group that are read for its page and for advantages."""


def router(store: LightningStore, decode: DecodeOne = str, fire: Callable[[str], None] | None = None) -> APIRouter:
    """The pages over a store.

    decode: a token id's text, for the training view; without a tokenizer the id itself stands there
    fire:   lets a trigger train now, by name; None where nobody looks at triggers
    """
    routes = APIRouter(include_in_schema=False, route_class=_PageRoute)

    @routes.get("/")
    def traces(request: Request, asked: Annotated[Asked, Depends()]) -> Response:
        project = _project(request)
        try:
            if asked.q:
                found = store.search(
                    asked.q, project=project, since_ns=asked.since_ns, limit=_PAGE, cursor=asked.cursor
                )
            else:
                found = store.list_traces(asked.filter(store, project), limit=_PAGE, cursor=asked.cursor)
        except (QueryNotFound, QueryRefused) as error:
            return _page("traces", 400, asked=asked, rows=[], older="", fault=str(error), queries=store.queries.all())
        older = f"?{urlencode({**asked.given(), 'cursor': found.cursor})}" if found.cursor else ""
        return _page("traces", asked=asked, rows=found.rows, older=older, fault="", queries=store.queries.all())

    @routes.get("/traces/{trace_id}")
    def trace(request: Request, trace_id: str) -> Response:
        tree = store.trace(trace_id)
        project = _project(request)
        if project and {span.project for span in tree.spans} != {project}:
            raise TraceNotFound(f"no span of trace {trace_id!r} is stored; list traces with: leyden traces")
        return _page("trace", tree=tree, bars=list(bars(tree)), whole=WIDTH)

    @routes.get("/rollouts/{rollout_id:path}")
    def rollout(request: Request, rollout_id: str) -> Response:
        one, group = _rollout(store, rollout_id, _project(request))
        view = training_view(one, group, Options(), decode)
        turns = {turn.span_id: turn for turn in one.turns}
        return _page("rollout", rollout=one, said=list(conversation(one)), view=view, group=group, turns=turns)

    @routes.post("/rollouts/{rollout_id:path}", dependencies=[Depends(from_this_page)])
    def reward(
        rollout_id: str,
        value: Annotated[float, Form(allow_inf_nan=False)],
        name: Annotated[str, Form(min_length=1)] = "reward",
        span: Annotated[str, Form(pattern=r"^([0-9a-f]{32}/[0-9a-f]{16})?$")] = "",
        explanation: Annotated[str, Form()] = "",
    ) -> Response:
        trace_id, _, span_id = span.partition("/")
        given = PostedReward(
            name=name,
            value=value,
            rollout_id=rollout_id,
            trace_id=trace_id,
            span_id=span_id,
            source="page",
            explanation=explanation,
        )
        store.add_rewards([given])
        return RedirectResponse(f"/rollouts/{quote(rollout_id)}", 303)

    @routes.get("/groups/{group_id:path}")
    def group(request: Request, group_id: str, a: str = "", b: str = "") -> Response:
        found = _group(store, group_id, _project(request))
        if not found:
            raise QueryNotFound(f"no rollout of the group {group_id!r} is stored")
        by_id = {one.rollout_id: one for one in found}
        sides = [(by_id[name], list(conversation(by_id[name]))) for name in (a, b) if name in by_id]
        return _page("group", group_id=group_id, rollouts=found, sides=sides, a=a, b=b)

    @routes.get("/sessions")
    def sessions(request: Request, cursor: str = "") -> Response:
        found = store.list_sessions(project=_project(request), limit=_PAGE, cursor=cursor)
        older = f"?{urlencode({'cursor': found.cursor})}" if found.cursor else ""
        return _page("sessions", rows=found.rows, older=older)

    @routes.get("/queries")
    def queries() -> Response:
        return _page(
            "queries",
            queries=store.queries.all(),
            triggers=store.triggers.all(),
            firings=store.triggers.firings()[:_PAGE],
            can_fire=fire is not None,
        )

    @routes.post("/triggers/{name}/run", dependencies=[Depends(from_this_page)])
    def run_trigger(name: str) -> Response:
        if fire is None:
            raise HTTPException(409, "this collector does not look at triggers; run: leyden trigger run")
        fire(name)
        return RedirectResponse("/queries", 303)

    @routes.get("/runs")
    def runs() -> Response:
        return _page("runs", runs=store.runs.all())

    @routes.get("/runs/{run_id}")
    def run(run_id: str) -> Response:
        one = store.runs.get(run_id)
        return _page("run", run=one, charts=charts.curves(store.runs.curve(one.run_id)))

    @routes.get("/static/{name}")
    def own_file(name: str) -> Response:
        if name not in _OWN_FILES:
            raise HTTPException(404)
        path = Path(str(files("leyden_dashboards.trace_page") / "static" / name))
        return FileResponse(path, media_type=_OWN_FILES[name], headers=dict(HEADERS) | {"Cache-Control": "no-cache"})

    return routes


def _rollout(store: LightningStore, rollout_id: str, project: str) -> tuple[Rollout, list[Rollout]]:
    """A rollout and those of its group. Raises TraceNotFound."""
    sql = "SELECT DISTINCT TraceId FROM traces WHERE RolloutId = {id:String} OR TraceId = {id:String}"
    for one in _read(store, Selection(sql, {"id": rollout_id}, project=project)):
        if rollout_id in (one.rollout_id, *one.trace_ids):
            return one, _group(store, one.group_id, project) if one.group_id else [one]
    raise TraceNotFound(f"no rollout is called {rollout_id!r}; the list at / has those that are stored")


def _group(store: LightningStore, group_id: str, project: str) -> list[Rollout]:
    sql = "SELECT DISTINCT TraceId FROM traces WHERE GroupId = {id:String} LIMIT {most:UInt64}"
    return _read(store, Selection(sql, {"id": group_id, "most": _GROUP}, project=project))


def _read(store: LightningStore, selection: Selection) -> list[Rollout]:
    try:
        return list(store.rollouts(selection))
    except SelectionEmpty:
        return []


def _project(request: Request) -> str:
    """The project that the caller's key is for; "" is all. The collector's door leaves the grant on the request."""
    return str(getattr(getattr(request.state, "grant", None), "project", ""))


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
        "pretty": wording.pretty,
        "path": lambda text: quote(str(text), safe="/"),
    }
    return environment


def _page(name: str, status: int = 200, **held: Any) -> HTMLResponse:
    text = _templates().get_template(f"{name}.html").render(here=name, **held)
    return HTMLResponse(text, status, dict(HEADERS))


class _PageRoute(APIRoute):
    """A route whose faults are pages too, not the API's JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, its errors shown."""
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handle(request)
            except (TraceNotFound, QueryNotFound, RunNotFound, TriggerNotFound) as error:
                return _page("fault", 404, fault=str(error))
            except (QueryRefused, RequestValidationError) as error:
                return _page("fault", 400, fault=_words(error))
            except LeydenError as error:
                return _page("fault", 503, fault=str(error))

        return shown


def _words(error: Exception) -> str:
    if isinstance(error, RequestValidationError):
        return "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
    return str(error)
