"""The Lightning Server's routes: one front over a model of our own or an upstream, with or without recording."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse

from leyden_trainers.errors import (
    EngineClosed,
    ModelInvalid,
    RequestInvalid,
    RequestRefused,
    RequestTooLarge,
    UnknownModel,
    UpstreamUnreachable,
)
from leyden_trainers.policy_server.backend import Ask, Backend, Event, Reply, Stream
from leyden_trainers.policy_server.naming import Caller, Naming, caller
from leyden_trainers.policy_server.recording.recorder import Recorder, Recording
from leyden_trainers.policy_server.replies import event, written
from leyden_trainers.policy_server.visible import visible


class ClientGone(Exception):
    """Nobody waits for the answer any more."""

    def __str__(self) -> str:
        return "the client went away"


_FLUSH_S = 10.0
_STATUSES: dict[type[Exception], tuple[int, str]] = {
    UnknownModel: (404, "not_found_error"),
    RequestTooLarge: (413, "invalid_request_error"),
    RequestRefused: (400, "invalid_request_error"),
    RequestValidationError: (400, "invalid_request_error"),
    ModelInvalid: (400, "invalid_request_error"),
    UpstreamUnreachable: (502, "server_error"),
    ClientGone: (499, "client_error"),
    EngineClosed: (503, "server_error"),
}
"""What is answered to which error: the first that it is an instance of."""


@dataclass(frozen=True, slots=True)
class Front:
    """What every request needs.

    show_ids: leave token ids and logprobs in every reply, asked for or not
    max_body: bytes a request may have
    """

    backend: Backend
    recorder: Recorder | None = None
    show_ids: bool = False
    max_body: int = 64 * 2**20

    async def call(self, request: Request, path: str) -> Response:
        """Answer a call of a model."""
        raw = await self.body(request)
        who = caller(request.scope.get("leyden", {}), request.headers)
        ask = Ask(path, _object(raw), dict(request.headers), ids=self.show_ids or self.recorder is not None)
        recording = self.recorder.begin(who, ask, len(raw)) if self.recorder else None
        ask = replace(ask, headers=_onward(ask.headers, who, recording))
        try:
            answer = await _while_connected(request, self.backend.answer(ask))
        except BaseException as error:
            self._end(recording, _told(error))
            raise
        if recording:
            recording.policy_version, recording.retries = answer.policy_version, answer.retries
        return self._streamed(answer, recording) if isinstance(answer, Stream) else self._whole(answer, recording)

    async def hand_on(self, request: Request, answer: Callable[[bytes], Awaitable[Reply | Stream]]) -> Response:
        """Answer what is no call of a model, unread."""
        answered = await _while_connected(request, answer(await self.body(request)))
        return self._streamed(answered, None) if isinstance(answered, Stream) else self._whole(answered, None)

    async def body(self, request: Request) -> bytes:
        """The request's body. Raises RequestTooLarge."""
        pieces, size = [], 0
        if int(request.headers.get("content-length") or 0) <= self.max_body:
            async for piece in request.stream():
                size += len(piece)
                if size > self.max_body:
                    break
                pieces.append(piece)
            else:
                return b"".join(pieces)
        raise RequestTooLarge(f"a request may have {self.max_body / 2**20:g} MiB: send less, or serve with --max-body")

    def _whole(self, reply: Reply, recording: Recording | None) -> Response:
        if isinstance(reply.body, bytes):
            self._end(recording, ("no_json", f"the answer, of status {reply.status}, is no JSON"))
            return Response(reply.body, reply.status, headers=_headers(reply))
        seen = reply.body if self.show_ids else visible(reply.body, reply.added)
        content = written(seen)
        if recording:
            recording.add(reply.body, len(content))
            self._end(recording, _refusal(reply))
        headers = {"content-type": "application/json"} | _headers(reply)
        return Response(content, reply.status, headers=headers)

    def _streamed(self, stream: Stream, recording: Recording | None) -> Response:
        async def ended() -> None:
            """However it ended, and even if it never began to be sent."""
            await stream.events.aclose()
            self._end(recording, _told(ClientGone()))

        headers = {"content-type": "text/event-stream; charset=utf-8"} | _headers(stream)
        return _Streamed(ended, self._relayed(stream, recording), headers=headers)

    async def _relayed(self, stream: Stream, recording: Recording | None) -> AsyncIterator[bytes]:
        error: tuple[str, str] | None = _told(ClientGone())
        try:
            piece: Event | None = stream.first
            while piece is not None:
                if recording and piece.data is not None:
                    recording.add(piece.data, len(piece.raw))
                if shown := self._shown(piece, stream.added):
                    yield shown
                piece = await anext(stream.events, None)
            error = None
        except Exception as failed:
            # The status has long been sent: OpenAI's clients raise what an event calls an error.
            error = _told(failed)
            yield event({"error": {"message": error[1], "type": "server_error", "param": None, "code": None}})
        finally:
            self._end(recording, error)

    def _shown(self, piece: Event, added: frozenset[str]) -> bytes:
        if piece.data is None:
            return piece.raw
        seen = piece.data if self.show_ids else visible(piece.data, added)
        if seen is None:
            return b""
        return piece.raw if seen is piece.data and piece.raw else event(seen)

    def _end(self, recording: Recording | None, error: tuple[str, str] | None) -> None:
        if self.recorder and recording:
            self.recorder.end(recording, error)


def create_app(front: Front) -> FastAPI:
    """The application; what is behind it is closed when it ends, and what was recorded is sent."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await front.backend.close()
        if front.recorder:
            await asyncio.to_thread(front.recorder.delivery.close)

    app = FastAPI(title="Leyden's Lightning Server", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Naming)
    for kind in _STATUSES:
        app.add_exception_handler(kind, _answered)

    @app.post("/v1/chat/completions")
    async def chat_completions(request: Request) -> Response:
        return await front.call(request, "/chat/completions")

    @app.post("/v1/completions")
    async def completions(request: Request) -> Response:
        return await front.call(request, "/completions")

    @app.get("/health")
    async def health() -> dict[str, Any]:
        counts = {"recording": front.recorder.delivery.counts.to_json()} if front.recorder else {}
        return {"status": "ok", **front.backend.health(), **counts}

    @app.post("/admin/flush")
    async def flush() -> dict[str, Any]:
        if not front.recorder:
            return {"status": "ok"}
        delivery = front.recorder.delivery
        done = await asyncio.to_thread(delivery.flush, _FLUSH_S)
        return {"status": "ok" if done else "waiting", **delivery.counts.to_json()}

    return app


async def _while_connected(request: Request, answer: Any) -> Reply | Stream:
    """The answer; given up where the client goes away before it has come."""
    working = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        made: Reply | Stream = working.result()
        return made
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


class _Streamed(StreamingResponse):
    """Ends what it streams, whatever becomes of its connection."""

    def __init__(self, ended: Callable[[], Awaitable[None]], content: AsyncIterator[bytes], **more: Any) -> None:
        super().__init__(content, **more)
        self._ended = ended

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._ended()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise RequestInvalid(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise RequestInvalid("the body is no JSON object")
    return body


def _onward(headers: Mapping[str, str], who: Caller, recording: Recording | None) -> dict[str, str]:
    """The headers an upstream gets: what it records in turn is part of our span, or of the rollout."""
    kept = {name: value for name, value in headers.items() if not name.startswith("x-leyden-")}
    if recording:
        return kept | {"traceparent": recording.traceparent}
    told = {"project": who.project, "rollout-id": who.rollout_id, "group-id": who.group_id, "attempt": who.attempt}
    return kept | {f"x-leyden-{name}": str(value) for name, value in told.items() if value is not None}


def _headers(answer: Reply | Stream) -> dict[str, str]:
    version = {} if answer.policy_version is None else {"x-leyden-policy-version": answer.policy_version}
    return {**answer.headers, **version}


def _refusal(reply: Reply) -> tuple[str, str] | None:
    if reply.status < 400:
        return None
    error = reply.body.get("error") if isinstance(reply.body, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    return str(reply.status), str(said or f"the upstream answered {reply.status}")


def _told(error: BaseException) -> tuple[str, str]:
    if isinstance(error, ClientGone | asyncio.CancelledError):
        return "client_disconnected", str(ClientGone())
    return type(error).__name__, str(error)


async def _answered(_: Request, error: Exception) -> Response:
    """An error in OpenAI's shape."""
    status, kind = next(answer for known, answer in _STATUSES.items() if isinstance(error, known))
    message = str(error)
    if isinstance(error, RequestValidationError):
        message = "; ".join(f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in error.errors())
    body = {"error": {"message": " ".join(message.split()), "type": kind, "param": None, "code": status}}
    return JSONResponse(body, status_code=status)
