"""Libraries that record themselves, once asked to, and what is added to their spans so that a tree can be read.

Pydantic AI makes spans if told so. MCP's client makes a span for a request, with neither the tool's arguments nor its
result: here a tool's span goes around it.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import wrapt
from opentelemetry import trace
from opentelemetry.sdk.trace import Span
from opentelemetry.trace import SpanKind, StatusCode

from leyden_instrumentation import settings, spans
from leyden_instrumentation.agents import Tool
from leyden_instrumentation.libraries import LIBRARIES, choose

_log = logging.getLogger("leyden_instrumentation")


def register() -> None:
    """Have the libraries set up when the program imports them, where they are chosen."""
    for library in LIBRARIES:
        if library.name in _SET_UPS and choose(library, os.environ).native:
            module, set_up = _SET_UPS[library.name]
            wrapt.register_post_import_hook(_guarded(library.name, set_up), module)


def notice(span: Span) -> None:
    """A span starts. An MCP server's handling of a tool call is no second execution where the caller's is recorded."""
    if span.kind is not SpanKind.SERVER or span.parent is None or not span.parent.is_remote:
        return
    if "mcp.method.name" in (span.attributes or {}):
        with suppress(KeyError, TypeError):
            del span._attributes["gen_ai.operation.name"]  # type: ignore[union-attr]


def _guarded(name: str, set_up: Callable[[Any], None]) -> Callable[[Any], None]:
    def guarded(module: Any) -> None:
        try:
            set_up(module)
        except Exception as error:
            _log.warning("leyden: %s is not recorded: this version is unknown to us (%s)", name, error)

    return guarded


def _pydantic_ai(module: Any) -> None:
    made = importlib.import_module("pydantic_ai.models.instrumented").InstrumentationSettings
    if not getattr(module.Agent, "_instrument_default", False):
        content = settings.enabled(settings.CAPTURE_CONTENT)
        module.Agent.instrument_all(made(include_content=content))


def _mcp(module: Any) -> None:
    wrapt.wrap_function_wrapper(module.ClientSession, "call_tool", _call_tool)


async def _call_tool(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
    # A framework's span for the tool is there already where it calls the server for its model.
    if spans.is_tool(trace.get_current_span()):
        return await wrapped(*args, **kwargs)
    name, arguments = ([*args, None, None])[:2]
    name, arguments = kwargs.get("name", name), kwargs.get("arguments", arguments)
    with Tool(str(name), None, arguments or {}) as tool:
        result = await wrapped(*args, **kwargs)
        tool.result(_text(result))
        if getattr(result, "is_error", False) or getattr(result, "isError", False):
            tool.span.set_attribute("error.type", "tool_error")
            tool.span.set_status(StatusCode.ERROR)
        return result


def _text(result: Any) -> Any:
    """What a tool gave: its text where it is text alone, else all of it."""
    parts = getattr(result, "content", None) or []
    texts = [part.text for part in parts if getattr(part, "type", None) == "text"]
    if parts and len(texts) == len(parts):
        return "\n".join(texts)
    return json.loads(result.model_dump_json()) if hasattr(result, "model_dump_json") else str(result)


_SET_UPS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "pydantic-ai": ("pydantic_ai", _pydantic_ai),
    "mcp": ("mcp.client.session", _mcp),
}
"""By library: the module whose import is waited for, and what is then done with it."""
