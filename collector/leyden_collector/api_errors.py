"""Errors of the API, all of one shape: `{"error": {"code", "message", "details"}}`; a code is a word that stays."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from leyden_collector.access import AccessDenied
from leyden_store.datasets import DatasetNotFound
from leyden_store.errors import (
    LeydenError,
    OtlpInvalid,
    QueryError,
    QueryNotFound,
    SelectionEmpty,
    StoreError,
    TraceNotFound,
)
from leyden_store.evaluations import EvaluationNotFound
from leyden_store.keys import KeyInvalid, KeyNotFound
from leyden_store.labels import LabelInvalid
from leyden_store.lineage import NothingByThatName
from leyden_store.prompts import PromptInvalid, PromptNotFound
from leyden_store.runs import RunNotFound


class ErrorDetail(BaseModel):
    """What is wrong, and with which part of the request."""

    where: str = Field(description="the part, such as query.limit or body.value")
    message: str


class ErrorBody(BaseModel):
    """What went wrong."""

    code: str = Field(description="the kind of error, such as trace_not_found; stays as it is")
    message: str = Field(description="one line that says what to do")
    details: list[ErrorDetail] = []


class Error(BaseModel):
    """Every answer that is no success."""

    error: ErrorBody


_STATUS: tuple[tuple[type[LeydenError], int], ...] = (
    (QueryNotFound, 404),
    (TraceNotFound, 404),
    (RunNotFound, 404),
    (KeyNotFound, 404),
    (DatasetNotFound, 404),
    (PromptNotFound, 404),
    (EvaluationNotFound, 404),
    (NothingByThatName, 404),
    (SelectionEmpty, 404),
    (QueryError, 400),
    (OtlpInvalid, 400),
    (KeyInvalid, 400),
    (LabelInvalid, 400),
    (PromptInvalid, 400),
    (StoreError, 503),
)

RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": said}
    for status, said in {
        400: "The request asks for what cannot be",
        401: "A key is needed, or the one given is unknown",
        403: "The key is not good for this",
        404: "There is none of that name",
        409: "Another has it, or it is over",
        422: "A part of the request is malformed",
        429: "Too many wrong keys",
        503: "The store does not answer",
    }.items()
}
"""What every route says of its errors on the OpenAPI page."""


def status_of(error: LeydenError) -> int:
    """The HTTP status for an error of ours."""
    if isinstance(error, AccessDenied):
        return error.status
    named: int | None = getattr(error, "http_status", None)
    return named or next((status for kind, status in _STATUS if isinstance(error, kind)), 400)


def answer(error: LeydenError, headers: Mapping[str, str] | None = None) -> Response:
    """An error of ours as a response; its code is the name of its class."""
    code = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
    return respond(status_of(error), code, str(error), headers=headers)


def respond(
    status: int,
    code: str,
    message: str,
    *,
    details: Sequence[ErrorDetail] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error as a response."""
    body = Error(error=ErrorBody(code=code, message=message, details=list(details)))
    return JSONResponse(body.model_dump(), status, dict(headers or {}))


def install(app: FastAPI) -> None:
    """Make an application say all its errors so."""

    @app.exception_handler(LeydenError)
    async def ours(_request: Request, error: Exception) -> Response:
        assert isinstance(error, LeydenError)
        return answer(error)

    @app.exception_handler(HTTPException)
    async def of_http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
        return respond(error.status_code, code, str(error.detail), headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: Exception) -> Response:
        # Without the input that FastAPI would repeat: a NaN in it cannot be written as JSON.
        assert isinstance(error, RequestValidationError)
        details = [ErrorDetail(where=".".join(map(str, part["loc"])), message=part["msg"]) for part in error.errors()]
        said = "; ".join(f"{detail.where}: {detail.message}" for detail in details[:3])
        return respond(422, "malformed", said, details=details)
