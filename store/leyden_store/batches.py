"""Batches: which rollouts are read at once, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Row = dict[str, Any]
"""A rollout as `queries/rollouts.sql` gives it: rollout_id, trace_ids, start_ns, end_ns."""

Batch = list[Row]
Cut = Callable[[Sequence[Row]], list[Batch]]

_BATCH = 384
"""Rollouts read at once: bounds memory by this many rollouts' spans, and makes one query serve them all."""

_MANY, _FEW = 8 * _BATCH, _BATCH // 4
"""Of so many rollouts the last batches become smaller, down to these few: two who share them end at about one time."""

_LARGEST_BATCH = 1024
"""Traces that name no rollout may be calls of one conversation: those that follow each other are read at once."""

_HOUR_NS = 3600 * 10**9


def in_batches(rollouts: Sequence[Row]) -> list[Batch]:
    """The rollouts in their own order, cut into batches."""
    batches: list[Batch] = []
    size = 0
    for place, row in enumerate(rollouts):
        batch = batches[-1] if batches else []
        together = batch and len(batch) < _LARGEST_BATCH and _unnamed(batch[-1]) and _unnamed(row)
        if batch and (len(batch) < size or together):
            batch.append(row)
        else:
            batches.append([row])
            left = (len(rollouts) - place) // 4
            size = _BATCH if len(rollouts) < _MANY else min(_BATCH, max(_FEW, left))
    return batches


def as_stored(rollouts: Sequence[Row]) -> list[Batch]:
    """The rollouts in the order in which they lie, cut into batches.

    Those with a name stand by the hour they began in, then by trace, as in the store's key: so a batch reads granules
    of its own, where one by time would share those of its hour with all other batches of that hour. Traces that name no
    rollout follow by time, since stitching looks for neighbours. `queries/skim_rollouts.sql` orders alike.
    """
    return in_batches(sorted(rollouts, key=_place))


def _place(row: Row) -> tuple[bool, int, str, str]:
    if _unnamed(row):
        return True, row["start_ns"], "", row["rollout_id"]
    return False, row["start_ns"] // _HOUR_NS, min(row["trace_ids"]), row["rollout_id"]


def _unnamed(row: Row) -> bool:
    """Whether the row is a trace that names no rollout."""
    return list(row["trace_ids"]) == [row["rollout_id"]]
