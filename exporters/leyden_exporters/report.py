"""The report: what became of every LLM span, so that nothing disappears silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from leyden_store.turns import Turn


class Reason(StrEnum):
    """Why an LLM span is not in the output. The list is closed; a span has exactly one."""

    UNREAD = "unread"
    """The store gave no turn for it; the detail is the store's reason."""
    DUPLICATE = "duplicate"
    """The same span came twice."""
    AGENT = "agent"
    """Not one of the agents asked for."""
    TOOL = "tool"
    """Calls none of the tools asked for."""
    SUPERSEDED = "superseded"
    """Of an earlier attempt of the same rollout, and only the last was asked for."""
    FAILED = "failed"
    """The call ended in an error."""
    DROPPED_ATTRIBUTES = "dropped_attributes"
    """The SDK's limit evicted attributes of the span, so its content may have holes."""
    EMPTY = "empty"
    """Nothing was sampled."""
    NO_TOKEN_IDS = "no_token_ids"  # noqa: S105 (tokens of text)
    """The server's token ids were not captured."""
    EMPTY_PROMPT = "empty_prompt"
    """The prompt holds no token, so the first response token has no context to be trained in."""
    BAD_IDS = "bad_ids"
    """A token id is no integer between 0 and 2**31 − 1."""
    BAD_LENGTHS = "bad_lengths"
    """There are more or fewer logprobs than response ids."""
    BAD_LOGPROBS = "bad_logprobs"
    """A logprob is no finite number."""
    NO_LOGPROBS = "no_logprobs"
    """Logprobs were required and not captured."""
    TRUNCATED = "truncated"
    """The response ran into the token limit, and such turns were not wanted."""
    STALE = "stale"
    """Sampled by other weights than those asked for, or by older ones."""
    NO_REWARD = "no_reward"
    """A reward was required and the rollout has none."""
    NO_MESSAGES = "no_messages"
    """The messages were not captured, and the format is made of messages."""
    LOW_REWARD = "low_reward"
    """The rollout's reward is below the one asked for."""
    OVERLONG = "overlong"
    """Beyond `max_tokens`."""
    UNFIT = "unfit"
    """The format cannot say this conversation; the detail says what."""
    NO_PAIR = "no_pair"
    """The format pairs rollouts of one task, and this one found no partner."""


@dataclass(frozen=True, slots=True)
class SpanRow:
    """What became of one LLM span: `reason` is None when it was kept, in the trajectory or row numbered `branch`."""

    rollout_id: str
    trace_id: str
    span_id: str
    reason: Reason | None = None
    detail: str = ""
    branch: int | None = None


@dataclass(slots=True)
class Report:
    """What was kept, what was dropped and why, over all rollouts of one export.

    spans:   one row per LLM span, in the order read
    written: rows in the output (trajectories, conversations, pairs, …)
    origins: how each chain of turns began (`forest.OriginKind`): forks and breaks are counted here
    rewards: where each rollout's reward was found (`rewards.Source`)
    notes:   further counts: zero_variance, ungrouped, without_logprobs, mixed_policies, cut, further_choices, …
    """

    rollouts: int = 0
    written: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    spans: list[SpanRow] = field(default_factory=list)
    origins: Counter[str] = field(default_factory=Counter)
    rewards: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Iterable[SpanRow]) -> None:
        """Record what became of some spans."""
        self.spans.extend(rows)

    def choices(self, turns: Iterable[Turn], used: int = 0) -> None:
        """Count the choices after the first (n > 1) that are not in the output."""
        further = sum(len(turn.choices) for turn in turns) - used
        if further:
            self.notes["further_choices"] += further

    @property
    def llm_spans(self) -> int:
        """Every LLM span read; always `kept` plus the sum of `dropped`."""
        return len(self.spans)

    @property
    def kept(self) -> int:
        """LLM spans in the output."""
        return sum(row.reason is None for row in self.spans)

    @property
    def dropped(self) -> dict[str, int]:
        """LLM spans not in the output, by reason, the most frequent first."""
        counts = Counter(str(row.reason) for row in self.spans if row.reason is not None)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def to_json(self) -> dict[str, Any]:
        """The counts, in plain JSON types; `unread` breaks that reason down into the store's own."""
        unread = Counter(row.detail.partition(":")[0] for row in self.spans if row.reason is Reason.UNREAD)
        return {
            "rollouts": self.rollouts,
            "llm_spans": self.llm_spans,
            "kept": self.kept,
            "dropped": self.dropped,
            "unread": _plain(unread),
            "written": self.written,
            "tokens": self.tokens,
            "trained_tokens": self.trained_tokens,
            "origins": _plain(self.origins),
            "rewards": _plain(self.rewards),
            "notes": _plain(self.notes),
        }

    def to_text(self) -> str:
        """The same as a table for the terminal, without colour."""
        lines = [("rollouts", self.rollouts), ("LLM spans", self.llm_spans), ("  kept", self.kept)]
        lines += [(f"  dropped: {reason}", count) for reason, count in self.dropped.items()]
        lines.append(("rows written", self.written))
        if self.tokens:
            lines += [("tokens", self.tokens), ("  trained", self.trained_tokens)]
        for title, counts in (("chains", self.origins), ("reward from", self.rewards), ("note", self.notes)):
            lines += [(f"{title}: {name}", count) for name, count in sorted(counts.items())]
        label_width = max(len(label) for label, _ in lines)
        number_width = max(len(f"{count:,}") for _, count in lines)
        return "\n".join(f"{label:<{label_width}}  {count:>{number_width},}" for label, count in lines)


def _plain(counts: Counter[str]) -> dict[str, int]:
    return {str(name): count for name, count in sorted(counts.items())}
