"""Rewards as spans carry them: `gen_ai.evaluation.result` events and spans, and Agent Lightning's attributes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from leyden_store.spans import Attributes, Span
from leyden_store.turns import Reward

_RESULT = "gen_ai.evaluation.result"
_SCORE = "gen_ai.evaluation.score.value"
_LIGHTNING = "agentlightning.reward."
_FIRST_OF_LIGHTNING = f"{_LIGHTNING}0.value"


def rewards_of(span: Span) -> Iterator[Reward]:
    """Every reward the span carries, placed at the span; one without a finite number is none."""
    for event in span.events:
        if event.name == _RESULT:
            yield from _evaluation(event.attributes, span, event.time_ns, span.span_id)
    if span.attributes:
        if _SCORE in span.attributes:
            yield from _evaluation(span.attributes, span, span.end_ns, _under(span))
        if _FIRST_OF_LIGHTNING in span.attributes:
            yield from _lightning(span)


def _evaluation(attributes: Attributes, span: Span, time_ns: int, under: str) -> Iterator[Reward]:
    value = _number(attributes.get(_SCORE))
    if value is None:
        return
    yield Reward(
        name=_text(attributes.get("gen_ai.evaluation.name")) or "reward",
        value=value,
        span_id=span.span_id,
        response_id=_text(attributes.get("gen_ai.response.id")),
        label=_text(attributes.get("gen_ai.evaluation.score.label")),
        explanation=_text(attributes.get("gen_ai.evaluation.explanation")),
        time_ns=time_ns,
        parent_span_id=under,
    )


def _under(span: Span) -> str:
    """What a span that is a score hangs under; a root that carries one hangs under itself."""
    return span.parent_span_id or span.span_id


def _lightning(span: Span) -> Iterator[Reward]:
    attributes = span.attributes
    linked = ""
    index = 0
    while (key := attributes.get(f"agentlightning.link.{index}.key_match")) is not None:
        if key == "gen_ai.response.id":
            linked = _text(attributes.get(f"agentlightning.link.{index}.value_match"))
        index += 1
    index = 0
    while (raw := attributes.get(f"{_LIGHTNING}{index}.value")) is not None:
        value = _number(raw)
        if value is not None:
            yield Reward(
                name=_text(attributes.get(f"{_LIGHTNING}{index}.name")) or ("reward" if index == 0 else str(index)),
                value=value,
                span_id=span.span_id,
                response_id=linked,
                time_ns=span.end_ns,
                parent_span_id=_under(span),
            )
        index += 1


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
