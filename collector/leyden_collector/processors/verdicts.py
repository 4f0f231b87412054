"""Verdicts: which traces stay, once they are whole or have been waited for long enough.

The unit is a rollout, or a trace that names none: half a rollout trains nothing. Pure but for the clock it is given.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from leyden_collector.log_records import event_name
from leyden_collector.processors.config import TailTable
from leyden_collector.processors.sampling import randomness, threshold_of

ERROR, SLOW, REWARDED, SAMPLED = "error", "slow", "rewarded", "sampled"
NOT_SAMPLED, FORGOTTEN = "not_sampled", "forgotten"

_REMEMBERED = 100_000
_REWARD = ("gen_ai.evaluation.score.value", "agentlightning.reward.0.value")


@dataclass(slots=True)
class _Unit:
    """A rollout or trace that is not decided. roots: traces of it whose root has ended; times are the clock's."""

    first_s: float
    last_s: float
    traces: set[bytes] = field(default_factory=set)
    roots: set[bytes] = field(default_factory=set)
    start_ns: int = 0
    end_ns: int = 0
    evidence: set[str] = field(default_factory=set)


class Verdicts:
    """What has been seen of each trace, and what was decided; safe to use from several threads."""

    def __init__(self, rules: TailTable, clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._threshold = threshold_of(rules.sample)
        self._lock = threading.Lock()
        self._open: dict[str, _Unit] = {}
        self._unit_of: OrderedDict[bytes, str] = OrderedDict()
        self._decided: OrderedDict[str, tuple[bool, str]] = OrderedDict()

    def see(self, trace_id: bytes, span: Span | None, record: LogRecord | None, resource: Resource) -> None:
        """Note a span or a log record of a trace."""
        item = span if span is not None else record
        assert item is not None
        rollout = _text(item.attributes, "leyden.rollout.id") or _text(resource.attributes, "leyden.rollout.id")
        with self._lock:
            unit = self._unit(trace_id, rollout)
            if unit is None:
                return
            unit.last_s = self._clock()
            unit.traces.add(trace_id)
            if span is not None:
                self._look(unit, trace_id, span)
            elif record is not None and event_name(record) == "gen_ai.evaluation.result":
                unit.evidence.add(REWARDED)

    def of(self, trace_id: bytes) -> tuple[bool, str] | None:
        """Whether the trace stays and by which rule; None while it is too early to say."""
        with self._lock:
            name = self._unit_of.get(trace_id, trace_id.hex())
            if name in self._decided:
                return self._decided[name]
            unit = self._open.get(name)
            if unit is None:
                return self._remember(name, self._by_chance(name, FORGOTTEN))
            now = self._clock()
            whole = unit.roots >= unit.traces and now - unit.last_s >= self._rules.settle_s
            if not whole and now - unit.first_s < self._rules.wait_s:
                return None
            del self._open[name]
            return self._remember(name, self._judge(name, unit))

    def _unit(self, trace_id: bytes, rollout: str) -> _Unit | None:
        """The unit a trace belongs to, made if new; a rollout that is named later takes the trace's along."""
        name = self._unit_of.get(trace_id, trace_id.hex())
        if rollout and name == trace_id.hex():
            earlier, name = self._open.pop(name, None), f"rollout {rollout}"
            self._unit_of[trace_id] = name
            while len(self._unit_of) > _REMEMBERED:
                self._unit_of.popitem(last=False)
            if earlier is not None and name not in self._decided:
                self._join(name, earlier)
        if name in self._decided:
            return None
        now = self._clock()
        return self._open.setdefault(name, _Unit(now, now))

    def _join(self, name: str, earlier: _Unit) -> None:
        unit = self._open.setdefault(name, earlier)
        if unit is not earlier:
            unit.first_s = min(unit.first_s, earlier.first_s)
            unit.traces |= earlier.traces
            unit.roots |= earlier.roots
            unit.evidence |= earlier.evidence
            unit.start_ns = min(filter(None, (unit.start_ns, earlier.start_ns)), default=0)
            unit.end_ns = max(unit.end_ns, earlier.end_ns)

    def _look(self, unit: _Unit, trace_id: bytes, span: Span) -> None:
        if not span.parent_span_id:
            unit.roots.add(trace_id)
        if span.status.code == 2:
            unit.evidence.add(ERROR)
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        unit.start_ns = min(unit.start_ns or start, start)
        unit.end_ns = max(unit.end_ns, end)
        if any(event.name == "gen_ai.evaluation.result" for event in span.events) or any(
            pair.key in _REWARD for pair in span.attributes
        ):
            unit.evidence.add(REWARDED)

    def _judge(self, name: str, unit: _Unit) -> tuple[bool, str]:
        rules = self._rules
        if rules.keep_errors and ERROR in unit.evidence:
            return True, ERROR
        if rules.keep_rewarded and REWARDED in unit.evidence:
            return True, REWARDED
        if rules.keep_slow_s is not None and unit.end_ns - unit.start_ns > rules.keep_slow_s * 1e9:
            return True, SLOW
        return self._by_chance(name, NOT_SAMPLED)

    def _by_chance(self, name: str, otherwise: str) -> tuple[bool, str]:
        """A trace by its own randomness, as head sampling; a rollout by its name's hash."""
        if name.startswith("rollout "):
            drawn = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])
        else:
            drawn = randomness(bytes.fromhex(name))
        return (True, SAMPLED) if drawn >= self._threshold else (False, otherwise)

    def _remember(self, name: str, verdict: tuple[bool, str]) -> tuple[bool, str]:
        self._decided[name] = verdict
        while len(self._decided) > _REMEMBERED:
            self._decided.popitem(last=False)
        return verdict


def _text(pairs: Iterable[object], key: str) -> str:
    return next((pair.value.string_value for pair in pairs if pair.key == key), "")  # type: ignore[attr-defined]
