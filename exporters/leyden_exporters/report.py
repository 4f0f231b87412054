"""The report: what became of every LLM span, so that nothing disappears silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from leyden_exporters.reasons import Reason
from leyden_exporters.span_rows import SpanRow, SpanRows
from leyden_store.turns import Rollout, Turn

__all__ = ["Reason", "Report", "SpanRow"]


@dataclass(slots=True)
class Report:
    """What was kept, what was dropped and why, over all rollouts of one export.

    spans:   one row per LLM span, in the order read
    written: rows in the output (trajectories, conversations, pairs, …)
    origins: how each chain of turns began (`forest.OriginKind`): forks and breaks are counted here
    rewards: where each rollout's reward was found (`rewards.Source`)
    notes:   further counts: zero_variance, ungrouped, without_logprobs, mixed_policies, cut, further_choices,
             stitched_traces, left_apart, …
    """

    rollouts: int = 0
    written: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    spans: SpanRows = field(default_factory=SpanRows)
    origins: Counter[str] = field(default_factory=Counter)
    rewards: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Iterable[SpanRow]) -> None:
        """Record what became of some spans."""
        self.spans.add(rows)

    def extend(self, more: Report) -> None:
        """Add what became of further rollouts."""
        self.rollouts += more.rollouts
        self.written += more.written
        self.tokens += more.tokens
        self.trained_tokens += more.trained_tokens
        self.spans.extend(more.spans)
        for own, further in ((self.origins, more.origins), (self.rewards, more.rewards), (self.notes, more.notes)):
            own.update(further)

    def begin(self, rollout: Rollout, reward_source: str | None = None) -> None:
        """Count a rollout, where its reward was found if that is asked, and what stitching did to its traces."""
        self.rollouts += 1
        if reward_source is not None:
            self.rewards[reward_source] += 1
        for name, count in (("stitched_traces", rollout.stitched), ("left_apart", rollout.left_apart)):
            if count:
                self.notes[name] += count

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
        return self.spans.kept

    @property
    def dropped(self) -> dict[str, int]:
        """LLM spans not in the output, by reason, the most frequent first."""
        counts = {str(reason): count for reason, count in self.spans.reasons.items()}
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def to_json(self) -> dict[str, Any]:
        """The counts, in plain JSON types; `unread` breaks that reason down into the store's own."""
        return {
            "rollouts": self.rollouts,
            "llm_spans": self.llm_spans,
            "kept": self.kept,
            "dropped": self.dropped,
            "unread": _plain(self.spans.unread),
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
