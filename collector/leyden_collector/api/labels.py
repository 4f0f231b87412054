"""`/api/labels`: what people and models say of rollouts and spans: scores, corrections, comments."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from leyden_collector.api.parts import Asking, Parts
from leyden_store.audit import Action


class ToolCallIn(BaseModel):
    """A tool call of a corrected reply: a function's name, and its arguments as JSON text."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field("", max_length=200)
    name: str = Field(min_length=1, max_length=200)
    arguments: str = Field("{}", max_length=1_000_000)


class LabelIn(BaseModel):
    """A score, a correction, a comment, or several of them, of one target."""

    model_config = ConfigDict(extra="forbid")

    target: str = Field(min_length=1, max_length=200, description="a rollout, trace or span id, or TRACE_ID/SPAN_ID")
    score: FiniteFloat | None = None
    name: str = Field("reward", min_length=1, max_length=200, description="the score's name")
    why: str = Field("", max_length=10_000)
    correction: str = Field("", max_length=1_000_000, description="what the reply should have said; of a span")
    tool_calls: list[ToolCallIn] = Field([], max_length=100, description="the tools it should have called")
    comment: str = Field("", max_length=100_000)
    author: str = Field("", max_length=200, description="default: the key's name")

    @model_validator(mode="after")
    def _says_something(self) -> LabelIn:
        if self.score is None and not (self.correction.strip() or self.tool_calls or self.comment.strip()):
            raise ValueError("give a score, a correction, tool_calls or a comment")
        return self


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["labels"])
    labels = parts.store.labels

    @routes.post("/labels", summary="Score, correct or comment a rollout or a span")
    def give(grant: Asking, given: LabelIn) -> dict[str, str]:
        project = grant.project
        at = labels.find(given.target, project)
        author = given.author or grant.name or "api"
        if given.score is not None:
            labels.score(given.target, given.score, name=given.name, author=author, why=given.why, project=project)
        if given.correction.strip() or given.tool_calls:
            calls = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in given.tool_calls
            ]
            reply: dict[str, Any] = {"content": given.correction or None, **({"tool_calls": calls} if calls else {})}
            labels.correct(given.target, reply, author=author, project=project)
        if given.comment.strip():
            labels.comment(given.target, given.comment, author=author, project=project)
        return {"rollout_id": at.rollout_id, "trace_id": at.trace_id, "span_id": at.span_id}

    @routes.get("/labels", summary="Everything said of a rollout or a span, oldest first")
    def said(grant: Asking, target: Annotated[str, Query(min_length=1, max_length=200)]) -> list[dict[str, Any]]:
        found = labels.all(target, grant.project)
        parts.auditor.note(grant, Action.READ, f"labels of {target}", len(found))
        return found

    return routes
