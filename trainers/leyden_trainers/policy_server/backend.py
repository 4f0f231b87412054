"""What stands behind the front: something that answers a request, whole or as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to a model.

    path:    below /v1, such as `/chat/completions`
    body:    as the client sent it
    headers: the client's, in lower case
    ids:     whether token ids and logprobs are wanted, asked for or not
    """

    path: str
    body: dict[str, Any]
    headers: Mapping[str, str]
    ids: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A piece of a stream: its JSON, or None where it is none of a reply; and how it came over the wire, if it did."""

    data: dict[str, Any] | None
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply, a refusal included.

    body:  JSON, or the bytes of what is none
    added: fields that were put into the request; what they bring is taken out before the client sees it
    """

    status: int
    body: dict[str, Any] | bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    added: frozenset[str] = frozenset()
    policy_version: str | None = None
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """A reply in pieces: the first, which has come, and the rest, whose closing ends the sampling."""

    first: Event
    events: AsyncGenerator[Event, None]
    headers: Mapping[str, str] = field(default_factory=dict)
    added: frozenset[str] = frozenset()
    policy_version: str | None = None
    retries: int = 0


async def begun(events: AsyncGenerator[Event, None]) -> tuple[Event, AsyncGenerator[Event, None]]:
    """The first piece of a stream, once it has come, and the stream, which ends in order now whenever it is closed."""
    try:
        return await anext(events), events
    except StopAsyncIteration:
        return Event(None), events


class Backend(Protocol):
    """A model of our own, or an upstream.

    system:  `gen_ai.provider.name` of what is recorded
    address: host and port of the upstream; None for a model in this process
    """

    system: str
    address: tuple[str, int] | None

    async def answer(self, ask: Ask) -> Reply | Stream:
        """Answer a request to a model. Raises LeydenError where it cannot."""
        ...

    def health(self) -> dict[str, Any]:
        """What /health says of it."""
        ...

    async def close(self) -> None:
        """Stop; what is under way fails."""
        ...
