"""Whose request it is: the rollout that its path or its headers name, and the trace it is part of.

/rollout/ID[/group/GROUP][/attempt/N]/v1/…         for agents that can be given nothing but a base URL
x-leyden-rollout-id, -group-id, -attempt, -project    for those that can be given headers
traceparent and baggage (W3C)                         from whatever is instrumented
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from leyden_trainers.errors import RequestInvalid

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

_FIELDS = {"rollout": "rollout_id", "group": "group_id", "attempt": "attempt"}
_HEADERS = {
    "x-leyden-project": "project",
    "x-leyden-rollout-id": "rollout_id",
    "x-leyden-group-id": "group_id",
    "x-leyden-attempt": "attempt",
}
_BAGGAGE = {
    "leyden.project": "project",
    "leyden.rollout.id": "rollout_id",
    "leyden.group.id": "group_id",
    "leyden.attempt": "attempt",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: ids are None where the request does not tell.

    trace_id, parent_id: 32 and 16 hex digits, "" where the request is part of no trace
    """

    project: str | None = None
    rollout_id: str | None = None
    group_id: str | None = None
    attempt: int | None = None
    trace_id: str = ""
    parent_id: str = ""


class Naming:
    """ASGI: takes the rollout off the path, so that the routes behind it know nothing of rollouts."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            path, named = off_path(scope["raw_path"].decode("latin-1"))
            if named:
                scope = {**scope, "path": unquote(path), "raw_path": path.encode("latin-1"), "leyden": named}
        await self._app(scope, receive, send)


def off_path(path: str) -> tuple[str, dict[str, str]]:
    """The path that is left (still quoted) and what stood before it. `/v1/models` stays as it is, with nothing."""
    parts = path.partition("?")[0].split("/")
    named: dict[str, str] = {}
    at = 1
    while at + 1 < len(parts) and (name := _FIELDS.get(parts[at])) and name not in named:
        named[name] = unquote(parts[at + 1])
        at += 2
    return ("/" + "/".join(parts[at:]), named) if "rollout_id" in named else (path, {})


def rollout_path(rollout_id: str, group_id: str | None = None, attempt: int | None = None) -> str:
    """What `off_path` takes off, for the base URL that an agent is given: `http://host:port` + this + `/v1`."""
    pairs = {"rollout": rollout_id, "group": group_id, "attempt": attempt}
    return "".join(f"/{name}/{quote(str(value), safe='')}" for name, value in pairs.items() if value is not None)


def caller(path: Mapping[str, str], headers: Mapping[str, str]) -> Caller:
    """Who asks; the path's word comes before the headers', theirs before baggage's. Raises RequestInvalid."""
    told: dict[str, Any] = dict(_in_baggage(headers))
    told |= {name: headers[key] for key, name in _HEADERS.items() if headers.get(key)}
    told |= {name: value for name, value in path.items() if value}
    if isinstance(told.get("attempt"), str):
        try:
            told["attempt"] = int(told["attempt"])
        except ValueError:
            raise RequestInvalid(f"an attempt is a whole number, not {json.dumps(told['attempt'])}") from None
    context = TraceContextTextMapPropagator().extract(dict(headers))
    around = trace.get_current_span(context).get_span_context()
    if around.is_valid:
        told |= {"trace_id": f"{around.trace_id:032x}", "parent_id": f"{around.span_id:016x}"}
    return Caller(**told)


def _in_baggage(headers: Mapping[str, str]) -> Mapping[str, Any]:
    entries = baggage.get_all(W3CBaggagePropagator().extract(dict(headers)))
    found: dict[str, Any] = {name: str(entries[key]) for key, name in _BAGGAGE.items() if entries.get(key)}
    # What an agent of elsewhere carries along is not the client's to put right.
    if not str(found.get("attempt", "0")).lstrip("-").isdecimal():
        del found["attempt"]
    return found
