"""A saved query's page and what can be done with it: exports and training, each with its progress."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse

from leyden_dashboards.trace_page import charts
from leyden_dashboards.trace_page.guarding import from_this_page
from leyden_dashboards.trace_page.rendering import PageRoute, grant_of, page, project_of
from leyden_dashboards.trace_page.work import Work
from leyden_exporters.formats import formats
from leyden_exporters.span_formats import SPAN_FORMATS
from leyden_store.errors import QueryRefused
from leyden_store.lightning import LightningStore
from leyden_store.runs import RunStatus

_SHOWN = 50
_OFTEN = "trl-sft"
"""What is exported and trained most, and so chosen at first."""


def router(store: LightningStore, work: Work) -> APIRouter:
    """The pages of queries, exports and runs."""
    routes = APIRouter(include_in_schema=False, route_class=PageRoute)

    @routes.get("/queries")
    def queries(request: Request) -> Response:
        alone = bool(project_of(request))  # triggers are of all projects
        return page(
            request,
            "queries",
            queries=store.queries.all(),
            triggers=[] if alone else store.triggers.all(),
            firings=[] if alone else store.triggers.firings()[:_SHOWN],
            can_fire=work.fire is not None,
        )

    @routes.get("/queries/{name:path}")
    def query(
        request: Request,
        name: str,
        form: Annotated[str, Query(alias="format")] = _OFTEN,
        trainer: str = _OFTEN,
        model: str = "",
    ) -> Response:
        saved, alone = store.queries.get(name), bool(project_of(request))
        exports = work.exporting.all(grant_of(request)) if work.exporting else []
        return page(
            request,
            "query",
            saved=saved,
            details=None if alone else store.queries.details(saved),  # its counts are of every project
            formats=sorted({*formats(), *SPAN_FORMATS}) if work.exporting else [],
            exports=[one for one in exports if one["query"] == saved.name][:_SHOWN],
            trainers=work.training.trainers if work.training and not alone else [],
            runs=[] if alone else [one for one in store.runs.all() if one.query == saved.name][:_SHOWN],
            chosen={"format": form, "trainer": trainer, "model": model},
        )

    @routes.post("/export/{name:path}", dependencies=[Depends(from_this_page)])
    def export(
        request: Request,
        name: str,
        form: Annotated[str, Form(alias="format", pattern="^[a-z0-9-]{1,100}$")],
        reward: Annotated[str, Form(max_length=200)] = "",
        min_reward: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:
        if work.exporting is None:
            raise HTTPException(409, "this collector exports nothing; run: leyden export")
        least = _number(min_reward) if min_reward.strip() else None
        made = work.exporting.start(grant_of(request), name, form, reward=reward or None, min_reward=least)
        return RedirectResponse(f"/exports/{quote(made)}", 303)

    @routes.get("/exports")
    def exports(request: Request) -> Response:
        found = work.exporting.all(grant_of(request)) if work.exporting else []
        return page(request, "exports", exports=found[:_SHOWN])

    @routes.get("/exports/{export_id}")
    def export_of(request: Request, export_id: str) -> Response:
        if work.exporting is None:
            raise HTTPException(404, "this collector exports nothing")
        return page(request, "export", export=work.exporting.get(grant_of(request), export_id))

    @routes.post("/train/{name:path}", dependencies=[Depends(from_this_page)])
    def train(
        request: Request,
        name: str,
        trainer: Annotated[str, Form(min_length=1, max_length=100)],
        model: Annotated[str, Form(min_length=1, max_length=1000)],
        settings: Annotated[str, Form(max_length=10_000)] = "",
    ) -> Response:
        if work.training is None:
            raise HTTPException(409, "this collector does not train; run: leyden train")
        run_id = work.training.start(grant_of(request), name, trainer, model.strip(), _settings(settings))
        return RedirectResponse(f"/runs/{quote(run_id)}", 303)

    @routes.post("/triggers/{name}/run", dependencies=[Depends(from_this_page)])
    def run_trigger(name: str) -> Response:
        if work.fire is None:
            raise HTTPException(409, "this collector does not look at triggers; run: leyden trigger run")
        work.fire(name)
        return RedirectResponse("/queries", 303)

    @routes.get("/runs")
    def runs(request: Request) -> Response:
        found = store.runs.all()
        return page(request, "runs", runs=found, again=any(run.status == RunStatus.RUNNING for run in found))

    @routes.get("/runs/{run_id}")
    def run(request: Request, run_id: str) -> Response:
        one = store.runs.get(run_id)
        drawn = charts.curves(store.runs.curve(one.run_id))
        again = one.status == RunStatus.RUNNING
        return page(request, "run", run=one, charts=drawn, again=again, can_cancel=again and work.training is not None)

    @routes.post("/runs/{run_id}/cancel", dependencies=[Depends(from_this_page)])
    def cancel(request: Request, run_id: str) -> Response:
        if work.training is None:
            raise HTTPException(409, "this collector does not train; end the run's process where it runs")
        work.training.cancel(grant_of(request), run_id)
        return RedirectResponse(f"/runs/{quote(run_id)}", 303)

    return routes


def _settings(text: str) -> dict[str, str]:
    """`key=value`, one a line. Raises QueryRefused."""
    pairs = [line.partition("=") for line in text.splitlines() if line.strip()]
    for key, sign, _ in pairs:
        if not (sign and key.strip()):
            raise QueryRefused(f"settings: {key!r} sets nothing; write key=value, one a line")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise QueryRefused(f"least reward: {text!r} is no number") from error
