"""`/api/rewards`: scores given from outside, by rollout, span or reply, and all scores there are."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from leyden_collector.access import ScopeMissing
from leyden_collector.api.pages import Cursor, Limit, Page, page_of
from leyden_collector.api.parts import Asking, Parts, of_project
from leyden_collector.api.traces import Text
from leyden_store.reward_list import list_rewards, of_other_projects
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


class Stored(BaseModel):
    """How many rewards were stored."""

    stored: int


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["rewards"])

    @routes.post("/rewards", summary="Give rewards by rollout, span or reply id")
    def give(grant: Asking, given: list[RewardIn] | RewardIn) -> Stored:
        many = given if isinstance(given, list) else [given]
        if grant.project:
            if any(not (reward.rollout_id or reward.trace_id) for reward in many):
                raise ScopeMissing("a key of one project gives rewards by rollout_id or trace_id, not by reply alone")
            others = of_other_projects(
                parts.store.connection,
                grant.project,
                rollouts=[reward.rollout_id for reward in many],
                traces=[reward.trace_id for reward in many],
            )
            if others:
                raise ScopeMissing(f"{others[0]!r} is not of the project {grant.project!r}, which the key is for")
        return Stored(stored=parts.store.add_rewards([PostedReward(**reward.model_dump()) for reward in many]))

    @routes.get("/rewards", summary="The newest rewards, of spans and from outside")
    def rewards(
        grant: Asking,
        rollout_id: Text = "",
        trace_id: Text = "",
        name: Text = "",
        source: Text = "",
        project: Text = "",
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Page:
        found = list_rewards(
            parts.store.connection,
            rollout=rollout_id,
            trace=trace_id,
            name=name,
            source=source,
            project=of_project(grant, project),
            limit=limit,
            cursor=cursor,
        )
        return page_of(found)

    return routes
