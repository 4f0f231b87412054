"""An upstream: vLLM, or any server with OpenAI's API, asked on the client's behalf, and again where it fails.

It is asked again only while nothing of its answer has gone to the client.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx

from leyden_trainers.errors import UpstreamUnreachable
from leyden_trainers.policy_server.backend import Ask, Event, Reply, Stream, begun
from leyden_trainers.policy_server.fields import Fields
from leyden_trainers.policy_server.replies import written

_AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
        "upgrade", "host", "content-length", "content-encoding", "accept-encoding", "expect",
    }
)  # fmt: skip
"""Headers that hold for one connection, or for a body as it was packed there."""
_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n")


@dataclass(frozen=True, slots=True)
class Patience:
    """How an upstream is asked again.

    retries:  how often, at most
    pause:    seconds before the first, doubled with each, with chance in it
    longest:  seconds a pause may take; an upstream that asks for more has its answer handed on instead
    """

    retries: int = 3
    pause: float = 0.5
    longest: float = 30.0


class Upstream:
    """A `Backend` that hands requests on to `url`, a base URL such as http://gpu-7:8000/v1."""

    system = "openai"

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        policy_version: str | None = None,
        patience: Patience | None = None,
        timeout: float = 600.0,
    ) -> None:
        """key: sent in place of the client's own; timeout: seconds without a byte."""
        self.policy_version = policy_version
        self._patience = patience or Patience()
        self._key = key
        self._fields = Fields()
        waits = httpx.Timeout(timeout, connect=10, pool=None)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        self._client = httpx.AsyncClient(timeout=waits, limits=limits, follow_redirects=False)
        # Many clients share these connections: a cookie of one is not the others'.
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._url = httpx.URL(url.rstrip("/"))
        self.address: tuple[str, int] | None = (
            self._url.host,
            self._url.port or (443 if self._url.scheme == "https" else 80),
        )

    async def answer(self, ask: Ask) -> Reply | Stream:
        """Hand on a request to a model. Raises UpstreamUnreachable."""
        model = str(ask.body.get("model"))
        added = self._fields.missing(ask.path, model, ask.body) if ask.ids else {}
        answer = await self._answer(ask, ask.body | added)
        if added and isinstance(answer, Reply) and answer.status in (400, 422):
            # Our fields may be what it refuses; what it says to the client's own request is what the client gets.
            plain = await self._answer(ask, ask.body)
            self._fields.refused(ask.path, model, for_good=isinstance(plain, Stream) or plain.status == 200)
            return plain
        return replace(answer, added=frozenset(added))

    async def hand_on(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply | Stream:
        """Hand on anything, unread; `path` with its query. Raises UpstreamUnreachable."""
        retries = 0
        while True:
            last = retries >= self._patience.retries
            pause = self._patience.pause * 2**retries * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
            try:
                answer = await self._once(method, path, headers, body)
            except httpx.TransportError as error:
                if last or isinstance(error, httpx.ReadTimeout | httpx.UnsupportedProtocol):
                    said = f"the upstream {self._url} does not answer: {error or type(error).__name__}"
                    raise UpstreamUnreachable(f"{said} (asked {retries + 1} times)" if retries else said) from error
            else:
                asked = _retry_after(answer.headers)
                again = isinstance(answer, Reply) and answer.status in _AGAIN
                if not again or last or (asked or 0) > self._patience.longest:
                    return replace(answer, retries=retries)
                pause = pause if asked is None else asked
            retries += 1
            await asyncio.sleep(min(pause, self._patience.longest))

    def health(self) -> dict[str, Any]:
        """Where the upstream is; it is not asked."""
        return {"upstream": str(self._url), "policy_version": self.policy_version}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _answer(self, ask: Ask, body: Mapping[str, Any]) -> Reply | Stream:
        version = self.policy_version
        answer = await self.hand_on("POST", ask.path, ask.headers, written(body))
        told = answer.first.data if isinstance(answer, Stream) else _object(answer.body)
        version = str(told["policy_version"]) if told and told.get("policy_version") is not None else version
        if isinstance(answer, Reply) and told is not None:
            answer = replace(answer, body=told)
        return replace(answer, policy_version=version)

    async def _once(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply | Stream:
        """One try. A whole reply has come when it returns, or the first piece of a stream."""
        url = self._url.copy_with(raw_path=self._url.raw_path.rstrip(b"/") + path.encode("latin-1"))
        sent = {name: value for name, value in headers.items() if name not in _HOP}
        if self._key:
            sent["authorization"] = f"Bearer {self._key}"
        request = self._client.build_request(method, url, headers=sent, content=body)
        response = await self._client.send(request, stream=True)
        seen = {name: value for name, value in response.headers.items() if name not in _HOP}
        if response.is_success and seen.get("content-type", "").startswith("text/event-stream"):
            return Stream(*await begun(_events(response)), seen)
        try:
            return Reply(response.status_code, await response.aread(), seen)
        finally:
            await response.aclose()


async def _events(response: httpx.Response) -> AsyncGenerator[Event, None]:
    """A stream's events, each with its own bytes; a comment or `[DONE]` has no JSON."""
    come = b""
    try:
        async for piece in response.aiter_bytes():
            *blocks, come = _BLANK_LINE.split(come + piece)
            for block in blocks:
                yield _event(block)
        if come.strip():
            yield _event(come)
    finally:
        await response.aclose()


def _event(block: bytes) -> Event:
    lines = (line.rstrip(b"\r") for line in block.split(b"\n"))
    data = b"\n".join(line.removeprefix(b"data:") for line in lines if line.startswith(b"data:"))
    return Event(_object(data), block + b"\n\n")


def _object(text: dict[str, Any] | bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text) if isinstance(text, bytes) else text
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the upstream asks for, where it says so in seconds."""
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None
