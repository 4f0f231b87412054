"""The pipeline: configured processors over one export request, between its check and its first byte on disk."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from leyden_collector.processors.base import Processor

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Processed:
    """What is left of a request.

    body:     the encoded request to store, empty when nothing of it is left
    rejected: spans or records that a processor failed on; they are not stored, since unprocessed they must not be
    reason:   why, for the sender
    """

    body: bytes
    rejected: int = 0
    reason: str = ""


class Pipeline:
    """Processors in order. Safe to call from several threads; one request is processed at a time.

    dropped: spans and records that a rule dropped, by (signal, rule)
    failed:  those a processor failed on, by (signal, rule)
    """

    def __init__(self, processors: Sequence[Processor]) -> None:
        self.processors = tuple(processors)
        self.dropped: Counter[tuple[str, str]] = Counter()
        self.failed: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def traces(self, body: bytes) -> Processed:
        """Process an encoded ExportTraceServiceRequest, which must parse."""
        return self._process(body, ExportTraceServiceRequest(), "traces", "resource_spans", "scope_spans", "spans")

    def logs(self, body: bytes) -> Processed:
        """Process an encoded ExportLogsServiceRequest, which must parse."""
        return self._process(body, ExportLogsServiceRequest(), "logs", "resource_logs", "scope_logs", "log_records")

    def _process(self, body: bytes, request: Any, signal: str, resources: str, scopes: str, items: str) -> Processed:
        problems: Counter[str] = Counter()
        with self._lock:
            if all([processor.idle(body) for processor in self.processors]):  # noqa: C419 - each is to look
                return Processed(body)
            request.ParseFromString(body)
            request.DiscardUnknownFields()  # nobody can look into them
            others = False
            for processor in self.processors:
                if others:
                    processor.idle(request.SerializeToString())
                others = others or processor.adds_text
                keep = processor.span if signal == "traces" else processor.log
                for group in getattr(request, resources):
                    inner = getattr(group, scopes)
                    found = [getattr(scope, items) for scope in inner]
                    self._whole(processor, processor.resource, group.resource, found, signal, problems)
                    for scope, here in zip(inner, found, strict=True):
                        self._whole(processor, processor.scope, scope.scope, [here], signal, problems)
                        self._each(keep, here, group.resource, processor.rule, signal, problems)
        left = _pruned(request, resources, scopes, items)
        rejected = sum(problems.values())
        reason = "; ".join(f"processor {rule}" for rule in problems)
        return Processed(request.SerializeToString() if left else b"", rejected, reason)

    def _each(
        self,
        keep: Callable[[Any, Any], bool],
        found: Any,
        resource: Any,
        rule: str,
        signal: str,
        problems: Counter[str],
    ) -> None:
        gone = []
        for index, item in enumerate(found):
            try:
                if keep(item, resource):
                    continue
                self.dropped[signal, rule] += 1
            except Exception as error:  # A plug-in may raise anything; what it did not process must not be stored.
                self.failed[signal, rule] += 1
                problems[f"{rule} failed: {type(error).__name__}"] += 1
                log.exception("the processor %s failed; what it failed on is rejected", rule)
            gone.append(index)
        for index in reversed(gone):
            del found[index]

    def _whole(
        self,
        processor: Processor,
        change: Callable[[Any], None],
        message: Any,
        under: Sequence[Any],
        signal: str,
        problems: Counter[str],
    ) -> None:
        """Change what speaks for all spans under it; where that fails they are rejected."""
        try:
            change(message)
        except Exception as error:
            lost = sum(map(len, under))
            self.failed[signal, processor.rule] += lost
            problems[f"{processor.rule} failed: {type(error).__name__}"] += lost
            log.exception(
                "the processor %s failed on a resource or scope; what is under it is rejected", processor.rule
            )
            for items in under:
                del items[:]


def _pruned(request: Any, resources: str, scopes: str, items: str) -> bool:
    """Take out what holds nothing any more; whether anything is left."""
    groups = getattr(request, resources)
    for group in groups:
        inner = getattr(group, scopes)
        for index in reversed([i for i, scope in enumerate(inner) if not getattr(scope, items)]):
            del inner[index]
    for index in reversed([i for i, group in enumerate(groups) if not getattr(group, scopes)]):
        del groups[index]
    return bool(groups)
