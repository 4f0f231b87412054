"""Parcels: what the store said of a batch of rollouts, before it is read. Reading one needs no store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

import pyarrow as pa

from leyden_store import rows
from leyden_store.dialects.genai_events import join_logs
from leyden_store.prices import PriceTable
from leyden_store.reading import read_rollouts
from leyden_store.spans import Span
from leyden_store.turns import PostedReward, Rollout


@dataclass(frozen=True, slots=True)
class Parcel:
    """A batch of rollouts as the store gave it; another process can read it, since it pickles.

    count:  how many rollouts were asked for
    spans, logs: results of `queries/turn_spans.sql` and `queries/logs.sql`
    chosen: (trace id, span id) of the turns that are wanted, None for all
    """

    count: int
    spans: pa.Table
    logs: pa.Table
    posted: Sequence[PostedReward]
    prices: PriceTable
    chosen: Set[tuple[str, str]] | None = None

    def rollouts(self) -> list[Rollout]:
        """Read it."""
        read = read_rollouts(joined(rows.turn_spans(self.spans), self.logs), self.posted)
        return [self.prices.priced(one if self.chosen is None else one.only(self.chosen)) for one in read]


def joined(spans: Iterator[Span], logs: pa.Table) -> Iterator[Span]:
    """The spans, each with the events that came as log records."""
    return iter(join_logs(spans, list(rows.log_records(logs)))) if len(logs) else spans
