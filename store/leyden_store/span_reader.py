"""Reading spans, rollouts and turns out of the store, a batch of rollouts at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from leyden_store import rows, sql
from leyden_store._ahead import asked_ahead
from leyden_store.batches import Batch, Cut, as_stored, in_batches
from leyden_store.connection import READ_ONLY, Connection, Settings, reading
from leyden_store.counted import Counted
from leyden_store.errors import SelectionEmpty, TraceNotFound
from leyden_store.guard import quoted
from leyden_store.parcels import Parcel, joined
from leyden_store.prices import Prices
from leyden_store.selection import Selection
from leyden_store.span_sets import SpanKey
from leyden_store.spans import Span
from leyden_store.tables import PROJECT_TABLES
from leyden_store.tree import SpanTree, build
from leyden_store.turns import PostedReward, Rollout, Turn

_AHEAD = 2
"""Batches asked for beyond the one that is worked on: two are worked on at once where there is a process beside, and
while Python works an answer of the engine waits for its turn."""

_WHOLE_ID = 32
"""Digits of a trace id."""


class SpanReader:
    """What a store holds, as spans, trees, rollouts and turns."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.prices = Prices(connection)

    def spans(self, selection: Selection | None = None) -> Iterator[Span]:
        """Every span of the selected traces, once each, rollout by rollout, oldest rollout first."""
        selection = selection or Selection()
        for batch in self._batches(selection):
            yield from self.spans_of(batch, selection)

    def span_tables(self, selection: Selection | None = None) -> Iterator[pa.Table]:
        """The selected traces' rows of `otel_traces`, every column, each span once; a table a batch of rollouts."""
        selection = selection or Selection()
        for batch in self._batches(selection):
            yield self._asked("otel_traces", batch, selection)

    def trace(self, trace_id: str) -> SpanTree:
        """One trace's span tree, by its id or an unambiguous beginning of it. Raises TraceNotFound."""
        digits = trace_id.lower()
        found = self._when("trace", digits) if len(digits) == _WHOLE_ID else []
        found = found or self._when("traces_beginning", digits)
        trace_ids = sorted(row["rollout_id"] for row in found)
        if not trace_ids:
            raise TraceNotFound(f"no span of trace {trace_id!r} is stored; list traces with: leyden traces")
        if len(trace_ids) > 1:
            raise TraceNotFound(
                f"{len(trace_ids)} traces begin with {trace_id!r}: {', '.join(trace_ids[:5])}; give more digits"
            )
        return build(list(self.spans_of(found, Selection())))

    def rollouts(self, selection: Selection | None = None) -> Iterator[Rollout]:
        """The selected rollouts, oldest first, with their turns, rewards, and every dropped LLM span.

        Raises SelectionEmpty before the first when nothing matches.
        """
        for parcel in self._parcels(selection or Selection(), in_batches):
            yield from parcel.rollouts()

    def rollout_batches(self, selection: Selection | None = None, *, skip: int = 0) -> Iterator[list[Rollout]]:
        """The rollouts a batch at a time, as they lie in the store (`leyden_store.batches`), but for the first `skip`.

        `plan` tells whether they are the same ones. Raises SelectionEmpty before the first when nothing matches.
        """
        for parcel in self._parcels(selection or Selection(), as_stored, skip):
            yield parcel.rollouts()

    def parcels(self, selection: Selection | None = None) -> Counted[Parcel]:
        """What `rollout_batches` reads, unread: for whoever has a process to read some of it in."""
        return self._parcels(selection or Selection(), as_stored)

    def plan(self, selection: Selection) -> str:
        """A hash of what `rollout_batches` reads for a selection now: which traces, in which order, ending when."""
        digest = hashlib.sha256(selection.sql.encode())
        for batch in self._batches(selection, as_stored):
            digest.update(json.dumps(batch, sort_keys=True, default=str).encode())
        return digest.hexdigest()

    def turns(self, selection: Selection | None = None) -> Iterator[Turn]:
        """The selected turns, rollout by rollout. Raises SelectionEmpty when no trace matches."""
        for rollout in self.rollouts(selection):
            yield from rollout.turns

    def _when(self, query: str, digits: str) -> Batch:
        """Of which traces these are the digits, and when they were: by `queries/{query}.sql`."""
        return self.connection.rows(sql.query(query), {"trace": digits})

    def _parcels(self, selection: Selection, cut: Cut, skip: int = 0) -> Counted[Parcel]:
        chosen, prices = self.chosen_spans(selection), self.prices.table()
        batches = self._batches(selection, cut)
        if not batches:
            raise no_match(selection)

        def ask(batch: Batch) -> Parcel:
            spans, logs = self._asked("turn_spans", batch, selection), self._logs(batch)
            wanted = None if chosen is None else chosen & set(_keys(spans))
            return Parcel(len(batch), spans, logs, self.posted_rewards(batch), prices, wanted)

        left = batches[skip:]
        return Counted(len(left), asked_ahead(ask, left, _AHEAD))

    def _batches(self, selection: Selection, cut: Cut = in_batches) -> list[Batch]:
        text = sql.query("rollouts").replace("{selection}", selection.trace_ids)
        return cut(self.connection.rows(text, selection.parameters, settings_of(selection)))

    def spans_of(self, batch: Batch, selection: Selection) -> Iterator[Span]:
        """Every span of a batch of rollouts, rows of `queries/rollouts.sql`."""
        return joined(rows.spans(self._asked("spans", batch, selection)), self._logs(batch))

    def turn_spans_of(self, batch: Batch, selection: Selection) -> Iterator[Span]:
        """As `spans_of`, as far as turns depend on the spans."""
        return joined(rows.turn_spans(self._asked("turn_spans", batch, selection)), self._logs(batch))

    def _asked(self, query: str, batch: Batch, selection: Selection) -> pa.Table:
        return self.connection.table(sql.query(query), where(batch), own_settings(selection))

    def _logs(self, batch: Batch) -> pa.Table:
        if not self._any("any_log"):
            return pa.table({})
        return self.connection.table(sql.query("logs"), {"trace_ids": _trace_ids(batch)})

    def posted_rewards(self, batch: Batch) -> list[PostedReward]:
        """The rewards that were given to a batch of rollouts from outside."""
        if not self._any("any_given_reward"):
            return []
        given_to = {"rollout_ids": [row["rollout_id"] for row in batch], "trace_ids": _trace_ids(batch)}
        found = self.connection.rows(sql.query("rewards"), given_to)
        return [PostedReward(**row) for row in found]

    def _any(self, query: str) -> bool:
        return bool(len(self.connection.table(sql.query(query))))

    def chosen_spans(self, selection: Selection) -> set[SpanKey] | None:
        """The spans that a selection narrows its traces to; None where it takes them whole."""
        if not selection.by_span:
            return None
        table = self.connection.table(selection.span_ids, selection.parameters, settings_of(selection))
        return set(_keys(table))


def _keys(spans: pa.Table) -> Iterator[SpanKey]:
    return zip(spans["TraceId"].to_pylist(), spans["SpanId"].to_pylist(), strict=True)


def settings_of(selection: Selection) -> Settings:
    """How the engine is to run a selection's SQL: reading only, and nothing of another project."""
    if not selection.project:
        return READ_ONLY
    return reading(dict.fromkeys(PROJECT_TABLES, f"Project = {quoted(selection.project)}"))


def own_settings(selection: Selection) -> Settings | None:
    """Settings for our own SQL: a trace that two projects share is read in part."""
    return settings_of(selection) if selection.project else None


def where(batch: Batch) -> dict[str, Any]:
    """The parameters by which the span queries find a batch of rollouts."""
    return {
        "trace_ids": _trace_ids(batch),
        "start_ns": min(row["start_ns"] for row in batch),
        "end_ns": max(row["end_ns"] for row in batch),
    }


def no_match(selection: Selection) -> SelectionEmpty:
    """What is raised where a selection chooses nothing."""
    chosen = selection.query or selection.sql
    return SelectionEmpty(f"no trace matches {chosen!r}; see what is stored with: leyden traces")


def _trace_ids(batch: Batch) -> str:
    """As the queries take them: one text is parsed much faster than an array of them."""
    return ",".join(trace_id for row in batch for trace_id in row["trace_ids"])
