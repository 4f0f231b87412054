"""The headers that tell a server what a call is part of, as the propagators that are set write them.

Those that OpenTelemetry sets by default take long for what changes from call to call: the id of the span.
https://www.w3.org/TR/trace-context-1/#traceparent-header, https://www.w3.org/TR/baggage/
"""

from __future__ import annotations

from functools import lru_cache

from opentelemetry import baggage, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_DEFAULT = [TraceContextTextMapPropagator, W3CBaggagePropagator]


def current() -> dict[str, str]:
    """The headers of the current context, by name; {} where there is nothing to tell."""
    told: dict[str, str] = {}
    if not _is_default(propagate.get_global_textmap()):
        propagate.inject(told)
        return told
    # A span's context is a tuple: its properties, asked one by one, take as long as all else here.
    trace_id, span_id, _, flags, state, valid = trace.get_current_span().get_span_context()
    if valid:
        told["traceparent"] = f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"
        if state:
            told["tracestate"] = state.to_header()
    entries = baggage.get_all()
    if entries:
        told.update(_baggage(tuple(entries), tuple(map(str, entries.values()))))
    return told


@lru_cache(maxsize=4)
def _is_default(propagator: TextMapPropagator) -> bool:
    if not isinstance(propagator, CompositePropagator):
        return False
    return [type(one) for one in propagator._propagators] == _DEFAULT


@lru_cache(maxsize=64)
def _baggage(names: tuple[str, ...], values: tuple[str, ...]) -> dict[str, str]:
    """Of a rollout it is the same all along."""
    told: dict[str, str] = {}
    context = Context()
    for name, value in zip(names, values, strict=True):
        context = baggage.set_baggage(name, value, context)
    W3CBaggagePropagator().inject(told, context)
    return told
