"""`reward()`: a score reported from inside the agent; an evaluation whose usual name is `reward`."""

from __future__ import annotations

from opentelemetry.trace import Span

from leyden_instrumentation.evaluations import record


def reward(
    value: float,
    name: str = "reward",
    *,
    explanation: str | None = None,
    label: str | None = None,
    span: Span | None = None,
) -> None:
    """Give the current rollout a reward, or the turn of one LLM span.

    It goes out at once, as `evaluate` does. Without OpenTelemetry set up, nothing happens.

    value: a finite number; ValueError otherwise
    span:  the span judged; an LLM span makes the reward that turn's, by its response id. Default: the current span.
    """
    record(f"reward {name}", name, value, label, explanation, None, span)
