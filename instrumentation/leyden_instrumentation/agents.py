"""`agent()` and `tool()`: spans for the agents and tools of a program that names them itself.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-agent-spans/
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.util.types import AttributeValue

from leyden_instrumentation import settings, tools
from leyden_instrumentation.attributes import as_text
from leyden_instrumentation.decorating import Steps
from leyden_instrumentation.steps import Step


class Tool(Step):
    """The execution of a tool. `result(value)` in a `with` says what came of it; a decorated function returns it.

    arguments: by parameter name; never written while content is off
    """

    def __init__(self, name: str, call_id: str | None, arguments: Mapping[str, Any]) -> None:
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.type": "function",
        }
        if call_id is not None:
            attributes["gen_ai.tool.call.id"] = call_id
        super().__init__(f"execute_tool {name}", attributes)
        self._tool = name
        self._call_id = call_id
        self._arguments = arguments

    def begin(self) -> None:
        super().begin()
        if not self.span.is_recording():
            return
        text = as_text(dict(self._arguments)) or "{}"
        # Which of the model's calls this is: then no span is put together for it from the conversation.
        call_id = self._call_id or tools.memory.claim(self.span, self._tool, text)
        if call_id is not None:
            self.span.set_attribute("gen_ai.tool.call.id", call_id)
        if self._arguments and settings.enabled(settings.CAPTURE_CONTENT):
            self.span.set_attribute("gen_ai.tool.call.arguments", text)

    def result(self, value: object) -> None:
        if self.span.is_recording() and settings.enabled(settings.CAPTURE_CONTENT):
            text = as_text(value)
            if text is not None:
                self.span.set_attribute("gen_ai.tool.call.result", text)


def agent(
    name: str | None = None,
    *,
    agent_id: str | None = None,
    description: str | None = None,
    conversation_id: str | None = None,
) -> Steps[Step]:
    """One run of an agent as a span `invoke_agent NAME`: `@leyden.agent("planner")` or `with leyden.agent("planner"):`.

    Model calls, tools and agents inside are its children. Without OpenTelemetry set up nothing is recorded.

    name: the decorated function's when not given
    """
    _check(name, "agent")
    given = {
        "gen_ai.agent.id": agent_id,
        "gen_ai.agent.description": description,
        "gen_ai.conversation.id": conversation_id,
    }

    def make(function: Callable[..., Any] | None, _: tuple[Any, ...], __: dict[str, Any]) -> Step:
        called = _name(name, function, "agent")
        attributes: dict[str, AttributeValue] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": called}
        attributes.update({key: value for key, value in given.items() if value is not None})
        return Step(f"invoke_agent {called}", attributes)

    return Steps(make)


def tool(
    name: str | None = None, *, call_id: str | None = None, arguments: Mapping[str, Any] | None = None
) -> Steps[Tool]:
    """One execution of a tool as a span `execute_tool NAME`, with its arguments and result where content is on.

    `@leyden.tool("search")` takes both from the call. By hand:

        with leyden.tool("search", arguments={"query": "leyden"}) as call:
            call.result(search("leyden"))

    An iterator's result is what it returned, else its items (the first 1000), joined where all are strings.

    name:    the decorated function's when not given; it should be the name the model calls
    call_id: the model's id of the call; when not given it is found by name and arguments, if the call was seen
    """
    _check(name, "tool")

    def make(function: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tool:
        taken = arguments if arguments is not None or function is None else _bound(function, args, kwargs)
        return Tool(_name(name, function, "tool"), call_id, taken or {})

    return Steps(make)


def _check(name: object, kind: str) -> None:
    if name is not None and not isinstance(name, str):
        raise TypeError(f'leyden.{kind} takes a name: write @leyden.{kind}("name") or @leyden.{kind}()')


def _name(name: str | None, function: Callable[..., Any] | None, kind: str) -> str:
    return name or getattr(function, "__name__", None) or kind


def _bound(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The call's arguments by name, as a model would have given them: without self, `**` arguments among the others."""
    try:
        signature = inspect.signature(function)
        bound = signature.bind(*args, **kwargs)
    except (TypeError, ValueError):
        return dict(kwargs)
    found = dict(bound.arguments)
    first = next(iter(signature.parameters), None)
    if first in ("self", "cls"):
        found.pop(first, None)
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            found.update(found.pop(parameter.name, {}))
    return found
