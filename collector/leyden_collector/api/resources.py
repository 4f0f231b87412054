"""The collector's own API, under `/api`: rewards from outside, traces and turns as JSON, and its state."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator
from starlette.concurrency import run_in_threadpool

from leyden_store.errors import QueryError, SelectionEmpty, TraceNotFound
from leyden_store.lightning import LightningStore
from leyden_store.tree_json import tree_json
from leyden_store.turns import PostedReward


class RewardIn(BaseModel):
    """A reward for a rollout, or for one turn (by trace and span id, or by the reply's id)."""

    model_config = ConfigDict(extra="forbid")

    value: FiniteFloat = Field(description="the score; not a number is refused, since a missing reward is never 0")
    name: str = Field("reward", min_length=1)
    rollout_id: str = ""
    trace_id: str = Field("", pattern=r"^([0-9a-f]{32})?$")
    span_id: str = Field("", pattern=r"^([0-9a-f]{16})?$")
    response_id: str = ""
    label: str = ""
    explanation: str = ""
    source: str = Field("api", min_length=1, description="who gave it")

    @model_validator(mode="after")
    def _names_something(self) -> RewardIn:
        if not (self.rollout_id or self.trace_id or self.response_id):
            raise ValueError("name what is rewarded: rollout_id, or trace_id (and span_id), or response_id")
        if self.source == "span":
            raise ValueError("the source 'span' is for rewards that spans carry; name another")
        return self


def router(store: LightningStore) -> APIRouter:
    """The routes over a store. They are sync below: FastAPI runs them in its thread pool."""
    routes = APIRouter(prefix="/api", tags=["api"])

    @routes.post("/rewards", summary="Give rewards by rollout, span or reply id")
    async def rewards(given: list[RewardIn] | RewardIn) -> dict[str, int]:
        many = given if isinstance(given, list) else [given]
        stored = await run_in_threadpool(store.add_rewards, [PostedReward(**r.model_dump()) for r in many])
        return {"stored": stored}

    @routes.get("/traces", summary="The newest traces")
    def traces(
        where: Annotated[str | None, Query(description="a condition over the columns of otel_traces")] = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    ) -> list[dict[str, Any]]:
        try:
            return store.traces(store.select(where=where), limit=limit)
        except QueryError as error:
            raise HTTPException(400, str(error)) from error

    @routes.get("/traces/{trace_id}", summary="One span tree")
    def trace(trace_id: str) -> dict[str, Any]:
        try:
            return tree_json(store.trace(trace_id))
        except TraceNotFound as error:
            raise HTTPException(404, str(error)) from error

    @routes.get("/turns", summary="Turns of the selected rollouts")
    def turns(
        query: Annotated[str | None, Query(description="a saved query")] = None,
        where: Annotated[str | None, Query(description="a condition over the columns of otel_traces")] = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        try:
            for turn in store.turns(store.select(query=query, where=where)):
                found.append(turn.to_json())
                if len(found) == limit:
                    break
        except SelectionEmpty:
            return []
        except QueryError as error:
            raise HTTPException(400, str(error)) from error
        return found

    return routes
