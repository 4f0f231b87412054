"""One rollout explained: its chains token by token, where they broke, and why each turn was kept or dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from leyden_exporters.forest import OriginKind
from leyden_exporters.options import Options
from leyden_exporters.report import SpanRow
from leyden_exporters.rewards import Source, rollout_reward
from leyden_exporters.trajectories import Trajectory, merge
from leyden_exporters.transitions import from_rollout
from leyden_exporters.turn_rewards import turn_values
from leyden_store.turns import Rollout

Decode = Callable[[Sequence[int]], str]
"""Token ids → text."""

_WINDOW = 6
"""Tokens shown on either side of a break."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of tokens that are alike: context, or one turn's response.

    start: index of the first token in its row
    text:  the tokens decoded, or their ids where no decoder was given
    """

    start: int
    ids: tuple[int, ...]
    text: str
    trained: bool
    span_id: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One trajectory. `began` says in words how: first, forked from which row at which token, broken where."""

    branch: int
    began: str
    pieces: tuple[Piece, ...]
    truncated: bool
    has_logprobs: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """What training sees of one rollout.

    spans: what became of each LLM span, kept or dropped, in the order of the turns
    """

    rollout_id: str
    group_id: str
    reward: float | None
    reward_source: Source
    rows: tuple[Row, ...]
    spans: tuple[SpanRow, ...]

    def to_json(self) -> dict[str, Any]:
        """The same in plain JSON types."""
        return asdict(self)

    def to_text(self) -> str:
        """The explanation as plain text: trained tokens stand in ⟦double brackets⟧."""
        found = "none" if self.reward is None else f"{self.reward:g}"
        lines = [f"rollout {self.rollout_id}  group {self.group_id or '–'}  reward {found} ({self.reward_source})"]
        for row in self.rows:
            marks = [mark for mark, on in (("truncated", row.truncated), ("no logprobs", not row.has_logprobs)) if on]
            lines.append(f"\nrow {row.branch}: {row.began}" + "".join(f", {mark}" for mark in marks))
            lines += [
                f"  {piece.start:>6}  " + (f"⟦{piece.text}⟧  {piece.span_id}" if piece.trained else piece.text)
                for piece in row.pieces
            ]
        lines.append("\nspans")
        for span in self.spans:
            fate = f"row {span.branch}" if span.reason is None else f"dropped: {span.reason}"
            lines.append(f"  {span.span_id}  {fate}" + (f" ({span.detail})" if span.detail else ""))
        return "\n".join(lines)


def explain(rollout: Rollout, options: Options | None = None, decode: Decode | None = None) -> Explanation:
    """Explain one rollout under these options; with `decode`, in text rather than token ids."""
    options = options or Options()
    decode = decode or _as_numbers
    reward, source = rollout_reward(rollout, options)
    transitions, dropped = from_rollout(rollout, options)
    merged = merge(transitions, options)
    order = {turn.span_id: turn.turn_index for turn in rollout.turns}
    told = merged.rows if options.per_turn is None else turn_values(rollout, options).tell(merged.rows)
    spans = sorted([*dropped, *told], key=lambda span: (order.get(span.span_id, len(order)), span.span_id))
    rows = tuple(
        Row(
            branch=one.branch,
            began=_began(one, merged.trajectories, decode),
            pieces=_pieces(one, decode),
            truncated=one.truncated,
            has_logprobs=one.old_logps is not None,
        )
        for one in merged.trajectories
    )
    return Explanation(rollout.rollout_id, rollout.group_id, reward, source, rows, tuple(spans))


def _pieces(trajectory: Trajectory, decode: Decode) -> tuple[Piece, ...]:
    edges = np.flatnonzero(np.diff(trajectory.turn_ids)) + 1
    bounds = [0, *edges.tolist(), len(trajectory.turn_ids)]
    pieces = []
    for start, end in pairwise(bounds):
        turn = int(trajectory.turn_ids[start])
        ids = tuple(trajectory.input_ids[start:end].tolist())
        span = trajectory.span_ids[turn] if turn >= 0 else ""
        pieces.append(Piece(start, ids, decode(ids), turn >= 0, span))
    return tuple(pieces)


def _began(trajectory: Trajectory, rows: Sequence[Trajectory], decode: Decode) -> str:
    origin = trajectory.origin
    if origin.kind is OriginKind.FIRST:
        return "first of its rollout"
    if origin.chain is None:
        return str(origin)
    words = {
        OriginKind.SEPARATE: "another conversation than",
        OriginKind.RESAMPLED: "another response to a prompt of",
        OriginKind.FORKED: "forked from",
        OriginKind.BROKEN: "broken from",
    }
    said = f"{words[origin.kind]} row {origin.chain}"
    if origin.kind is OriginKind.RESAMPLED:
        return said
    prompt = trajectory.transitions[0].prompt_ids
    before = decode(prompt[max(origin.at - _WINDOW, 0) : origin.at].tolist())
    here = decode(prompt[origin.at : origin.at + _WINDOW].tolist()) or "(end of the prompt)"
    there = decode(rows[origin.chain].input_ids[origin.at : origin.at + _WINDOW].tolist()) or "(cut)"
    after = f"after “{before}” comes" if origin.at else "it begins with"
    return f"{said} at token {origin.at}: {after} “{here}” here, “{there}” there"


def _as_numbers(ids: Sequence[int]) -> str:
    return " ".join(map(str, ids))
