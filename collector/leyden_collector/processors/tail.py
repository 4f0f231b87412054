"""Tail sampling: requests wait on disk until their traces are decided; what stays goes on to the spool.

A request is acknowledged when it is fsynced in the held folder: nothing acknowledged is lost while it waits. Segments
go on in order, each when every trace in it is decided. A crash in between sends a segment on again, which the store
folds away.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal, Protocol

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from leyden_collector.processors.config import TailTable
from leyden_collector.processors.verdicts import Verdicts
from leyden_collector.spool import Limits, Spool, SpoolFull, requests

log = logging.getLogger(__name__)

_LOOK_S = 0.2
_SEGMENT_AGE_S = 1.0


class Next(Protocol):
    """What follows: a spool."""

    def append(self, request: bytes) -> Future[None]:
        """Take a request; the future is done when it is on disk."""


class Tail:
    """Tail sampling of both signals: a trace's spans and its log records share its fate.

    kept, dropped: spans and log records, by (signal, rule)
    """

    def __init__(self, rules: TailTable, folder: Path, traces: Next, logs: Next) -> None:
        """Open the held folders; what an earlier process left undecided is looked at again. Raises StoreError."""
        self._verdicts = Verdicts(rules, time.monotonic)
        self.kept: Counter[tuple[str, str]] = Counter()
        self.dropped: Counter[tuple[str, str]] = Counter()
        limits = Limits(max_bytes=rules.max_bytes, segment_age_s=_SEGMENT_AGE_S)
        self.traces = _Held("traces", Spool(folder / "held-traces", limits), traces, self)
        self.logs = _Held("logs", Spool(folder / "held-logs", limits), logs, self)

    @property
    def held_bytes(self) -> int:
        """Acknowledged, not yet decided."""
        return self.traces.spool.bytes + self.logs.spool.bytes

    def start(self) -> None:
        """Begin to decide."""
        for held in (self.traces, self.logs):
            held.start()

    def stop(self) -> None:
        """Take no more and decide no more; what is undecided waits on disk for the next start."""
        for held in (self.traces, self.logs):
            held.stop()

    def see(self, signal: str, body: bytes) -> None:
        """Note what a held request tells of its traces."""
        for trace_id, item, resource in _items(signal, _parsed(signal, body)):
            if signal == "traces":
                self._verdicts.see(trace_id, item, None, resource)
            else:
                self._verdicts.see(trace_id, None, item, resource)

    def undecided(self, trace_ids: set[bytes]) -> bool:
        """Whether it is too early to say of one of the traces."""
        return any(self._verdicts.of(trace_id) is None for trace_id in trace_ids)

    def left(self, signal: str, parsed: list[Any]) -> list[bytes]:
        """What stays of requests whose traces are all decided."""
        return [left for request in parsed if (left := self._cut(signal, request))]

    def _cut(self, signal: str, request: Any) -> bytes:
        left = False
        for _, scope, name in _scopes(signal, request):
            items = getattr(scope, name)
            gone = []
            for index, item in enumerate(items):
                keep, rule = (self._verdicts.of(item.trace_id) if item.trace_id else None) or (True, "no_trace")
                (self.kept if keep else self.dropped)[signal, rule] += 1
                if not keep:
                    gone.append(index)
            left = left or len(gone) < len(items)
            for index in reversed(gone):
                del items[index]
        encoded: bytes = request.SerializeToString()
        return encoded if left else b""


class _Held:
    """One signal's held requests, and the thread that sends them on."""

    def __init__(self, signal: Literal["traces", "logs"], spool: Spool, following: Next, tail: Tail) -> None:
        self.spool = spool
        self._signal = signal
        self._following = following
        self._tail = tail
        self._stop = threading.Event()
        self._seeing = threading.Lock()
        self._head: tuple[Path, list[Any], set[bytes]] | None = None
        self._thread = threading.Thread(target=self._run, name=f"leyden-tail-{signal}", daemon=True)

    def append(self, request: bytes) -> Future[None]:
        """Hold a request; the future is done when it is on disk. Raises SpoolFull, from here or from the future."""
        with self._seeing:  # what is on disk has been seen before it is decided
            done = self.spool.append(request)
            self._tail.see(self._signal, request)
        return done

    def start(self) -> None:
        for path in self.spool.closed:
            for body in requests(path.read_bytes())[0]:
                self._tail.see(self._signal, body)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.spool.stop()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            try:
                while self.spool.closed and not self._stop.is_set() and self._sent_on(self.spool.closed[0]):
                    pass
            except SpoolFull:
                continue  # the spool has no room: what is held waits
            except Exception:  # Whatever it is, the segment is kept and this thread goes on.
                log.exception("held requests cannot be sent on; they wait")

    def _sent_on(self, path: Path) -> bool:
        if self._head is None or self._head[0] != path:
            parsed = [_parsed(self._signal, body) for body in requests(path.read_bytes())[0]]
            ids = {trace_id for one in parsed for trace_id, _, _ in _items(self._signal, one) if trace_id}
            self._head = path, parsed, ids
        _, parsed, ids = self._head
        with self._seeing:
            if self._tail.undecided(ids):
                return False
        self._head = None
        for future in [self._following.append(body) for body in self._tail.left(self._signal, parsed)]:
            future.result()
        self.spool.done(path)
        return True


def _parsed(signal: str, body: bytes) -> Any:
    message = ExportTraceServiceRequest() if signal == "traces" else ExportLogsServiceRequest()
    message.ParseFromString(body)
    return message


def _scopes(signal: str, request: Any) -> Any:
    if signal == "traces":
        return [(group.resource, s, "spans") for group in request.resource_spans for s in group.scope_spans]
    return [(group.resource, s, "log_records") for group in request.resource_logs for s in group.scope_logs]


def _items(signal: str, request: Any) -> Any:
    for resource, scope, name in _scopes(signal, request):
        for item in getattr(scope, name):
            yield item.trace_id, item, resource
