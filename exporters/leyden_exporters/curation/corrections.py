"""Corrections: a reply as a person said it should have been takes the place of what was sampled, as an SFT target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from leyden_exporters.sources import Parcelled, Unread
from leyden_store.counted import Counted
from leyden_store.turns import Message, Rollout, Turn

NOTE = "corrected by a person"
"""What a corrected turn's notes say."""


Corrections = Mapping[tuple[str, str], Message]
"""The reply as it should have been, by (trace id, span id)."""


def corrected(rollouts: Iterable[Rollout], corrections: Corrections) -> Iterable[Rollout]:
    """The rollouts with corrected replies in place; in parcels, where they come so.

    A correction was not sampled: the turn's response ids and logprobs go. A turn that failed has a reply then. Later
    turns followed the reply that was given; they stand as they were, in a conversation of their own.
    """
    return _Parcels(rollouts, corrections) if isinstance(rollouts, Parcelled) else _each(rollouts, corrections)


def _each(rollouts: Iterable[Rollout], corrections: Corrections) -> Iterator[Rollout]:
    for rollout in rollouts:
        if any((turn.trace_id, turn.span_id) in corrections for turn in rollout.turns):
            turns = tuple(_corrected(turn, corrections.get((turn.trace_id, turn.span_id))) for turn in rollout.turns)
            yield replace(rollout, turns=turns)
        else:
            yield rollout


class _Parcels:
    """A source of parcels, corrected as they are read."""

    def __init__(self, source: Parcelled, corrections: Corrections) -> None:
        self._source, self._corrections = source, corrections

    def __iter__(self) -> Iterator[Rollout]:
        return _each(self._source, self._corrections)

    def parcels(self) -> Counted[Unread]:
        parcels = self._source.parcels()
        return Counted(len(parcels), (_Parcel(parcel, self._corrections) for parcel in parcels))


@dataclass(frozen=True, slots=True)
class _Parcel:
    parcel: Unread
    corrections: Corrections

    @property
    def count(self) -> int:
        return self.parcel.count

    def rollouts(self) -> Iterable[Rollout]:
        return _each(self.parcel.rollouts(), self.corrections)


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
