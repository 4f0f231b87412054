"""The LightningStore: everything that is read from and written to the store, by typed methods."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import Any, Literal, Self

import pyarrow as pa

from leyden_store import dsn as dsns
from leyden_store import sql
from leyden_store._ahead import asked_ahead
from leyden_store.batches import Batch, Cut, as_stored, in_batches
from leyden_store.checkpoints import Checkpoints
from leyden_store.connection import READ_ONLY, Connection, Settings, reading
from leyden_store.datasets import Dataset, Datasets
from leyden_store.errors import SelectionEmpty, TraceNotFound
from leyden_store.evaluations import Evaluations
from leyden_store.filters import Filters
from leyden_store.guard import check, quoted
from leyden_store.labels import Labels
from leyden_store.lineage import Lineage, lineage
from leyden_store.listing import Page, TraceFilter, list_traces
from leyden_store.migrate import migrate
from leyden_store.parcels import Parcel, joined
from leyden_store.prices import Prices
from leyden_store.prompts import Prompts
from leyden_store.runs import Runs, SpanKey
from leyden_store.saved_queries import SavedQueries
from leyden_store.searching import search
from leyden_store.select_check import PROJECT_TABLES
from leyden_store.selection import Selection, bound
from leyden_store.sessions import list_sessions
from leyden_store.spans import Span
from leyden_store.tree import SpanTree, build
from leyden_store.triggers import Triggers
from leyden_store.turns import PostedReward, Rollout, Turn

_AHEAD = 2
"""Batches asked for beyond the one that is worked on: two are worked on at once where there is a process beside, and
while Python works an answer of the engine waits for its turn."""

_WHOLE_ID = 32
"""Digits of a trace id."""


class LightningStore:
    """Spans and what is made of them, in chDB or ClickHouse.

    Open it by DSN; it is a context manager. Methods raise the errors of `leyden_store.errors`.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.queries = SavedQueries(connection)
        self.runs = Runs(connection)
        self.checkpoints = Checkpoints(connection)
        self.prices = Prices(connection)
        self.datasets = Datasets(connection)
        self.labels = Labels(connection)
        self.triggers = Triggers(connection)
        self.prompts = Prompts(connection)
        self.evaluations = Evaluations(connection)

    @classmethod
    def open(cls, dsn: str | None = None) -> Self:
        """Open the store at `dsn` (None: `LEYDEN_STORE`, else `./.leyden/store`), migrated to this version's schema.

        An embedded store that a running collector holds is reached through the collector's gateway.
        Raises DsnInvalid, StoreLocked, StoreUnreachable or SchemaTooNew.
        """
        connection = Connection(dsns.parse(dsn))
        try:
            migrate(connection)
            if not connection.gateway:
                Prices(connection).publish_own()
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def close(self) -> None:
        """Let the store go; another process can open it then."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def sql(self, text: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run a read-only SELECT of the caller's; the result as an Arrow table. Raises QueryRefused, QueryFailed."""
        check(text)
        return self.connection.table(text, parameters, READ_ONLY)

    def select(
        self,
        *,
        query: str | None = None,
        where: str | None = None,
        sql: str | None = None,
        version: int | None = None,
        parameters: Mapping[str, str] | None = None,
        filters: Filters | None = None,
        project: str = "",
        purpose: str = "read",
    ) -> Selection:
        """The selection that a command's flags mean; with none, everything.

        query, where, sql: one of them at most; the filters narrow what it selects
        parameters: values for the `{name:Type}` of the query or SQL
        purpose:  what a saved query is used for, in a word, to be told by `leyden query show`

        Raises QueryNotFound, QueryRefused, QueryFailed.
        """
        if query is not None:
            made = self.queries.selection(query, version, parameters)
            self.queries.used(made, purpose)
        elif sql is not None:
            made = self.queries.of_sql(sql, parameters)
        else:
            made = Selection.where(where) if where else Selection()
            if parameters:
                made = replace(made, parameters=bound(made.sql, parameters))
        return made.narrowed(filters or Filters()).of_project(project)

    def traces(self, selection: Selection | None = None, *, limit: int = 100) -> list[dict[str, Any]]:
        """The newest traces: one dict each, as `leyden traces --json` prints it."""
        selection = selection or Selection()
        text = sql.query("traces").replace("{selection}", selection.trace_ids)
        return self.connection.rows(text, {**selection.parameters, "limit": limit}, _settings(selection))

    def list_traces(self, chosen: TraceFilter | None = None, *, limit: int = 100, cursor: str = "") -> Page:
        """The newest traces that a filter chooses, a page at a time; rows as of `traces`. Raises QueryRefused."""
        chosen = chosen or TraceFilter()
        settings = _settings(chosen.selection)
        return list_traces(self.connection, chosen, limit=limit, cursor=cursor, settings=settings)

    def list_sessions(self, *, limit: int = 100, cursor: str = "", **filters: Any) -> Page:
        """The sessions that began last, a page at a time; filters and rows as of `leyden_store.sessions`."""
        return list_sessions(self.connection, limit=limit, cursor=cursor, **filters)

    def search(self, text: str, *, limit: int = 20, cursor: str = "", **filters: Any) -> Page:
        """Spans whose messages hold every word of a text, a page at a time; see `leyden_store.searching`."""
        return search(self.connection, text, limit=limit, cursor=cursor, **filters)

    def preview(self, selection: Selection, *, limit: int = 10) -> dict[str, Any]:
        """How much is selected, `traces`, `rollouts` and `llm_spans`, and the newest traces of it as `first`."""
        text = sql.query("selected").replace("{selection}", selection.trace_ids)
        (row,) = self.connection.rows(text, selection.parameters, _settings(selection))
        return {name: int(value) for name, value in row.items()} | {"first": self.traces(selection, limit=limit)}

    def spans(self, selection: Selection | None = None) -> Iterator[Span]:
        """Every span of the selected traces, once each, rollout by rollout, oldest rollout first."""
        selection = selection or Selection()
        for batch in self._batches(selection):
            yield from self._spans(batch, selection)

    def span_tables(self, selection: Selection | None = None) -> Iterator[pa.Table]:
        """The selected traces' rows of `otel_traces`, every column, each span once; a table a batch of rollouts."""
        selection = selection or Selection()
        for batch in self._batches(selection):
            yield self.connection.table(sql.query("otel_traces"), _where(batch), _own(selection))

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
        return build(list(self._spans(found, Selection())))

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

    def parcels(self, selection: Selection | None = None) -> Iterator[Parcel]:
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

    def add_rewards(self, rewards: Iterable[PostedReward]) -> int:
        """Store rewards given from outside; how many. Of one (rollout, span, name, source) the newest wins."""
        posted = [
            {
                "RolloutId": r.rollout_id,
                "TraceId": r.trace_id,
                "SpanId": r.span_id,
                "ResponseId": r.response_id,
                "Name": r.name,
                "Source": r.source,
                "Value": r.value,
                "Label": r.label,
                "Explanation": r.explanation,
                "Timestamp": datetime.now(UTC),
            }
            for r in rewards
        ]
        self.connection.insert("rewards", posted)
        return len(posted)

    def record_dataset(
        self,
        *,
        form: str,
        path: str,
        selection: Selection,
        rows: int,
        sha256: str,
        report: str,
        spans: Iterable[SpanKey],
        manifest: Mapping[str, Any] | None = None,
    ) -> str:
        """Register an export: where it lies, its hash, its report, the spans in it, a snapshot's manifest. Its id."""
        made = Dataset(
            dataset_id="",
            form=form,
            path=path,
            kind="file" if manifest is None else "snapshot",
            query=selection.query,
            query_version=selection.version,
            sql=selection.sql,
            parameters=selection.parameters,
            rows=rows,
            sha256=sha256,
            report=json.loads(report),
            manifest=manifest or {},
        )
        return self.datasets.record(made, spans).dataset_id

    def lineage(self, name: str) -> Lineage:
        """What the data set, run, checkpoint, rollout, trace or span of that id was made of, and what of it.

        Raises NothingByThatName.
        """
        return lineage(self.connection, name)

    def schema(self) -> str:
        """The newest migration applied."""
        (row,) = self.connection.rows("SELECT argMax(Name, Version) AS name FROM schema_migrations")
        return str(row["name"])

    def stats(self) -> dict[str, int]:
        """Rows and bytes on disk: what `leyden store stats` prints."""
        (row,) = self.connection.rows(sql.query("stats"))
        return {name: int(value or 0) for name, value in row.items()}

    def stats_by(self, what: Literal["projects", "tables"]) -> list[dict[str, Any]]:
        """What each project or table holds: see `queries/stats_projects.sql` and `stats_tables.sql`."""
        return self.connection.rows(sql.query(f"stats_{what}"))

    def compact(self) -> None:
        """Merge every table's parts now, folding retried spans away."""
        for table in ("otel_traces", "otel_traces_trace_id_ts", "traces", "rewards", "otel_logs"):
            self.connection.command(f"OPTIMIZE TABLE {table} FINAL")

    def _when(self, query: str, digits: str) -> Batch:
        """Of which traces these are the digits, and when they were: by `queries/{query}.sql`."""
        return self.connection.rows(sql.query(query), {"trace": digits})

    def _parcels(self, selection: Selection, cut: Cut, skip: int = 0) -> Iterator[Parcel]:
        chosen, prices = self._chosen_spans(selection), self.prices.table()
        batches = self._batches(selection, cut)
        if not batches:
            raise SelectionEmpty(
                f"no trace matches {selection.query or selection.sql!r}; see what is stored with: leyden traces"
            )

        def ask(numbered: tuple[int, Batch]) -> Parcel:
            number, batch = numbered
            spans, logs = self._asked_spans(batch, selection)
            wanted = None if chosen is None else chosen & set(_keys(spans))
            left = len(batches) - number - 1
            return Parcel(len(batch), left, spans, logs, self._posted_rewards(batch), prices, wanted)

        return asked_ahead(ask, islice(enumerate(batches), skip, None), _AHEAD)

    def _batches(self, selection: Selection, cut: Cut = in_batches) -> list[Batch]:
        text = sql.query("rollouts").replace("{selection}", selection.trace_ids)
        return cut(self.connection.rows(text, selection.parameters, _settings(selection)))

    def _spans(self, batch: Batch, selection: Selection) -> Iterator[Span]:
        return joined(*self._asked_spans(batch, selection))

    def _asked_spans(self, batch: Batch, selection: Selection) -> tuple[pa.Table, pa.Table]:
        """The spans and the log records of a batch."""
        trace_ids = {"trace_ids": [trace_id for row in batch for trace_id in row["trace_ids"]]}
        spans = self.connection.table(sql.query("spans"), _where(batch), _own(selection))
        return spans, self.connection.table(sql.query("logs"), trace_ids)

    def _posted_rewards(self, batch: list[dict[str, Any]]) -> list[PostedReward]:
        found = self.connection.rows(
            sql.query("rewards"),
            {
                "rollout_ids": [row["rollout_id"] for row in batch],
                "trace_ids": [trace_id for row in batch for trace_id in row["trace_ids"]],
            },
        )
        return [PostedReward(**row) for row in found]

    def _chosen_spans(self, selection: Selection) -> set[SpanKey] | None:
        if not selection.by_span:
            return None
        table = self.connection.table(selection.span_ids, selection.parameters, _settings(selection))
        return set(_keys(table))


def _keys(spans: pa.Table) -> Iterator[SpanKey]:
    return zip(spans["TraceId"].to_pylist(), spans["SpanId"].to_pylist(), strict=True)


def _settings(selection: Selection) -> Settings:
    """How the engine is to run a selection's SQL: reading only, and nothing of another project."""
    if not selection.project:
        return READ_ONLY
    return reading(dict.fromkeys(PROJECT_TABLES, f"Project = {quoted(selection.project)}"))


def _own(selection: Selection) -> Settings | None:
    """Settings for our own SQL: a trace that two projects share is read in part."""
    return _settings(selection) if selection.project else None


def _where(batch: Batch) -> dict[str, Any]:
    """The parameters by which the span queries find a batch of rollouts."""
    return {
        "trace_ids": [trace_id for row in batch for trace_id in row["trace_ids"]],
        "start_ns": min(row["start_ns"] for row in batch),
        "end_ns": max(row["end_ns"] for row in batch),
    }
