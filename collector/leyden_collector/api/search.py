"""`/api/search`: the spans whose messages hold some words, the newest first."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from leyden_collector.api.pages import Cursor, Limit, Moment, Page, nanoseconds, page_of
from leyden_collector.api.parts import Asking, Parts, of_project
from leyden_collector.api.traces import Text
from leyden_store.audit import Action


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["search"])

    @routes.get("/search", summary="Find words in messages")
    def search(
        grant: Asking,
        text: Annotated[str, Query(min_length=1, max_length=500, description="every word of it must be there")],
        substring: Annotated[bool, Query(description="find the text as it stands, within words too")] = False,
        project: Text = "",
        since: Moment = None,
        until: Moment = None,
        limit: Limit = 20,
        cursor: Cursor = "",
    ) -> Page:
        found = parts.store.search(
            text,
            substring=substring,
            project=of_project(grant, project),
            since_ns=nanoseconds(since),
            until_ns=nanoseconds(until),
            limit=limit,
            cursor=cursor,
        )
        parts.auditor.note(grant, Action.SEARCH, text, len(found.rows))
        return page_of(found)

    return routes
