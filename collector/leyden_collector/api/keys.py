"""`/api/keys`: API keys; for admin keys alone."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from leyden_collector.api.pages import Cursor, Limit, Page, cut
from leyden_collector.api.parts import Asking, Parts
from leyden_store.audit import Action
from leyden_store.keys import Keys, Scope


class KeyIn(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200, description="who or what has it")
    scopes: list[Scope] = Field(min_length=1)
    project: str = Field("", max_length=200, description="the only project it is good for; all without")


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["keys"])
    keys = Keys(parts.store.connection)

    @routes.get("/keys", summary="Every key, the newest first; never the keys themselves")
    def listed(grant: Asking, limit: Limit = 100, cursor: Cursor = "") -> Page:
        grant.require(Scope.ADMIN)
        found = [(f"{key.created_at.isoformat()} {key.key_id}", key.to_json()) for key in keys.all()]
        return cut(sorted(found, key=lambda pair: pair[0], reverse=True), limit, cursor)

    @routes.post("/keys", summary="Make a key; the answer alone holds it", status_code=201)
    def create(grant: Asking, given: KeyIn) -> dict[str, Any]:
        grant.require(Scope.ADMIN)
        key, secret = keys.create(given.name, given.scopes, project=given.project)
        parts.access.forget()
        parts.auditor.note(grant, Action.KEY_CREATED, f"{key.key_id} {key.name}")
        return {**key.to_json(), "key": secret}

    @routes.delete("/keys/{key_id}", summary="End a key")
    def revoke(grant: Asking, key_id: Annotated[str, Path(max_length=100)]) -> dict[str, Any]:
        grant.require(Scope.ADMIN)
        key = keys.revoke(key_id)
        parts.access.forget()
        parts.auditor.note(grant, Action.KEY_REVOKED, f"{key.key_id} {key.name}")
        return key.to_json()

    return routes
