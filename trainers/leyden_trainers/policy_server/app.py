"""The policy server's routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse

from leyden_trainers.errors import EngineClosed, ModelInvalid, RequestUnsupported
from leyden_trainers.policy_server.policy import Policy
from leyden_trainers.policy_server.replies import events
from leyden_trainers.policy_server.requests import ChatRequest, LoadRequest


def create_app(policy: Policy) -> FastAPI:
    """The application that serves a policy; the policy's engine is closed when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        policy.engine.close()

    app = FastAPI(title="Leyden policy server", lifespan=lifespan, docs_url=None, redoc_url=None)
    for error, status, kind in (
        (RequestUnsupported, 400, "invalid_request_error"),
        (ModelInvalid, 400, "invalid_request_error"),
        (RequestValidationError, 400, "invalid_request_error"),
        (EngineClosed, 503, "server_error"),
    ):
        app.add_exception_handler(error, _handler(status, kind))

    @app.post("/v1/chat/completions")
    async def chat_completions(request: ChatRequest) -> Response:
        if request.model != policy.name:
            said = f"the model {request.model!r} is not served here: ask for {policy.name}"
            return _error(404, "not_found_error", said)
        reply = await policy.complete(request)
        if not request.stream:
            return JSONResponse(reply)
        usage = bool(request.stream_options and request.stream_options.include_usage)
        return StreamingResponse(events(reply, include_usage=usage), media_type="text/event-stream")

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        served = {"id": policy.name, "object": "model", "created": 0, "owned_by": "leyden"}
        return {"object": "list", "data": [served | {"max_model_len": policy.context}]}

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "model": policy.name, "policy_version": policy.engine.policy_version}

    @app.post("/admin/load")
    async def load(request: LoadRequest) -> dict[str, Any]:
        await policy.load(request.path, str(request.policy_version))
        return {"status": "ok", "model": policy.name, "policy_version": str(request.policy_version)}

    return app


def _handler(status: int, kind: str) -> Any:
    async def handle(_: Request, error: Exception) -> Response:
        return _error(status, kind, _words(error))

    return handle


def _words(error: Exception) -> str:
    if isinstance(error, RequestValidationError):
        return "; ".join(f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in error.errors())
    return str(error)


def _error(status: int, kind: str, message: str) -> JSONResponse:
    error = {"message": message, "type": kind, "param": None, "code": status}
    return JSONResponse({"error": error}, status_code=status)
