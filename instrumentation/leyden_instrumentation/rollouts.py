"""`rollout()`: one attempt at one task, as a trace of its own. Without an OpenTelemetry SDK set up it does nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Link

from leyden_instrumentation import identity
from leyden_instrumentation.decorating import Steps
from leyden_instrumentation.identity import Identity
from leyden_instrumentation.steps import Step

P = ParamSpec("P")
R = TypeVar("R")


class Rollout(Step):
    """What `rollout()` returns. As a context manager it serves once; as a decorator every call is a rollout of its own.

    rollout_id: the id given or made; known before the rollout is entered
    span:       the root span while the rollout runs
    """

    def __init__(self, who: Identity, name: str) -> None:
        super().__init__(
            f"invoke_workflow {name}", {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": name}
        )
        self._asked = who
        self._who = who if who.rollout_id else Identity(rollout_id=uuid.uuid4().hex).over(who)
        self._workflow = name

    @property
    def rollout_id(self) -> str:
        return self._who.rollout_id or ""

    def begin(self) -> None:
        around = trace.get_current_span().get_span_context()
        enclosing = identity.from_context()
        # Only what describes the task is handed down: an attempt is counted by who starts it.
        who = self._who.over(
            Identity(project=enclosing.project, group_id=enclosing.group_id, policy_version=enclosing.policy_version)
        )
        outside = trace.set_span_in_context(INVALID_SPAN, identity.put(who))
        self.span = trace.get_tracer("leyden").start_span(
            self._name,
            context=outside,
            attributes=self._attributes,
            links=[Link(around)] if around.is_valid else [],
        )
        self._context = trace.set_span_in_context(self.span, outside)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function, coroutine function or generator function of either kind."""

        def make(_: Callable[..., Any] | None, __: tuple[Any, ...], ___: dict[str, Any]) -> Rollout:
            return Rollout(self._asked, self._workflow)

        return Steps(make)(function)


def rollout(
    rollout_id: str | None = None,
    group_id: str | None = None,
    attempt: int | None = None,
    policy_version: str | int | None = None,
    name: str = "rollout",
) -> Rollout:
    """Open a rollout: `with rollout(group_id="task-7", attempt=2): …`, `async with`, or `@rollout(name="solve")`.

    Everything inside is one trace, apart from the process's own root, and every span in it carries these ids: tasks and
    threads started inside included. An exception that leaves the rollout makes its root span an error.

    rollout_id: made (32 hex digits) when not given
    group_id, policy_version: an enclosing rollout's, else the process's, when not given
    """
    return Rollout(
        Identity(rollout_id=rollout_id, group_id=group_id, attempt=attempt, policy_version=policy_version), name
    )
