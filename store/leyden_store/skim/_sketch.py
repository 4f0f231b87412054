"""Sketches: what training needs of a batch of spans, column by column, and nothing of what was said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from leyden_store._placing import agent_of
from leyden_store._rewards import rewards_of
from leyden_store.dialects._messages import finish_reason
from leyden_store.skim._shapes import FINISH, INDEXED_FINISH, MARKERS, UNTOLD, Kind, Shape, shape_of
from leyden_store.skim._tokens import Ragged, ragged_floats, ragged_ids
from leyden_store.spans import Attributes, Span
from leyden_store.turns import Reward

Slots = Mapping[int, int] | Sequence[int]


@dataclass(slots=True)
class Sketch:
    """A batch of distinct spans, a list a column, by start time, then trace and span.

    agents:    the agent each names itself, "" where none
    calls:     LLM calls that these columns tell whole
    untold:    spans that only reading can tell
    finishes, response_ids, tokens: of calls; a call's place in the three `Ragged` is `slots[span]`
    rewards:   (span, reward), in the order of spans
    """

    trace_ids: list[str]
    span_ids: list[str]
    parents: list[str]
    starts: list[int]
    ends: list[int]
    scopes: list[str]
    rollouts: list[str]
    groups: list[str]
    attempts: list[int | None]
    policies: list[str | None]
    agents: list[str]
    calls: list[int] = field(default_factory=list)
    untold: list[int] = field(default_factory=list)
    slots: Slots = field(default_factory=dict)
    finishes: dict[int, str] = field(default_factory=dict)
    response_ids: dict[int, str | None] = field(default_factory=dict)
    rewards: list[tuple[int, Reward]] = field(default_factory=list)
    prompts: Ragged = field(default_factory=Ragged.empty)
    responses: Ragged = field(default_factory=Ragged.empty)
    logprobs: Ragged = field(default_factory=Ragged.empty)

    def hold(self, calls: list[int], prompts: Ragged, responses: Ragged, logprobs: Ragged, slots: Slots) -> None:
        """Take the tokens of these calls. One whose numbers no training can use becomes untold: reading says why.

        slots: where each call's tokens lie in the arrays
        """
        bad = prompts.holding_negatives() | responses.holding_negatives() | logprobs.holding_infinities()
        self.prompts, self.responses, self.logprobs = prompts, responses, logprobs
        self.slots = slots
        self.calls = [place for place in calls if self.slots[place] not in bad]
        if bad:
            self.untold = sorted({*self.untold, *(place for place in calls if self.slots[place] in bad)})


def sketch_spans(spans: Sequence[Span]) -> Sketch:
    """Sketch spans held as Python values, each (trace id, span id) once, in the order of `tree.build`."""
    made = Sketch(
        trace_ids=[span.trace_id for span in spans],
        span_ids=[span.span_id for span in spans],
        parents=[span.parent_span_id for span in spans],
        starts=[span.start_ns for span in spans],
        ends=[span.end_ns for span in spans],
        scopes=[span.scope_name for span in spans],
        rollouts=[span.rollout_id for span in spans],
        groups=[span.group_id for span in spans],
        attempts=[span.attempt for span in spans],
        policies=[span.policy_version for span in spans],
        agents=[""] * len(spans),
    )
    shapes = _Shapes()
    told: list[tuple[int, Sequence[int], Sequence[int], Sequence[float]]] = []
    for place, span in enumerate(spans):
        shape = shapes.of(span)
        if shape.names_agent:
            made.agents[place] = agent_of(span) or ""
        if shape.rewards:
            made.rewards += [(place, reward) for reward in rewards_of(span)]
        if shape.kind is Kind.SILENT:
            continue
        found = None if shape.kind is Kind.UNTOLD else _call(span, shape)
        if found is None:
            made.untold.append(place)
        else:
            made.finishes[place], made.response_ids[place] = found[0], found[1]
            told.append((place, *found[2:]))
    _lay_tokens(made, told)
    return made


class _Shapes:
    """Shapes already decided."""

    def __init__(self) -> None:
        self._markers: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._shapes: dict[tuple[Any, ...], Shape] = {}

    def of(self, span: Span) -> Shape:
        attributes = span.attributes
        keys = tuple(attributes)
        markers = self._markers.get(keys)
        if markers is None:
            markers = self._markers[keys] = tuple(key for key in MARKERS if key in attributes)
        events = tuple([event.name for event in span.events]) if span.events else ()
        seen = (keys, span.scope_name, span.name, events, *[attributes[key] for key in markers])
        try:
            shape = self._shapes.get(seen)
        except TypeError:  # A marker is a list: no convention writes that.
            return UNTOLD
        if shape is None:
            shape = self._shapes[seen] = shape_of(span)
        return shape


def _call(span: Span, shape: Shape) -> tuple[str, str | None, Sequence[int], Sequence[int], Sequence[float]] | None:
    """Finish reason, response id, prompt ids, response ids and logprobs of a call; None where only reading can tell."""
    attributes = span.attributes
    if span.status == "Error" or span.dropped_attributes or bytes in map(type, attributes.values()):
        return None
    prompt, sampled, logprobs = span.prompt_token_ids, span.response_token_ids, span.response_logprobs
    if shape.own_ids:
        prompt = prompt or _listed(attributes.get("prompt_token_ids"))
        sampled = sampled or _listed(attributes.get("response_token_ids"))
    response_id = attributes.get("gen_ai.response.id")
    finish = _finish(attributes, shape)
    if not prompt or not sampled or finish is None or not _readable(attributes, shape):
        return None
    if not isinstance(response_id, str) or not response_id:
        response_id = None
    elif response_id.startswith("resp_"):
        return None
    return finish, response_id, prompt, sampled, logprobs or ()


def _listed(value: object) -> list[int] | None:
    return value if isinstance(value, list) else None


def _finish(attributes: Attributes, shape: Shape) -> str | None:
    if shape.kind is Kind.INDEXED:
        return named_finish(attributes[INDEXED_FINISH])
    reasons = attributes[FINISH]
    if isinstance(reasons, list | tuple) and len(reasons) == 1:
        return named_finish(reasons[0])
    return None


def named_finish(reason: object) -> str | None:
    """`finish_reason`, which few values come to often."""
    return _known_finish(reason) if isinstance(reason, str) else None


_known_finish = lru_cache(256)(finish_reason)


def _readable(attributes: Attributes, shape: Shape) -> bool:
    """Whether reading would find nothing broken, and one reply."""
    if shape.kind is Kind.INDEXED:
        return all(_is_json(attributes[key]) for key in shape.functions)
    return (
        _are_messages(attributes.get("gen_ai.input.messages"))
        and _are_messages(attributes.get("gen_ai.output.messages"), single=True)
        and _are_tools(attributes.get("gen_ai.tool.definitions"))
        and _are_instructions(attributes.get("gen_ai.system_instructions"))
    )


def _are_messages(value: object, *, single: bool = False) -> bool:
    if value is None:
        return True
    found = _loaded(value)
    if not isinstance(found, list) or (single and len(found) != 1):
        return False
    return all(isinstance(one, dict) and isinstance(one.get("parts"), list) for one in found)


def _are_tools(value: object) -> bool:
    if value is None:
        return True
    found = _loaded(value)
    if not isinstance(found, list):
        return False
    return all(isinstance(one, dict) and not _holds_json(one.get("function") or one) for one in found)


def _holds_json(function: Any) -> bool:
    """Whether a definition's parameters are JSON in JSON, which reading has to try."""
    if not isinstance(function, dict):
        return True
    return any(isinstance(function.get(key), str) for key in ("parameters", "input_schema"))


def _are_instructions(value: object) -> bool:
    return value is None or value == "" or isinstance(_loaded(value), list)


def _loaded(value: object) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _is_json(value: object) -> bool:
    return isinstance(value, str) and _parses(value)


@lru_cache(1024)
def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _lay_tokens(made: Sketch, told: list[tuple[int, Sequence[int], Sequence[int], Sequence[float]]]) -> None:
    """Lay the calls' tokens end to end; a call whose ids or logprobs are no numbers becomes untold."""
    while True:
        prompts = ragged_ids([one[1] for one in told])
        responses = ragged_ids([one[2] for one in told])
        logprobs = ragged_floats([one[3] for one in told])
        if prompts is not None and responses is not None and logprobs is not None:
            break
        kept = [one for one in told if ragged_ids(one[1:3]) is not None and ragged_floats([one[3]]) is not None]
        made.untold = sorted({*made.untold, *(one[0] for one in told)} - {one[0] for one in kept})
        told = kept
    calls = [one[0] for one in told]
    made.hold(calls, prompts, responses, logprobs, {place: slot for slot, place in enumerate(calls)})
