"""Posting to a running collector and to other servers of ours: what commands, imports and the demo say over HTTP."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from leyden_store.errors import LeydenError, StoreUnreachable
from leyden_store.holder import HolderInfo

PATIENCE_S = 60.0


class Refused(LeydenError):
    """The server answered, but not with success."""


@dataclass(frozen=True, slots=True)
class Collector:
    """A running collector. token: "" where it asks for none."""

    url: str
    token: str = ""

    @classmethod
    def holding(cls, held: HolderInfo) -> Self:
        """The collector that holds an embedded store, by its gateway's address."""
        return cls(held.url.removesuffix("/clickhouse"), held.token)

    def take(self, request: bytes, signal: Literal["traces", "logs"] = "traces") -> None:
        """Give it an OTLP export request. Raises Refused, StoreUnreachable."""
        post(f"{self.url}/v1/{signal}", request, "application/x-protobuf", self.token)

    def flush(self) -> None:
        """Wait until everything it has acknowledged is stored. Raises Refused, StoreUnreachable."""
        post(f"{self.url}/api/flush", b"", token=self.token)


def post_json(url: str, value: Any) -> None:
    """POST a value as JSON. Raises Refused, StoreUnreachable."""
    post(url, json.dumps(value).encode(), "application/json")


def post(url: str, body: bytes, content_type: str = "application/octet-stream", token: str = "") -> None:
    """POST bytes and leave the answer unread. Raises Refused when it is no success, StoreUnreachable without one."""
    headers = {"Content-Type": content_type} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - a server of ours
    try:
        urllib.request.urlopen(request, timeout=PATIENCE_S, context=_trusting(url)).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        with error:
            raise Refused(f"{url} answered {error.code}: {error.read(200)!r}") from error
    except OSError as error:
        raise StoreUnreachable(f"nothing answers at {url}: {error}; is the collector still running?") from error


def _trusting(url: str) -> ssl.SSLContext | None:
    """A collector on this machine may have made its certificate itself: who it is, the address says."""
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        return None
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
