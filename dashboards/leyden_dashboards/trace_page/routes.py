"""The page's addresses for reading: lists, one trace, one rollout, a group side by side, sessions, the collectors."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import FileResponse

from leyden_dashboards.trace_page import doing, labelling
from leyden_dashboards.trace_page.asked import Asked
from leyden_dashboards.trace_page.conversation import conversation, shared
from leyden_dashboards.trace_page.guarding import HEADERS
from leyden_dashboards.trace_page.rendering import PageRoute, page, project_of
from leyden_dashboards.trace_page.tokens import DecodeOne, training_view
from leyden_dashboards.trace_page.waterfall import WIDTH, bars
from leyden_dashboards.trace_page.work import Work
from leyden_exporters.options import Options
from leyden_store.collectors import collectors
from leyden_store.errors import QueryNotFound, QueryRefused, SelectionEmpty, TraceNotFound
from leyden_store.labels import Labelled
from leyden_store.lightning import LightningStore
from leyden_store.selection import Selection
from leyden_store.tree import SpanTree, build
from leyden_store.turns import Rollout

_OWN_FILES = {"style.css": "text/css", "page.js": "text/javascript"}
_PAGE = 50
_GROUP = 64
"""Rollouts of a group that are read for its page and for advantages."""


def router(store: LightningStore, decode: DecodeOne = str, work: Work | None = None) -> APIRouter:
    """The pages over a store.

    decode: a token id's text, for the training view; without a tokenizer the id itself stands there
    work:   what the collector does for the page beside reading
    """
    routes = APIRouter(include_in_schema=False, route_class=PageRoute)
    routes.include_router(labelling.router(store))
    routes.include_router(doing.router(store, work or Work()))

    @routes.get("/")
    def traces(request: Request, asked: Annotated[Asked, Depends()]) -> Response:
        project, saved = project_of(request), store.queries.all()
        try:
            if asked.q:
                found = store.search(
                    asked.q, project=project, since_ns=asked.since_ns, limit=_PAGE, cursor=asked.cursor
                )
            else:
                found = store.list_traces(asked.filter(store, project), limit=_PAGE, cursor=asked.cursor)
        except (QueryNotFound, QueryRefused) as error:
            return page(request, "traces", 400, asked=asked, rows=[], older="", fault=str(error), queries=saved)
        older = f"?{urlencode({**asked.given(), 'cursor': found.cursor})}" if found.cursor else ""
        return page(request, "traces", asked=asked, rows=found.rows, older=older, fault="", queries=saved)

    @routes.get("/traces/{trace_id}")
    def trace(request: Request, trace_id: str) -> Response:
        tree = _tree(store, trace_id, project_of(request))
        return page(request, "trace", tree=tree, bars=list(bars(tree)), whole=WIDTH)

    @routes.get("/rollouts/{rollout_id:path}")
    def rollout(request: Request, rollout_id: str) -> Response:
        project = project_of(request)
        one, group = _rollout(store, rollout_id, project)
        view = training_view(one, group, Options(), decode)
        turns = {turn.span_id: turn for turn in one.turns}
        labels = [said for said in store.labels.of(Labelled(project, one.rollout_id)) if said["kind"] != "score"]
        said = list(conversation(one))
        return page(request, "rollout", rollout=one, said=said, view=view, group=group, turns=turns, labels=labels)

    @routes.get("/groups/{group_id:path}")
    def group(request: Request, group_id: str, a: str = "", b: str = "") -> Response:
        found = _group(store, group_id, project_of(request))
        if not found:
            raise QueryNotFound(f"no rollout of the group {group_id!r} is stored")
        by_id = {one.rollout_id: one for one in found}
        sides = [(by_id[name], list(conversation(by_id[name]))) for name in (a, b) if name in by_id]
        same = shared(sides[0][1], sides[1][1]) if len(sides) == 2 else None
        return page(request, "group", group_id=group_id, rollouts=found, sides=sides, same=same, a=a, b=b)

    @routes.get("/sessions")
    def sessions(request: Request, cursor: str = "") -> Response:
        found = store.list_sessions(project=project_of(request), limit=_PAGE, cursor=cursor)
        older = f"?{urlencode({'cursor': found.cursor})}" if found.cursor else ""
        return page(request, "sessions", rows=found.rows, older=older)

    @routes.get("/status")
    def status(request: Request) -> Response:
        return page(request, "status", collectors=collectors(store.connection), tables=store.stats_by("tables"))

    @routes.get("/static/{name}")
    def own_file(name: str) -> Response:
        if name not in _OWN_FILES:
            raise HTTPException(404, f"there is no {name!r}")
        path = Path(str(files("leyden_dashboards.trace_page") / "static" / name))
        return FileResponse(path, media_type=_OWN_FILES[name], headers=dict(HEADERS) | {"Cache-Control": "no-cache"})

    return routes


def _tree(store: LightningStore, trace_id: str, project: str) -> SpanTree:
    """A trace; for a key of one project by its whole id and of its spans alone. Raises TraceNotFound."""
    if not project:
        return store.trace(trace_id)
    chosen = Selection("SELECT DISTINCT TraceId FROM traces WHERE TraceId = {id:String}", {"id": trace_id})
    spans = list(store.spans(chosen.of_project(project)))
    if not spans:
        raise TraceNotFound(f"no span of trace {trace_id!r} is stored for the project {project!r}")
    return build(spans)


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
