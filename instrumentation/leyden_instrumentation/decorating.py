"""Steps as decorators: of functions, coroutine functions, generator functions and async generator functions.

A generator is one step from its first item to its end, however long it waits between items; the code that takes the
items is no part of the step, so the step is current only while the generator's own code runs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any, Generic, ParamSpec, TypeVar, cast

from leyden_instrumentation.steps import Step

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=Step)

Make = Callable[[Callable[..., Any] | None, tuple[Any, ...], dict[str, Any]], S]
"""A new step for one call, from the decorated function and the call's arguments; for `with`, from None."""

_KEPT_ITEMS = 1000
"""Items of a generator that are kept as its result: an endless one must not cost memory."""


class Steps(Generic[S]):
    """What `agent()` and `tool()` return: a decorator whose every call is a step, or a single step by `with`."""

    def __init__(self, make: Make[S]) -> None:
        self._make = make
        self._entered: S | None = None

    def __enter__(self) -> S:
        if self._entered is not None:
            raise RuntimeError("a step is entered once: make a new one for every `with`")
        self._entered = self._make(None, (), {})
        return self._entered.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._entered is not None:
            self._entered.__exit__(kind, error, traceback)

    async def __aenter__(self) -> S:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function of any of the four kinds; its signature, type and kind stay."""
        if inspect.isasyncgenfunction(function):
            wrapper = _async_generator(function, self._make)
        elif inspect.isgeneratorfunction(function):
            wrapper = _generator(function, self._make)
        elif inspect.iscoroutinefunction(function):
            wrapper = _coroutine(function, self._make)
        else:
            wrapper = _function(function, self._make)
        return cast("Callable[P, R]", functools.wraps(function)(wrapper))


def _function(function: Callable[..., Any], make: Make[S]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with make(function, args, kwargs) as step:
            result = function(*args, **kwargs)
            step.result(result)
            return result

    return wrapper


def _coroutine(function: Callable[..., Any], make: Make[S]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        with make(function, args, kwargs) as step:
            result = await function(*args, **kwargs)
            step.result(result)
            return result

    return wrapper


def _generator(function: Callable[..., Any], make: Make[S]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        step, items = make(function, args, kwargs), _Items()
        generator = function(*args, **kwargs)
        with step.spanning(items.result):
            proceed, value = generator.send, None
            while True:
                try:
                    with step.current():
                        item = proceed(value)
                except StopIteration as end:
                    items.returned = end.value
                    return end.value
                items.add(item)
                try:
                    proceed, value = generator.send, (yield item)
                except GeneratorExit:
                    with step.current():
                        generator.close()
                    raise
                except BaseException as error:
                    proceed, value = generator.throw, error

    return wrapper


def _async_generator(function: Callable[..., Any], make: Make[S]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        step, items = make(function, args, kwargs), _Items()
        generator = function(*args, **kwargs)
        with step.spanning(items.result):
            proceed, value = generator.asend, None
            while True:
                try:
                    with step.current():
                        item = await proceed(value)
                except StopAsyncIteration:
                    return
                items.add(item)
                try:
                    proceed, value = generator.asend, (yield item)
                except GeneratorExit:
                    with step.current():
                        await generator.aclose()
                    raise
                except BaseException as error:
                    proceed, value = generator.athrow, error

    return wrapper


class _Items:
    """What a generator gave, as the result of its step: what it returned, else its text in one, else the list."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self.returned: Any = None

    def add(self, item: Any) -> None:
        if len(self._items) < _KEPT_ITEMS:
            self._items.append(item)

    def result(self) -> Any:
        if self.returned is not None:
            return self.returned
        if self._items and all(isinstance(i, str) for i in self._items):
            return "".join(self._items)
        return self._items
