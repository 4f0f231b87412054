"""`/api/leases`: rollouts in the hands of workers: taken, kept by signs of life, ended or given back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from leyden_collector.api.parts import Asking, Parts
from leyden_collector.api.tasks import Json
from leyden_collector.tasks.words import Lease, LeaseEnd, State
from leyden_store.audit import Action

LeaseId = Annotated[str, Path(min_length=1, max_length=100)]


class LeaseIn(BaseModel):
    """What a worker can take."""

    model_config = ConfigDict(extra="forbid")

    worker: str = Field(min_length=1, max_length=200, description="its name, for people")
    n: int = Field(1, ge=1, le=1000, description="at most so many rollouts")
    queue: str = Field("default", min_length=1, max_length=200)
    wait_s: float = Field(0.0, ge=0, le=60, description="how long to wait for one")
    request_id: str = Field("", max_length=200, description="asked again under the same, gives what was given")


class ExtendIn(BaseModel):
    """A sign of life."""

    model_config = ConfigDict(extra="forbid")

    lease_ids: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(max_length=1000)


class EndIn(BaseModel):
    """How a rollout ended: well, if there is no `error`."""

    model_config = ConfigDict(extra="forbid")

    output: Json = None
    error: str | None = Field(None, max_length=10_000, description="why the agent failed")
    timed_out: bool = Field(False, description="whether it failed by taking too long")

    @property
    def state(self) -> State:
        """The end that this says."""
        if self.timed_out:
            return State.TIMED_OUT
        return State.DONE if self.error is None else State.FAILED


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["tasks"])
    queue, waiting = parts.tasks, parts.waiting

    @routes.post("/leases", summary="Take rollouts to run")
    async def lease(request: Request, grant: Asking, given: LeaseIn) -> list[Lease]:
        taken = await waiting.until(
            lambda: queue.lease(
                given.worker, given.n, queue=given.queue, project=grant.project, request_id=given.request_id
            ),
            given.wait_s,
            request.is_disconnected,
        )
        if taken:
            parts.auditor.note(grant, Action.READ, f"tasks of {given.queue}", len(taken))
        return taken

    @routes.post("/leases/extend", summary="Keep rollouts; says which are the worker's still (held)")
    def extend(grant: Asking, given: ExtendIn) -> dict[str, LeaseEnd]:
        return queue.extend(given.lease_ids, grant.project)

    @routes.post("/leases/{lease_id}/end", summary="Say how a rollout ended", status_code=204)
    async def end(grant: Asking, lease_id: LeaseId, given: EndIn) -> None:
        await run_in_threadpool(queue.end, lease_id, given.state, given.output, given.error, grant.project)
        waiting.changed()

    @routes.post("/leases/{lease_id}/return", summary="Give a rollout back to be run by another", status_code=204)
    async def give_back(grant: Asking, lease_id: LeaseId) -> None:
        await run_in_threadpool(queue.give_back, lease_id, grant.project)
        waiting.changed()

    return routes
