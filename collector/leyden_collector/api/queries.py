"""`/api/queries`: saved queries, and what they select."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from leyden_collector.api.pages import Cursor, Limit, Page, cut, page_of
from leyden_collector.api.parts import Asking, Parts, of_all
from leyden_store.listing import TraceFilter
from leyden_store.selection import Selection

Name = Annotated[str, Path(max_length=200)]
Version = Annotated[int | None, Query(ge=1, le=2**31)]


class QueryIn(BaseModel):
    """A query to save: `sql`, a SELECT of TraceId (and SpanId to choose turns), or `where`."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field("", max_length=100_000)
    where: str = Field("", max_length=100_000, description="traces with a span for which this holds")
    description: str = Field("", max_length=10_000)

    @model_validator(mode="after")
    def _one(self) -> QueryIn:
        if bool(self.sql.strip()) == bool(self.where.strip()):
            raise ValueError("give sql or where, one of them")
        return self


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["queries"])
    saved = parts.store.queries

    @routes.get("/queries", summary="Every saved query, by name")
    def queries(_grant: Asking, limit: Limit = 100, cursor: Cursor = "") -> Page:
        found = [(query.name, query.to_json()) for query in saved.all()]
        return cut(found, limit, cursor, ascending=True)

    @routes.get("/queries/{name}", summary="One saved query: SQL, owner, versions, last use, size")
    def query(_grant: Asking, name: Name, version: Version = None) -> dict[str, Any]:
        found = saved.get(name, version)
        return {**found.to_json(), **saved.details(found).to_json()}

    @routes.put("/queries/{name}", summary="Save a query; the same name again makes a new version")
    def save(grant: Asking, name: Name, given: QueryIn) -> dict[str, Any]:
        of_all(grant)
        sql = Selection.where(given.where).sql if given.where.strip() else given.sql
        return saved.save(name, sql, description=given.description, owner=grant.name or "api").to_json()

    @routes.delete("/queries/{name}", summary="Take a saved query out of use", status_code=204)
    def delete(grant: Asking, name: Name) -> None:
        of_all(grant)
        saved.delete(name)

    @routes.get("/queries/{name}/run", summary="The newest traces that a saved query selects")
    def run(
        grant: Asking,
        request: Request,
        name: Name,
        version: Version = None,
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Page:
        """Values for the query's parameters are given as `param_NAME=VALUE`."""
        given = {k.removeprefix("param_"): v for k, v in request.query_params.items() if k.startswith("param_")}
        chosen = parts.store.select(query=name, version=version, parameters=given, project=grant.project, purpose="api")
        found = parts.store.list_traces(
            TraceFilter(project=grant.project, selection=chosen), limit=limit, cursor=cursor
        )
        return page_of(found)

    return routes
