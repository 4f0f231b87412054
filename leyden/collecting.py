"""The collector that a command needs beside it: the one that is there, or one of its own for as long as it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from leyden.posting import Collector
from leyden.processes import flags, serving
from leyden_store import dsn as dsns
from leyden_store.holder import HolderInfo, hold

_SEGMENT_AGE, _SELDOM_S = "LEYDEN_SPOOL__SEGMENT_AGE_S", "5"
"""Whoever waits for spans here says so (`/api/flush`). Until then few large inserts leave more of the machine to agents
and to training."""


@contextmanager
def collecting(dsn: str | None) -> Iterator[Collector]:
    """A collector that fills this store. To be entered before the store is opened.

    It is the one that `OTEL_EXPORTER_OTLP_ENDPOINT` names, or that holds an embedded store; else one is started.
    Raises StoreLocked when somebody else holds the store, ProcessFailed when none can be started.
    """
    if named := os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        yield Collector(named.rstrip("/"), os.environ.get("LEYDEN_TOKEN", ""))
        return
    target = dsns.parse(dsn)
    if isinstance(target, dsns.Embedded):
        held = hold(target.path)
        if isinstance(held, HolderInfo):
            yield Collector.holding(held)
            return
        held.release()
    own = ["leyden", "up", "--http-port", "0", "--no-grpc", *(flags(store=dsn) if dsn else [])]
    with serving(own, env={_SEGMENT_AGE: _SELDOM_S, **os.environ}) as said:
        yield Collector(next(word for word in said.split() if word.startswith("http://")))
