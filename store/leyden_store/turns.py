"""Turns: one LLM call each, alike whatever instrumentation recorded it.

Every LLM span becomes a `Turn` or a `Dropped` with a reason from a closed list; `read_rollouts` (in `reading.py`)
decides which. Messages are OpenAI chat messages, so that every exporter and trainer reads one shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from leyden_store.records import record

Message = Mapping[str, Any]
"""`role`, `content` (str, list of parts or None), and where present `tool_calls` (each `id`, `type`,
`function{name, arguments}` with `arguments` the exact string), `tool_call_id`, `name`, `reasoning_content`,
`refusal`."""


class DropReason(StrEnum):
    """Why an LLM span gave no turn."""

    DOUBLED = "doubled"
    """Another span records the same call (same response id). The turn stands in the outermost's place (ids, parent,
    agent, session) and says what the innermost says."""
    UNREADABLE = "unreadable"
    """Its content cannot be parsed; the detail says which attribute."""
    UNKNOWN_DIALECT = "unknown_dialect"
    """It looks like an LLM call but no dialect knows its attributes."""


@record(frozen=True, slots=True)
class Usage:
    """Tokens of one call, None where the capture does not say.

    `output` includes `reasoning`, `input` includes `cached`.
    """

    input: int | None = None
    output: int | None = None
    reasoning: int | None = None
    cached: int | None = None


@dataclass(frozen=True, slots=True)
class Reward:
    """One score.

    span_id:        the span it was given to, "" on a rollout's reward
    parent_span_id: the span it hangs under: the one its event stands on, the parent of a span that is a score, or the
                    one a reward from outside names; "" where there is none
    source:         who gave it (span, api, …)
    """

    name: str
    value: float
    span_id: str = ""
    response_id: str = ""
    source: str = "span"
    label: str = ""
    explanation: str = ""
    time_ns: int = 0
    parent_span_id: str = ""


@dataclass(frozen=True, slots=True)
class PostedReward(Reward):
    """A reward given from outside. It belongs to the turn whose response or span it names, else to the rollout.

    rollout_id: the rollout, or ""
    trace_id:   a trace of it, or ""; with `span_id`, says which span is meant
    """

    rollout_id: str = ""
    trace_id: str = ""
    source: str = "api"


@record(frozen=True, slots=True)
class Call:
    """What a dialect reads from one LLM span: the conversation, apart from where in the tree it stands.

    choices: further choices when n > 1 (the first is `response`), as messages with `finish_reason`
    params:  request parameters under OpenAI's names (temperature, top_p, max_tokens, seed, stop, n, …)
    streamed: whether the reply was asked for as a stream
    continues: whether this span tells the end of a call that another beside it began
    unseen: whether the reply went where this capture cannot see it, so that its absence means nothing
    tool_ids: call ids this capture wrote for calls → the ids their results name, where it wrote two for one call
    notes:   what this capture cannot say, in words, e.g. "stream abandoned"
    """

    dialect: str
    messages: Sequence[Message] = ()
    response: Message | None = None
    choices: Sequence[Message] = ()
    tools: Sequence[Mapping[str, Any]] = ()
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    params: Mapping[str, Any] = field(default_factory=dict)
    provider: str | None = None
    model: str | None = None
    request_model: str | None = None
    response_id: str | None = None
    session_id: str | None = None
    agent: str | None = None
    prompt_token_ids: Sequence[int] | None = None
    response_token_ids: Sequence[int] | None = None
    response_logprobs: Sequence[float] | None = None
    notes: Sequence[str] = ()
    streamed: bool = False
    continues: bool = False
    unseen: bool = False
    tool_ids: Mapping[str, str] = field(default_factory=dict)


@record(frozen=True, slots=True)
class Turn:
    """One LLM call in its place.

    rollout_id:  the rollout's id, or the trace's where no rollout is named
    turn_index:  position among the rollout's turns by start time, from 0
    tools:       OpenAI tool definitions, `{"type": "function", "function": {name, description, parameters}}`
    status:      ok when a reply is recorded, error when the call failed or its stream was abandoned, else unset
    rewards:     name → value, of this turn alone; a rollout's rewards stand on the rollout
    depth:       how many agents stand one inside the other above the call: 0 where none is named, 1 in the outermost
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    rollout_id: str
    group_id: str
    attempt: int | None
    session_id: str
    turn_index: int
    agent: str | None
    dialect: str
    provider: str | None
    model: str | None
    messages: Sequence[Message]
    response: Message | None
    tools: Sequence[Mapping[str, Any]]
    finish_reason: str | None
    usage: Usage
    cost: float | None
    params: Mapping[str, Any]
    start_ns: int
    end_ns: int
    status: str
    rewards: Mapping[str, float]
    policy_version: str | None
    prompt_token_ids: Sequence[int] | None
    response_token_ids: Sequence[int] | None
    response_logprobs: Sequence[float] | None
    response_id: str | None = None
    choices: Sequence[Message] = ()
    error: str | None = None
    dropped_attributes: int = 0
    notes: Sequence[str] = ()
    depth: int = 0

    def to_json(self) -> dict[str, Any]:
        """What `leyden turns --json` prints: these fields, in this order; messages are the turn's own."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"usage": asdict(self.usage)}


@dataclass(frozen=True, slots=True)
class Dropped:
    """An LLM span that gave no turn, and why."""

    trace_id: str
    span_id: str
    rollout_id: str
    reason: DropReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One attempt at one task: its turns in order, its rewards, and what was dropped on the way.

    rewards: the rollout's own, as reported, oldest first (the newest of a name wins)
    llm_spans: how many LLM spans were read; always `len(turns) + len(dropped)`
    stitched:  how many of its traces were joined to it by conversation or by what was said; their turns are noted
    left_apart: how many of its traces could continue several conversations and so continue none; noted likewise
    """

    rollout_id: str
    group_id: str
    attempt: int | None
    trace_ids: tuple[str, ...]
    turns: tuple[Turn, ...]
    dropped: tuple[Dropped, ...]
    rewards: tuple[Reward, ...]
    stitched: int = 0
    left_apart: int = 0

    def only(self, spans: Set[tuple[str, str]]) -> Rollout:
        """The rollout with just those of its turns and drops whose (trace id, span id) is among `spans`."""
        return replace(
            self,
            turns=tuple(turn for turn in self.turns if (turn.trace_id, turn.span_id) in spans),
            dropped=tuple(drop for drop in self.dropped if (drop.trace_id, drop.span_id) in spans),
        )

    @property
    def llm_spans(self) -> int:
        """Every LLM span of the rollout is counted here, once."""
        return len(self.turns) + len(self.dropped)

    def reward(self, name: str | None = None) -> float | None:
        """The newest reward of that name, or of any name when none is asked for and only one name exists.

        The name `reward` is preferred among several. None where the rollout has no such reward: never 0 by accident.
        """
        newest = {r.name: r.value for r in sorted(self.rewards, key=lambda r: r.time_ns)}
        if name is not None:
            return newest.get(name)
        if "reward" in newest:
            return newest["reward"]
        return next(iter(newest.values())) if len(newest) == 1 else None
