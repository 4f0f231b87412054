"""`reward()`: a score reported from inside the agent, as OpenTelemetry's `gen_ai.evaluation.result` event.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/
"""

from __future__ import annotations

import math

from opentelemetry import trace
from opentelemetry.trace import Span


def reward(
    value: float,
    name: str = "reward",
    *,
    explanation: str | None = None,
    label: str | None = None,
    span: Span | None = None,
) -> None:
    """Give the current rollout a reward, or the turn of one LLM span.

    The event goes out on a short span of its own that ends at once: it is exported even if the process dies before the
    rollout's root span ends. Without OpenTelemetry set up, nothing happens.

    value: a finite number; ValueError otherwise
    span:  the span judged; an LLM span makes the reward that turn's, by its response id. Default: the current span.
    """
    score = float(value)
    if not math.isfinite(score):
        raise ValueError(f"reward {name!r} must be a finite number, not {value!r}")
    judged = trace.get_current_span() if span is None else span
    event: dict[str, str | float] = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": score}
    if label is not None:
        event["gen_ai.evaluation.score.label"] = label
    if explanation is not None:
        event["gen_ai.evaluation.explanation"] = explanation
    response_id = (getattr(judged, "attributes", None) or {}).get("gen_ai.response.id")
    if response_id:
        event["gen_ai.response.id"] = response_id
    carrier = trace.get_tracer("leyden").start_span(f"reward {name}", context=trace.set_span_in_context(judged))
    carrier.add_event("gen_ai.evaluation.result", event)
    carrier.end()
