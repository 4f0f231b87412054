"""The recorder: takes note of each call while it is under way, and hands it on when it has ended."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leyden_trainers.policy_server.backend import Ask
from leyden_trainers.policy_server.naming import Caller

if TYPE_CHECKING:
    from leyden_trainers.policy_server.recording.delivery import Delivery

_CHUNK = 600
"""Bytes that a chunk of our own takes while it waits: there is no text of it to measure."""

OPERATIONS = {
    "/chat/completions": "chat",
    "/completions": "text_completion",
    "/responses": "chat",
    "/embeddings": "embeddings",
}
"""Paths that are calls of a model, and `gen_ai.operation.name` of each."""


@dataclass(slots=True)
class Recording:
    """One call of a model.

    trace_id, span_id: 32 and 16 hex digits
    key:     what the client identified itself with, so that it can be hidden
    start_ns, end_ns: since 1970
    parts:   the reply, or the chunks of a stream, as they came
    error:   its type and message, where it failed
    retries: how often the upstream was asked again
    size:    bytes, about, that it takes
    """

    caller: Caller
    trace_id: str
    path: str
    body: Mapping[str, Any]
    system: str
    address: tuple[str, int] | None
    key: str
    span_id: str = field(default_factory=lambda: secrets.token_hex(8))
    start_ns: int = field(default_factory=time.time_ns)
    end_ns: int = 0
    parts: list[Mapping[str, Any]] = field(default_factory=list)
    policy_version: str | None = None
    error: tuple[str, str] | None = None
    retries: int = 0
    size: int = 0

    @property
    def traceparent(self) -> str:
        """W3C's header, for what is called within this call."""
        return f"00-{self.trace_id}-{self.span_id}-01"

    def add(self, data: Mapping[str, Any], size: int) -> None:
        """A reply or a chunk of it came in."""
        self.parts.append(data)
        self.size += size or _CHUNK


class Recorder:
    """Notes calls for a collector. Nothing here waits, and nothing here fails a request."""

    def __init__(self, delivery: Delivery, *, system: str, address: tuple[str, int] | None) -> None:
        self.delivery = delivery
        self._system = system
        self._address = address

    def begin(self, caller: Caller, ask: Ask, size: int) -> Recording | None:
        """A call begins, with a body of `size` bytes; None where the path is no call of a model."""
        if ask.path not in OPERATIONS:
            return None
        scheme, _, key = ask.headers.get("authorization", "").partition(" ")
        given = key if scheme.lower() == "bearer" else ask.headers.get("authorization", "")
        trace_id = caller.trace_id or _trace_id(caller)
        return Recording(caller, trace_id, ask.path, ask.body, self._system, self._address, given.strip(), size=size)

    def end(self, recording: Recording, error: tuple[str, str] | None = None) -> None:
        """The call is over; `error` is its type and message. Only the first end counts."""
        if recording.end_ns:
            return
        recording.end_ns = time.time_ns()
        recording.error = error
        self.delivery.put(recording)


def _trace_id(caller: Caller) -> str:
    """One trace for all calls of a rollout that is part of none, whichever server they pass; else one for each call."""
    if caller.rollout_id is None:
        return secrets.token_hex(16)
    return hashlib.sha256(repr((caller.project, caller.rollout_id, caller.attempt)).encode()).hexdigest()[:32]
