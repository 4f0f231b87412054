"""Corrections: a reply as a person said it should have been takes the place of what was sampled, as an SFT target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from leyden_store.turns import Message, Rollout, Turn

NOTE = "corrected by a person"
"""What a corrected turn's notes say."""


def corrected(rollouts: Iterable[Rollout], corrections: Mapping[tuple[str, str], Message]) -> Iterator[Rollout]:
    """The rollouts with corrected replies in place, by (trace id, span id).

    A correction was not sampled: the turn's response ids and logprobs go. A turn that failed has a reply then. Later
    turns followed the reply that was given; they stand as they were, in a conversation of their own.
    """
    for rollout in rollouts:
        if any((turn.trace_id, turn.span_id) in corrections for turn in rollout.turns):
            turns = tuple(_corrected(turn, corrections.get((turn.trace_id, turn.span_id))) for turn in rollout.turns)
            yield replace(rollout, turns=turns)
        else:
            yield rollout


def _corrected(turn: Turn, correction: Message | None) -> Turn:
    if correction is None:
        return turn
    return replace(
        turn,
        response=correction,
        response_token_ids=None,
        response_logprobs=None,
        choices=(),
        status="ok",
        error=None,
        finish_reason="tool_calls" if correction.get("tool_calls") else "stop",
        notes=(*turn.notes, NOTE),
    )
