"""What a processor is: something that changes or drops what an export request holds, before a byte of it is on disk."""

from __future__ import annotations

from collections import Counter

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Processor:
    """The base of all; a plug-in may derive from it or offer the same methods.

    Messages are OTLP's own and are changed in place. One processor sees a whole request before the next sees it: first
    the resources and scopes, then the spans or log records.

    rule:   the name its counts go by in `/metrics`
    adds_text: whether it may bring in a text that was not there, so that those after it must look again
    counts: things it did, by kind, e.g. `email` redacted; what it drops the pipeline counts
    """

    rule = "processor"
    adds_text = True

    def __init__(self, rule: str = "") -> None:
        self.rule = rule or self.rule
        self.counts: Counter[str] = Counter()

    def idle(self, body: bytes) -> bool:
        """Whether the encoded request certainly holds nothing to do; when all say so it is not even decoded.

        It is called before every request, and of one processor for one request at a time.
        """
        return False

    def resource(self, resource: Resource) -> None:
        """Change a resource, which speaks for all its spans and log records."""

    def scope(self, scope: InstrumentationScope) -> None:
        """Change an instrumentation scope."""

    def span(self, span: Span, resource: Resource) -> bool:
        """Change a span; whether to keep it."""
        return True

    def log(self, record: LogRecord, resource: Resource) -> bool:
        """Change a log record; whether to keep it."""
        return True
