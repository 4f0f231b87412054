"""`/api/sessions`: conversations of several traces, those that began last first."""

from __future__ import annotations

from fastapi import APIRouter

from leyden_collector.api.pages import Cursor, Limit, Moment, Page, nanoseconds, page_of
from leyden_collector.api.parts import Asking, Parts, of_project
from leyden_collector.api.traces import Text


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["sessions"])

    @routes.get("/sessions", summary="The newest sessions")
    def sessions(
        grant: Asking,
        project: Text = "",
        session: Text = "",
        user: Text = "",
        agent: Text = "",
        since: Moment = None,
        until: Moment = None,
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Page:
        found = parts.store.list_sessions(
            limit=limit,
            cursor=cursor,
            project=of_project(grant, project),
            session=session,
            user=user,
            agent=agent,
            since_ns=nanoseconds(since),
            until_ns=nanoseconds(until),
        )
        return page_of(found)

    return routes
