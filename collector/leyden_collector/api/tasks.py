"""`/api/tasks`: batches of rollouts for workers to run, put in, watched and cancelled by who wants them run."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, field_validator
from starlette.concurrency import run_in_threadpool

from leyden_collector.api.pages import Cursor, Limit, Page, cut
from leyden_collector.api.parts import Asking, Parts, of_project
from leyden_collector.tasks.words import Assignment, Ended, State, Terms
from leyden_store.audit import Action

BatchId = Annotated[str, Path(min_length=1, max_length=200)]

_MOST_CHARACTERS = 1_000_000


def _writable(value: JsonValue) -> JsonValue:
    """Refuse what Python's JSON reads and JSON is not: NaN, infinities, halves of characters."""
    if len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode()) > _MOST_CHARACTERS:
        raise ValueError(f"at most {_MOST_CHARACTERS} bytes of JSON")
    return value


Json = Annotated[JsonValue, AfterValidator(_writable)]


class AssignmentIn(BaseModel):
    """A rollout to be run: one attempt at one task."""

    model_config = ConfigDict(extra="forbid")

    rollout_id: str = Field(min_length=1, max_length=200)
    group_id: str = Field("", max_length=200)
    attempt: int = Field(0, ge=0, le=2**31, description="of its first try; each further try counts one up")
    task: Json = Field(description="what the worker's agent is given")


class BatchIn(BaseModel):
    """Rollouts to be run, and how."""

    model_config = ConfigDict(extra="forbid")

    rollouts: list[AssignmentIn] = Field(min_length=1, max_length=10_000)
    policy: Json = Field(None, description="what workers are told of the model to ask")
    project: str = Field("", max_length=200)
    queue: str = Field("default", min_length=1, max_length=200, description="which workers take them")
    timeout_s: float = Field(600.0, gt=0, le=86_400, description="how long a rollout may take")
    lease_s: float = Field(30.0, ge=1, le=3600, description="how long a worker may be silent")
    max_tries: int = Field(3, ge=1, le=100, description="how many workers may be lost over one rollout")

    @field_validator("rollouts")
    @classmethod
    def _each_once(cls, rollouts: list[AssignmentIn]) -> list[AssignmentIn]:
        if len({one.rollout_id for one in rollouts}) < len(rollouts):
            raise ValueError("every rollout_id once")
        return rollouts


class BatchOut(BaseModel):
    """A batch. open: how many rollouts have not ended; retries: tries beyond the first; late: results refused."""

    batch_id: str
    project: str
    queue: str
    created_at: float
    rollouts: dict[State, int]
    open: int
    retries: int
    late: int
    ended: list[Ended] = Field([], description="rollouts that ended after the cursor asked for, in that order")


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["tasks"])
    queue, waiting = parts.tasks, parts.waiting

    @routes.get("/tasks", summary="Every batch, the newest first; ended ones for a week")
    def batches(grant: Asking, limit: Limit = 100, cursor: Cursor = "") -> Page:
        found = [(f"{batch['created_at']:020.6f} {batch['batch_id']}", batch) for batch in queue.batches(grant.project)]
        return cut(found, limit, cursor)

    @routes.put("/tasks/{batch_id}", summary="Put a batch in; the same again changes nothing")
    async def put(grant: Asking, batch_id: BatchId, given: BatchIn) -> BatchOut:
        terms = Terms(**given.model_dump(exclude={"rollouts", "project"}), project=of_project(grant, given.project))
        work = [Assignment(**one.model_dump()) for one in given.rollouts]
        await run_in_threadpool(queue.put, batch_id, work, terms)
        waiting.changed()
        return BatchOut(**await run_in_threadpool(queue.state, batch_id, grant.project))

    @routes.get("/tasks/{batch_id}", summary="One batch, and what ended of it")
    async def batch(
        request: Request,
        grant: Asking,
        batch_id: BatchId,
        after: Annotated[int, Query(ge=0, le=2**53, description="the cursor of the last end that was seen")] = 0,
        wait_s: Annotated[float, Query(ge=0, le=60, description="how long to wait for one")] = 0.0,
        limit: Limit = 100,
    ) -> BatchOut:
        def look() -> tuple[dict[str, Any], list[Ended]] | None:
            state = queue.state(batch_id, grant.project)
            ends = queue.ended(batch_id, after, limit, grant.project)
            return (state, ends) if ends or not state["open"] else None

        found = await waiting.until(look, wait_s, request.is_disconnected)
        state, ends = found or (await run_in_threadpool(queue.state, batch_id, grant.project), [])
        if ends:
            parts.auditor.note(grant, Action.READ, f"tasks {batch_id}", len(ends))
        return BatchOut(**state, ended=ends)

    @routes.delete("/tasks/{batch_id}", summary="Cancel what of a batch has not ended")
    async def cancel(grant: Asking, batch_id: BatchId) -> BatchOut:
        await run_in_threadpool(queue.cancel, batch_id, grant.project)
        waiting.changed()
        return BatchOut(**await run_in_threadpool(queue.state, batch_id, grant.project))

    return routes
