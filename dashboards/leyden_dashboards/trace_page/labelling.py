"""Forms by which people say something of a rollout or a span: scores, corrections, comments."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from leyden_dashboards.trace_page.guarding import from_this_page
from leyden_dashboards.trace_page.rendering import PageRoute, author_of, page, project_of
from leyden_store.labels import LabelInvalid, Labels
from leyden_store.lightning import LightningStore


class Label:
    """What a form says: a score, a correction, a comment, or several of them."""

    def __init__(
        self,
        value: Annotated[str, Form(max_length=100)] = "",
        name: Annotated[str, Form(max_length=200)] = "reward",
        explanation: Annotated[str, Form(max_length=10_000)] = "",
        correction: Annotated[str, Form(max_length=1_000_000)] = "",
        comment: Annotated[str, Form(max_length=100_000)] = "",
    ) -> None:
        self.name, self.explanation = name.strip(), explanation
        self.correction, self.comment = correction, comment
        self.value = _number(value)

    def give(self, labels: Labels, target: str, author: str, project: str) -> None:
        """Keep it. Raises LabelInvalid, TraceNotFound."""
        if self.value is None and not (self.correction.strip() or self.comment.strip()):
            raise LabelInvalid("say something: give a score, a correction or a comment")
        if self.correction.strip():  # first: of what is sent it alone may be refused, by what the target is
            labels.correct(target, self.correction, author=author, project=project)
        if self.value is not None:
            labels.score(target, self.value, name=self.name, author=author, why=self.explanation, project=project)
        if self.comment.strip():
            labels.comment(target, self.comment, author=author, project=project)


def router(store: LightningStore) -> APIRouter:
    """The page of one span's or rollout's labels, and the forms that give them."""
    routes = APIRouter(include_in_schema=False, route_class=PageRoute)

    @routes.get("/labels/{target:path}")
    def said(request: Request, target: str) -> Response:
        project = project_of(request)
        at = store.labels.find(target, project)
        return page(request, "labels", target=target, at=at, labels=store.labels.all(target, project))

    @routes.post("/labels/{target:path}", dependencies=[Depends(from_this_page)])
    def say(request: Request, target: str, given: Annotated[Label, Depends()]) -> Response:
        given.give(store.labels, target, author_of(request), project_of(request))
        return RedirectResponse(f"/labels/{quote(target)}", 303)

    @routes.post("/rollouts/{rollout_id:path}", dependencies=[Depends(from_this_page)])
    def say_of_rollout(
        request: Request,
        rollout_id: str,
        given: Annotated[Label, Depends()],
        span: Annotated[str, Form(pattern=r"^([0-9a-f]{32}/[0-9a-f]{16})?$")] = "",
    ) -> Response:
        given.give(store.labels, span or rollout_id, author_of(request), project_of(request))
        return RedirectResponse(f"/rollouts/{quote(rollout_id)}#labels", 303)

    return routes


def _number(text: str) -> float | None:
    try:
        return float(text) if text.strip() else None
    except ValueError as error:
        raise LabelInvalid(f"value: {text!r} is no number") from error
