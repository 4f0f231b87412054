"""The trace page in a collector: what the page may do there beside reading, and how it writes tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from fastapi import FastAPI
from pydantic import BaseModel, ValidationError

from leyden.api_exports import ExportIn, Exports
from leyden.api_training import TrainIn, Trainings, missing
from leyden.explaining import text_decoder
from leyden_collector.access import Grant
from leyden_collector.api.parts import of_all
from leyden_dashboards.trace_page.routes import router
from leyden_dashboards.trace_page.tokens import DecodeOne
from leyden_dashboards.trace_page.work import Work
from leyden_store.errors import QueryRefused
from leyden_store.keys import Scope
from leyden_store.lightning import LightningStore
from leyden_trainers.plugin import installed

Asked = TypeVar("Asked", bound=BaseModel)

_KEPT = 1 << 17
"""Tokens whose text is kept: as many as a large vocabulary has."""


def add_page(app: FastAPI, store: LightningStore, tokenizer: str | None, work: Work) -> None:
    """Add the page's routes. work: of `PageExports` and `PageTraining`. Raises TokenizerUnusable."""
    app.include_router(router(store, _decoder(tokenizer) if tokenizer else str, work))


class PageExports:
    """The collector's exports, as the page asks for them. The door has seen to it that who starts one may write."""

    def __init__(self, exports: Exports) -> None:
        self._exports = exports

    def start(self, grant: object, query: str, form: str, **options: Any) -> str:
        """See `Exporting`."""
        allowed = _grant(grant)
        allowed.require(Scope.READ)
        return self._exports.start(allowed, _checked(ExportIn, format=form, query=query, **options)).export_id

    def get(self, grant: object, export_id: str) -> Mapping[str, Any]:
        """See `Exporting`."""
        return self._exports.get(_grant(grant), export_id).to_json()

    def all(self, grant: object) -> Sequence[Mapping[str, Any]]:
        """See `Exporting`."""
        return [job.to_json() for job in self._exports.all(_grant(grant))]


class PageTraining:
    """The collector's trainings, likewise."""

    def __init__(self, trainings: Trainings) -> None:
        self._trainings = trainings

    @property
    def trainers(self) -> Sequence[str]:
        """See `Training`."""
        return [] if missing() else sorted(installed())

    def start(self, grant: object, query: str, trainer: str, model: str, settings: Mapping[str, str]) -> str:
        """See `Training`."""
        allowed = _grant(grant)
        allowed.require(Scope.READ)
        of_all(allowed)
        given = _checked(TrainIn, trainer=trainer, model=model, set=dict(settings))
        return self._trainings.start(allowed, query, given).run_id

    def cancel(self, grant: object, run_id: str) -> None:
        """See `Training`."""
        of_all(_grant(grant))
        self._trainings.cancel(run_id)


def _checked(kind: type[Asked], **values: Any) -> Asked:
    """What a form asks as the API is asked it. Raises QueryRefused."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        said = "; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors()[:3])
        raise QueryRefused(said) from error


def _grant(given: object) -> Grant:
    assert isinstance(given, Grant)  # the door leaves no other
    return given


def _decoder(tokenizer: str) -> DecodeOne:
    decode = text_decoder(tokenizer)

    @lru_cache(_KEPT)
    def one(token_id: int) -> str:
        return decode([token_id])

    return one
