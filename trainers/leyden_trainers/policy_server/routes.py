"""Routes that only one kind of backend has: a model of ours has weights to swap, an upstream paths of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from leyden_trainers.errors import UnknownModel
from leyden_trainers.policy_server.app import Front, create_app
from leyden_trainers.policy_server.requests import LoadRequest, VersionRequest

if TYPE_CHECKING:
    from leyden_trainers.policy_server.policy import Policy
    from leyden_trainers.policy_server.upstream import Upstream


def model_app(front: Front, policy: Policy) -> FastAPI:
    """The application over a model of ours."""
    app = create_app(front)
    started = int(time.time())

    def served() -> dict[str, Any]:
        about = {"id": policy.name, "object": "model", "created": started, "owned_by": "leyden"}
        return about | {"max_model_len": policy.context}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [served()]}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        if name != policy.name:
            raise UnknownModel(f"the model {name!r} is not served here: ask for {policy.name}")
        return served()

    @app.post("/admin/load")
    async def load(request: LoadRequest) -> dict[str, Any]:
        await policy.load(request.path, str(request.policy_version))
        return {"status": "ok", "model": policy.name, "policy_version": str(request.policy_version)}

    return app


def upstream_app(front: Front, upstream: Upstream) -> FastAPI:
    """The application over an upstream: what is no call of a model passes unread."""
    app = create_app(front)

    @app.post("/v1/responses")
    async def responses(request: Request) -> Response:
        return await front.call(request, "/responses")

    @app.post("/v1/embeddings")
    async def embeddings(request: Request) -> Response:
        return await front.call(request, "/embeddings")

    @app.post("/admin/policy_version")
    async def version(request: VersionRequest) -> dict[str, Any]:
        upstream.policy_version = str(request.policy_version)
        return {"status": "ok", "policy_version": upstream.policy_version}

    @app.api_route("/v1/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
    async def other(request: Request, path: str) -> Response:  # noqa: ARG001 - as it came, still quoted, below
        query = f"?{request.url.query}" if request.url.query else ""
        asked = request.scope["raw_path"].decode("latin-1").partition("?")[0].removeprefix("/v1") + query
        headers = dict(request.headers)
        return await front.hand_on(request, lambda body: upstream.hand_on(request.method, asked, headers, body))

    return app
