"""Skimming: what training needs of spans (tokens, places, rewards), without reading what was said.

Where the columns of a rollout's spans tell everything, it is skimmed; every other is read, as `reading` does. Both give
the same: a skimmed rollout is what reading would give, less its words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter

import pyarrow as pa

from leyden_store.reading import no_search_for_cycles, read_rollouts
from leyden_store.skim._gather import Gathering, gather
from leyden_store.skim._placing_rewards import place_rewards
from leyden_store.skim._sketch import Sketch, sketch_spans
from leyden_store.skim._skimmed import Skimmed
from leyden_store.skim._table import sketch_table
from leyden_store.skim._tokens import Ragged
from leyden_store.spans import Span
from leyden_store.turns import PostedReward, Rollout

__all__ = ["Ragged", "ReadSpans", "Sketch", "Skimmed", "skim_spans", "skim_table"]

ReadSpans = Callable[[set[str]], Iterable[Span]]
"""Trace ids → all their spans."""


def skim_spans(spans: Iterable[Span], posted: Iterable[PostedReward] = ()) -> list[Skimmed | Rollout]:
    """Every rollout among the spans, as `read_rollouts` finds them and in its order, each skimmed or read."""
    held = sorted(spans, key=attrgetter("start_ns", "trace_id", "span_id"))
    return _skim(sketch_spans(held), lambda traces: (span for span in held if span.trace_id in traces), list(posted))


def skim_table(table: pa.Table, read: ReadSpans, posted: Sequence[PostedReward] = ()) -> list[Skimmed | Rollout]:
    """As `skim_spans`, from the result of `queries/skim.sql`; `read` gives the spans of traces that must be read."""
    with no_search_for_cycles():
        return _skim(sketch_table(table), read, posted)


def _skim(sketch: Sketch, read: ReadSpans, posted: Sequence[PostedReward]) -> list[Skimmed | Rollout]:
    gathering = gather(sketch)
    if gathering is None:
        return list(read_rollouts(read(set(sketch.trace_ids)), posted))
    left = place_rewards(sketch, gathering, posted)
    order = {home: place for place, home in enumerate(gathering.rollouts)}
    made: list[tuple[int, Skimmed | Rollout]] = [
        (order[home], Skimmed(sketch, gathering, own))
        for home, own in gathering.rollouts.items()
        if home not in gathering.asked and (own.named or own.calls or own.rewards)
    ]
    found = list(_read(gathering, read, left))
    named = {rollout.rollout_id for rollout in found}
    calling = {gathering.homes[span] for span in (*sketch.calls, *sketch.untold)}
    for rollout in found:
        # A trace with a call that names no rollout may have joined another's; that one then begins where it does.
        joined = (trace for trace in rollout.trace_ids if trace in calling and trace not in named)
        made.append((min(order[name] for name in (rollout.rollout_id, *joined)), rollout))
    return [one for _, one in sorted(made, key=lambda pair: pair[0])]


def _read(gathering: Gathering, read: ReadSpans, posted: Sequence[PostedReward]) -> Iterator[Rollout]:
    if gathering.asked:
        traces = {trace for home in gathering.asked for trace in gathering.rollouts[home].trace_ids}
        yield from read_rollouts(read(traces), posted)
