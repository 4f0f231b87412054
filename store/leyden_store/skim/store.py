"""Skimming a store: its rollouts in batches, each one query, read only where the columns do not tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa

from leyden_store import sql
from leyden_store._ahead import asked_ahead
from leyden_store.selection import Selection
from leyden_store.skim import ReadSpans, Skimmed, skim_table
from leyden_store.span_reader import SpanReader, no_match, own_settings, settings_of, where
from leyden_store.span_sets import SpanKey
from leyden_store.spans import Span
from leyden_store.turns import PostedReward, Rollout

_ROLLOUTS = 1024
"""The most rollouts in a batch."""
_TOKENS = 4 << 20
"""A batch ends with the rollout that brings its tokens here: some 16 MB of ids, and the largest rollout on top.

Fewer would be dearer: planning the query costs as much as a thousand rows.
"""


_AHEAD = 2
"""Batches asked for beyond the one that is worked on."""


def skim_store(store: SpanReader, selection: Selection | None = None) -> Iterator[list[Skimmed | Rollout]]:
    """The selected rollouts in batches, in the order and with the content of `SpanReader.rollouts`.

    Raises SelectionEmpty before the first when nothing matches.
    """
    selection = selection or Selection()
    chosen = store.chosen_spans(selection)
    text = sql.query("skim_rollouts").replace("{selection}", selection.trace_ids)
    rollouts = store.connection.table(text, selection.parameters, settings_of(selection))
    if not len(rollouts):
        raise no_match(selection)

    def ask(batch: list[dict[str, Any]]) -> tuple[pa.Table, ReadSpans, list[PostedReward]]:
        return *_table(store, batch, selection), store.posted_rewards(batch)

    for asked in asked_ahead(ask, _batches(rollouts), _AHEAD):
        yield _skimmed(*asked, chosen)


def _skimmed(
    table: pa.Table, read: ReadSpans, rewards: list[PostedReward], chosen: set[SpanKey] | None
) -> list[Skimmed | Rollout]:
    found = skim_table(table, read, rewards)
    return found if chosen is None else [_only(one, chosen) for one in found]


def skim_tables(store: SpanReader) -> Iterator[tuple[pa.Table, ReadSpans]]:
    """What `skim_store` asks of everything stored, batch by batch, to be kept in memory."""
    text = sql.query("skim_rollouts").replace("{selection}", Selection().trace_ids)
    for batch in _batches(store.connection.table(text)):
        yield _table(store, batch, Selection())


def _batches(rollouts: pa.Table) -> Iterator[list[dict[str, Any]]]:
    tokens = rollouts["tokens"].to_pylist()
    start, held = 0, 0
    for place, size in enumerate(tokens):
        held += size
        if held >= _TOKENS or place - start + 1 == _ROLLOUTS:
            yield rollouts.slice(start, place - start + 1).to_pylist()
            start, held = place + 1, 0
    if start < len(tokens):
        yield rollouts.slice(start).to_pylist()


def _table(store: SpanReader, batch: list[dict[str, Any]], selection: Selection) -> tuple[pa.Table, ReadSpans]:
    """A batch's columns, and how to get spans of it."""

    def read(traces: set[str]) -> Iterator[Span]:
        held = [{**row, "trace_ids": [t for t in row["trace_ids"] if t in traces]} for row in batch]
        return store.turn_spans_of([row for row in held if row["trace_ids"]], selection)

    return store.connection.table(sql.query("skim"), where(batch), own_settings(selection)), read


def _only(one: Skimmed | Rollout, chosen: set[SpanKey]) -> Skimmed | Rollout:
    if isinstance(one, Rollout):
        return one.only(chosen)
    keys = one.sketch.trace_ids, one.sketch.span_ids
    calls = [call for call in one.calls if (keys[0][call], keys[1][call]) in chosen]
    return replace(one, rollout=replace(one.rollout, calls=calls))
