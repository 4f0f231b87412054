"""One step of an agent as a span: current while the step's own code runs, an error when an exception leaves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from opentelemetry import context, trace
from opentelemetry.trace import INVALID_SPAN, Span, StatusCode
from opentelemetry.util.types import AttributeValue


class Step:
    """A span that is current while the step's code runs. The span is an error when an exception leaves the step.

    span: the step's span; records nothing where OpenTelemetry is not set up
    """

    def __init__(self, name: str, attributes: dict[str, AttributeValue]) -> None:
        self._name = name
        self._attributes = attributes
        self._context: context.Context | None = None
        self._token: Any = None
        self.span: Span = INVALID_SPAN

    def begin(self) -> None:
        self.span = trace.get_tracer("leyden").start_span(self._name, attributes=self._attributes)
        self._context = trace.set_span_in_context(self.span)

    def end(self, error: BaseException | None = None) -> None:
        if error is not None and not is_success(error):
            self.span.record_exception(error)
            self.span.set_attribute("error.type", type(error).__qualname__)
            self.span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}")
        self.span.end()

    def result(self, value: object) -> None:
        """What came of the step, for kinds of spans that have a place for it."""

    @contextmanager
    def current(self) -> Iterator[None]:
        """The step's context, as its code left it when it last waited."""
        token = context.attach(self._context or context.get_current())
        try:
            yield
        finally:
            self._context = context.get_current()
            context.detach(token)

    @contextmanager
    def spanning(self, result: Callable[[], object]) -> Iterator[None]:
        """The step from begin to end without being current: for code that enters `current` again and again."""
        self.begin()
        try:
            yield
        except BaseException as error:
            # What an abandoned generator gave so far is its result.
            if is_success(error):
                self.result(result())
            self.end(error)
            raise
        self.result(result())
        self.end()

    def __enter__(self) -> Self:
        self.begin()
        self._token = context.attach(self._context or context.get_current())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        context.detach(self._token)
        self.end(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def is_success(error: BaseException) -> bool:
    """Whether leaving a piece of work by `error` is no failure of it: an abandoned generator, `sys.exit(0)`."""
    return isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and error.code in (None, 0))
