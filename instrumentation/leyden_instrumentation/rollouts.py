"""`rollout()`: one attempt at one task, as a trace of its own. Without an OpenTelemetry SDK set up it does nothing."""

from __future__ import annotations

import functools
import inspect
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar, cast

from opentelemetry import context, trace
from opentelemetry.trace import INVALID_SPAN, Link, Span, StatusCode

from leyden_instrumentation import identity
from leyden_instrumentation.identity import Identity
from leyden_instrumentation.steps import is_success

F = TypeVar("F", bound=Callable[..., Any])


class Rollout:
    """What `rollout()` returns. As a context manager it serves once; as a decorator every call is a rollout of its own.

    rollout_id: the id given or made; known before the rollout is entered
    span:       the root span while the rollout runs
    """

    def __init__(self, who: Identity, name: str) -> None:
        self._asked = who
        self._who = who if who.rollout_id else Identity(rollout_id=uuid.uuid4().hex).over(who)
        self._name = name
        self._token: Any = None
        self.span: Span = INVALID_SPAN

    @property
    def rollout_id(self) -> str:
        return self._who.rollout_id or ""

    def __enter__(self) -> Rollout:
        around = trace.get_current_span().get_span_context()
        enclosing = identity.from_context()
        # Only what describes the task is handed down: an attempt is counted by who starts it.
        who = self._who.over(
            Identity(project=enclosing.project, group_id=enclosing.group_id, policy_version=enclosing.policy_version)
        )
        outside = trace.set_span_in_context(INVALID_SPAN, identity.put(who))
        self.span = trace.get_tracer("leyden").start_span(
            f"invoke_workflow {self._name}",
            context=outside,
            attributes={"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": self._name},
            links=[Link(around)] if around.is_valid else [],
        )
        self._token = context.attach(trace.set_span_in_context(self.span, outside))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and not is_success(error):
            self.span.record_exception(error)
            self.span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}")
        self.span.end()
        context.detach(self._token)

    async def __aenter__(self) -> Rollout:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Decorate a function or coroutine function."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def as_coroutine(*args: Any, **kwargs: Any) -> Any:
                with Rollout(self._asked, self._name):
                    return await function(*args, **kwargs)

            return cast("F", as_coroutine)

        @functools.wraps(function)
        def as_function(*args: Any, **kwargs: Any) -> Any:
            with Rollout(self._asked, self._name):
                return function(*args, **kwargs)

        return cast("F", as_function)


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
