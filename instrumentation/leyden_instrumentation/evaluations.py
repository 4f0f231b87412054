"""`evaluate()`: a judgement of what is being done, as OpenTelemetry's `gen_ai.evaluation.result` event.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/
"""

from __future__ import annotations

import math

from opentelemetry import trace
from opentelemetry.trace import Span


def evaluate(
    name: str,
    value: float,
    *,
    label: str | None = None,
    explanation: str | None = None,
    response_id: str | None = None,
    span: Span | None = None,
) -> None:
    """Judge the current rollout by a name of your own, e.g. `evaluate("helpful", 0.7, label="pass")`, or one turn.

    The event goes out on a short span of its own that ends at once: it is exported even if the process dies before the
    rollout's root span ends. Without OpenTelemetry set up, nothing happens.

    value:       a finite number; ValueError otherwise
    response_id: the id of the model's reply judged, which makes the judgement that turn's; default: the span's, if any
    span:        the span judged; default: the current span
    """
    record(f"evaluate {name}", name, value, label, explanation, response_id, span)


def record(
    title: str,
    name: str,
    value: float,
    label: str | None,
    explanation: str | None,
    response_id: str | None,
    span: Span | None,
) -> None:
    """Emit the event on a span called `title`."""
    score = float(value)
    if not math.isfinite(score):
        raise ValueError(f"{title!r} must be a finite number, not {value!r}")
    judged = trace.get_current_span() if span is None else span
    event: dict[str, str | float] = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": score}
    if label is not None:
        event["gen_ai.evaluation.score.label"] = label
    if explanation is not None:
        event["gen_ai.evaluation.explanation"] = explanation
    reply = response_id or (getattr(judged, "attributes", None) or {}).get("gen_ai.response.id")
    if reply:
        event["gen_ai.response.id"] = reply
    carrier = trace.get_tracer("leyden").start_span(title, context=trace.set_span_in_context(judged))
    carrier.add_event("gen_ai.evaluation.result", event)
    carrier.end()
