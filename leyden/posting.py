"""Posting to a running collector and to other servers of ours: what commands, imports and the demo say over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

from leyden_store.calling import call
from leyden_store.errors import NoAnswer, StoreUnreachable
from leyden_store.holder import HolderInfo


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
        """Give it an OTLP export request. Raises CallRefused, StoreUnreachable."""
        post(f"{self.url}/v1/{signal}", request, "application/x-protobuf", self.token)

    def flush(self) -> None:
        """Wait until everything it has acknowledged is stored. Raises CallRefused, StoreUnreachable."""
        post(f"{self.url}/api/flush", b"", token=self.token)


def post_json(url: str, value: Any) -> None:
    """POST a value as JSON. Raises CallRefused, StoreUnreachable."""
    post(url, value, "application/json")


def post(url: str, body: Any, content_type: str = "application/octet-stream", token: str = "") -> None:
    """POST bytes, or a value as JSON. Raises CallRefused, StoreUnreachable when nothing answers."""
    try:
        call(url, body, method="POST", content_type=content_type, token=token)
    except NoAnswer as error:
        raise StoreUnreachable(f"{error}; is the collector still running?") from error
