"""A front over an upstream, in a thread of the test's process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from leyden_trainers.policy_server.app import Front
from leyden_trainers.policy_server.recording import recorder_for
from leyden_trainers.policy_server.routes import upstream_app
from leyden_trainers.policy_server.upstream import Patience, Upstream
from tests.support.tiny_policy import listening

HELLO: dict[str, Any] = {"model": "fake", "messages": [{"role": "user", "content": "hello"}]}
QUICK = Patience(retries=2, pause=0.01, longest=0.2)


@contextmanager
def fronting(url: str, *, collector: str | None = None, show_ids: bool = False, **options: Any) -> Iterator[str]:
    """The front's URL, without /v1; `options` are Upstream's."""
    upstream = Upstream(url, **{"patience": QUICK, **options})
    recorder = recorder_for(collector, upstream) if collector else None
    with listening(upstream_app(Front(upstream, recorder, show_ids=show_ids), upstream)) as front:
        yield front


def post(base: str, path: str = "/v1/chat/completions", body: Any = HELLO, **headers: str) -> httpx.Response:
    """One request; header names have _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{base}{path}", json=body, headers=named, timeout=30, verify=False)  # reading no certificates
