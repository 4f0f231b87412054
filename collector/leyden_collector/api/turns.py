"""`/api/turns`: LLM calls as OpenAI messages, trace by trace, the newest trace first."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query

from leyden_collector.api.pages import Cursor, Page
from leyden_collector.api.parts import Asking, Parts, of_project
from leyden_collector.api.traces import Saved, Text, Where
from leyden_store.audit import Action
from leyden_store.errors import SelectionEmpty
from leyden_store.guard import quoted
from leyden_store.listing import TraceFilter


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["turns"])

    @routes.get("/turns", summary="The turns of the newest traces")
    def turns(
        grant: Asking,
        project: Text = "",
        query: Saved = None,
        where: Where = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="the most traces whose turns make one page")] = 100,
        cursor: Cursor = "",
    ) -> Page:
        chosen = parts.store.select(query=query, where=where, project=of_project(grant, project), purpose="api")
        page = parts.store.list_traces(
            TraceFilter(project=chosen.project, selection=chosen), limit=limit, cursor=cursor
        )
        if not page.rows:
            return Page(items=[], next_cursor=None)
        ids = ", ".join(quoted(row["trace_id"]) for row in page.rows)
        here = replace(chosen, sql=f"SELECT * FROM ({chosen.sql}\n) WHERE TraceId IN ({ids})")
        try:
            found = [turn.to_json() for turn in parts.store.turns(here)]
        except SelectionEmpty:  # erased between the two questions
            found = []
        parts.auditor.note(grant, Action.READ, f"turns of {query or where or 'everything'}", len(found))
        return Page(items=found, next_cursor=page.cursor or None)

    return routes
