"""Head sampling by trace id, as OpenTelemetry's consistent probability sampling has it.

https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/: a trace has 56 bits of randomness (`rv`
of the tracestate's `ot` entry, else the last seven bytes of its id); it is kept when they are not below the rejection
threshold, which is written to `th`. All collectors, and samplers before them, decide alike.
"""

from __future__ import annotations

import re

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from leyden_collector.processors.base import Processor

_BITS = 56
_MAX = 1 << _BITS
_VENDOR = re.compile(r"(?:^|,)\s*ot=([^,]*)")


def threshold_of(probability: float) -> int:
    """The rejection threshold of a probability from 0 to 1."""
    return _MAX - round(probability * _MAX)


def randomness(trace_id: bytes, trace_state: str = "") -> int:
    """The 56 random bits of a trace."""
    explicit = _members(trace_state).get("rv", "")
    if re.fullmatch(r"[0-9a-f]{14}", explicit):
        return int(explicit, 16)
    return int.from_bytes(trace_id[-7:])


class Sample(Processor):
    """Keeps a share of traces; spans that were sampled more strictly before keep their own threshold."""

    rule = "sample"
    adds_text = False

    def __init__(self, probability: float, rule: str = "") -> None:
        super().__init__(rule)
        self._threshold = threshold_of(probability)

    def span(self, span: Span, resource: Resource) -> bool:
        """Whether the span's trace is kept; a kept span says by which threshold."""
        before = _members(span.trace_state).get("th", "")
        earlier = int(before.ljust(14, "0"), 16) if re.fullmatch(r"[0-9a-f]{1,14}", before) else 0
        threshold = max(self._threshold, earlier)
        if randomness(span.trace_id, span.trace_state) < threshold:
            return False
        span.trace_state = _with_threshold(span.trace_state, threshold)
        return True

    def log(self, record: LogRecord, resource: Resource) -> bool:
        """Whether the record's trace is kept; one of no trace stays."""
        return not record.trace_id or randomness(record.trace_id) >= self._threshold


def _members(trace_state: str) -> dict[str, str]:
    found = _VENDOR.search(trace_state)
    return dict(part.partition(":")[::2] for part in found[1].split(";")) if found else {}


def _with_threshold(trace_state: str, threshold: int) -> str:
    members = {**_members(trace_state), "th": f"{threshold:014x}".rstrip("0") or "0"}
    others = [entry for entry in trace_state.split(",") if entry.strip() and not entry.strip().startswith("ot=")]
    return ",".join(["ot=" + ";".join(f"{key}:{value}" for key, value in members.items() if key), *others])
