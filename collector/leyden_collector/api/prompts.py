"""`/api/prompts`: prompts as versioned resources, for agents to fetch and for people to change."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from leyden_collector.api.pages import Cursor, Limit, Page, cut
from leyden_collector.api.parts import Asking, Parts, of_all
from leyden_store.prompts import LONGEST

Name = Annotated[str, Path(max_length=200)]
Version = Annotated[int | None, Query(ge=1, le=2**31)]
Label = Annotated[str, Query(max_length=100, description="without it and a version: production")]


class PromptIn(BaseModel):
    """A prompt to save."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=LONGEST, description="a template; {{name}} stands for a variable")
    description: str = Field("", max_length=10_000)


class LabelIn(BaseModel):
    """The version that a label is to name."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=2**31)


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["prompts"])
    prompts = parts.store.prompts

    @routes.get("/prompts", summary="The newest version of every prompt, by name")
    def listed(_grant: Asking, limit: Limit = 100, cursor: Cursor = "") -> Page:
        return cut([(one.name, one.to_json()) for one in prompts.all()], limit, cursor, ascending=True)

    @routes.get(
        "/prompts/{name}",
        summary="One version of a prompt; any key will do, since agents ask",
        response_model=dict[str, Any],
        responses={304: {"description": "It is still the one of If-None-Match"}},
    )
    def prompt(
        _grant: Asking,
        name: Name,
        version: Version = None,
        label: Label = "",
        if_none_match: Annotated[str, Header(max_length=1000)] = "",
    ) -> Response:
        body = json.dumps(prompts.get(name, version, label or None).to_json(), ensure_ascii=False).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if tag in (one.strip().removeprefix("W/") for one in if_none_match.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    @routes.get("/prompts/{name}/versions", summary="Every version of a prompt, the newest first")
    def versions(_grant: Asking, name: Name, limit: Limit = 100, cursor: Cursor = "") -> Page:
        return cut([(f"{one.version:010}", one.to_json()) for one in prompts.versions(name)[::-1]], limit, cursor)

    @routes.put("/prompts/{name}", summary="Save a prompt; the same name again makes a new version")
    def save(grant: Asking, name: Name, given: PromptIn) -> dict[str, Any]:
        of_all(grant)
        return prompts.save(name, given.text, description=given.description, owner=grant.name or "api").to_json()

    @routes.put("/prompts/{name}/labels/{label}", summary="Let a label name a version")
    def label(grant: Asking, name: Name, label: Annotated[str, Path(max_length=100)], given: LabelIn) -> dict[str, Any]:
        of_all(grant)
        return prompts.label(name, label, given.version, owner=grant.name or "api").to_json()

    @routes.delete("/prompts/{name}", summary="Take a prompt out of use", status_code=204)
    def delete(grant: Asking, name: Name) -> None:
        of_all(grant)
        prompts.delete(name)

    return routes
