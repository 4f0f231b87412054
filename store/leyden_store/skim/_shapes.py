"""Shapes: what spans with the same marks have in common, decided once and not span by span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from leyden_store.dialects import looks_like_llm, recognise
from leyden_store.spans import Span

MARKERS = (
    "gen_ai.operation.name",
    "openinference.span.kind",
    "llm.request.type",
    "traceloop.span.kind",
    "ai.operationId",
    "langfuse.observation.type",
    "mlflow.spanType",
    "agentops.span.kind",
    "logfire.span_type",
)
"""The attributes whose values, beside the names of all others, decide what a span is."""

INDEXED_FINISH = "gen_ai.completion.0.finish_reason"
FINISH = "gen_ai.response.finish_reasons"
OWN_IDS = ("prompt_token_ids", "response_token_ids")
"""Agent Lightning's names for token ids, where the span has none in its columns."""

_AGENT_NAMES = frozenset({"gen_ai.agent.name", "agent.name"})
_AGENT_KINDS = frozenset(
    {"openinference.span.kind", "langfuse.observation.type", "mlflow.spanType", "agentops.span.kind"}
    | {"traceloop.span.kind"}
)
_REWARDS = frozenset({"gen_ai.evaluation.score.value", "agentlightning.reward.0.value"})
_RESULT = "gen_ai.evaluation.result"
_JSON_DIALECTS = frozenset({"genai", "traceloop"})
_INDEXED_DIALECTS = frozenset({"agentlightning", "traceloop-indexed"})
_TELLING = frozenset(
    {
        "openai.api.type",  # a Responses API call: its items are joined
        "gen_ai.request.choice.count",
        "agentlightning.operation.input.messages.0.role",
        "logprobs.content",
    }
)


_BY_VALUES = ("pydantic-ai", "logfire")
"""Scopes whose spans are known as calls by what other attributes hold."""


class Kind(IntEnum):
    """What a span is to a training run."""

    SILENT = 0
    """No LLM call."""
    JSON = 1
    """An LLM call whose messages are JSON, its finish reason an attribute."""
    INDEXED = 2
    """An LLM call whose messages are flattened, its finish reason beside them."""
    UNTOLD = 3
    """An LLM call, or what looks like one, that only reading can tell."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What holds for every span of these marks.

    functions: the keys of flattened tool definitions that hold JSON
    """

    kind: Kind
    names_agent: bool
    rewards: bool
    own_ids: bool
    functions: tuple[str, ...] = ()


UNTOLD = Shape(Kind.UNTOLD, names_agent=True, rewards=True, own_ids=False)


def shape_of(span: Span) -> Shape:
    """The shape of a span, from its name, scope, events' names, attributes' names and the values of `MARKERS` alone."""
    keys = span.attributes.keys()
    kind = _kind(span)
    return Shape(
        kind=kind,
        names_agent=bool(keys & _AGENT_NAMES or keys & _AGENT_KINDS),
        rewards=bool(keys & _REWARDS) or any(event.name == _RESULT for event in span.events),
        own_ids=any(key in keys for key in OWN_IDS),
        functions=tuple(key for key in keys if ".functions." in key and key.endswith(".parameters")),
    )


def _kind(span: Span) -> Kind:
    if span.scope_name.startswith(_BY_VALUES):
        return Kind.UNTOLD
    dialect = recognise(span)
    if dialect is None:
        return Kind.UNTOLD if looks_like_llm(span) else Kind.SILENT
    keys = span.attributes.keys()
    if (
        keys & _TELLING
        or span.name == "openai.response"
        or any(key.startswith("leyden.choice.") for key in keys)
        or any(event.name != _RESULT for event in span.events)
    ):
        return Kind.UNTOLD
    if dialect.NAME in _JSON_DIALECTS and FINISH in keys and not any(key in keys for key in OWN_IDS):
        return Kind.JSON
    if dialect.NAME in _INDEXED_DIALECTS and "gen_ai.prompt.0.role" in keys and INDEXED_FINISH in keys:
        return Kind.INDEXED if _single_and_flat(list(keys)) else Kind.UNTOLD
    return Kind.UNTOLD


def _single_and_flat(keys: Sequence[str]) -> bool:
    """Whether there is one reply, and nothing flattened stands whole beside its pieces."""
    replies = [key for key in keys if key.startswith("gen_ai.completion.")]
    return all(key.startswith("gen_ai.completion.0.") for key in replies) and not any(
        key.endswith((".tool_calls", ".functions")) for key in keys
    )
