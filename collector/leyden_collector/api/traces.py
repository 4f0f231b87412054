"""`/api/traces`: the newest traces, filtered, and one span tree."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from leyden_collector.api.pages import Cursor, Limit, Moment, Page, nanoseconds, page_of
from leyden_collector.api.parts import Asking, Parts, of_project
from leyden_store.audit import Action
from leyden_store.errors import TraceNotFound
from leyden_store.listing import TraceFilter
from leyden_store.tree import build
from leyden_store.tree_json import tree_json

Text = Annotated[str, Query(max_length=200)]
Where = Annotated[str | None, Query(max_length=2000, description="a condition over the columns of otel_traces")]
Saved = Annotated[str | None, Query(max_length=200, description="a saved query")]
Seconds = Annotated[float | None, Query(ge=0, le=1e9, description="seconds")]
Score = Annotated[float | None, Query(allow_inf_nan=False)]


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["traces"])

    @routes.get("/traces", summary="The newest traces")
    def traces(
        grant: Asking,
        project: Text = "",
        agent: Text = "",
        model: Text = "",
        session: Text = "",
        user: Text = "",
        rollout: Text = "",
        group: Text = "",
        status: Literal["", "ok", "error"] = "",
        since: Moment = None,
        until: Moment = None,
        longer_than: Seconds = None,
        shorter_than: Seconds = None,
        reward: Annotated[str, Query(max_length=200, description="the score that is meant; any without")] = "",
        min_reward: Score = None,
        max_reward: Score = None,
        query: Saved = None,
        where: Where = None,
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Page:
        wanted = of_project(grant, project)
        chosen = TraceFilter(
            project=wanted,
            agent=agent,
            model=model,
            session=session,
            user=user,
            rollout=rollout,
            group=group,
            status=status,
            since_ns=nanoseconds(since),
            until_ns=nanoseconds(until),
            min_ns=_ns(longer_than),
            max_ns=_ns(shorter_than),
            reward=reward,
            min_reward=min_reward,
            max_reward=max_reward,
            selection=parts.store.select(query=query, where=where, project=grant.project, purpose="api"),
        )
        return page_of(parts.store.list_traces(chosen, limit=limit, cursor=cursor))

    @routes.get("/traces/{trace_id}", summary="One span tree")
    def trace(
        grant: Asking,
        trace_id: Annotated[str, Path(pattern="^[0-9a-fA-F]{4,32}$", description="or an unambiguous beginning")],
    ) -> dict[str, Any]:
        tree = parts.store.trace(trace_id) if len(trace_id) == 32 or not grant.project else None
        spans = [] if tree is None else [s for _, s in tree.walk() if grant.project in ("", s.project)]
        if tree is None or not spans:
            raise TraceNotFound(f"no span of trace {trace_id!r} is stored for the project {grant.project!r}")
        parts.auditor.note(grant, Action.READ, f"trace {spans[0].trace_id}", len(spans))
        return tree_json(build(spans) if grant.project else tree)

    return routes


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1e9)
