"""The LightningStore: everything that is read from and written to the store, by typed methods."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self

import pyarrow as pa

from leyden_store import dsn as dsns
from leyden_store import sql
from leyden_store.checkpoints import Checkpoints
from leyden_store.connection import READ_ONLY, Connection
from leyden_store.datasets import Dataset, Datasets
from leyden_store.evaluations import Evaluations
from leyden_store.filters import Filters
from leyden_store.guard import check
from leyden_store.labels import Labels
from leyden_store.lineage import Lineage, lineage
from leyden_store.listing import Page, TraceFilter, list_traces
from leyden_store.migrate import migrate
from leyden_store.prices import Prices
from leyden_store.prompts import Prompts
from leyden_store.runs import Runs
from leyden_store.saved_queries import SavedQueries
from leyden_store.searching import search
from leyden_store.selection import Selection, bound
from leyden_store.sessions import list_sessions
from leyden_store.span_reader import SpanReader, settings_of
from leyden_store.span_sets import SpanKey
from leyden_store.triggers import Triggers
from leyden_store.turns import PostedReward


class LightningStore(SpanReader):
    """Spans and what is made of them, in chDB or ClickHouse.

    Open it by DSN; it is a context manager. Methods raise the errors of `leyden_store.errors`.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.queries = SavedQueries(connection)
        self.runs = Runs(connection)
        self.checkpoints = Checkpoints(connection)
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
        return self.list_traces(TraceFilter(selection=selection or Selection()), limit=limit).rows

    def list_traces(self, chosen: TraceFilter | None = None, *, limit: int = 100, cursor: str = "") -> Page:
        """The newest traces that a filter chooses, a page at a time; rows as of `traces`. Raises QueryRefused."""
        chosen = chosen or TraceFilter()
        settings = settings_of(chosen.selection)
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
        (row,) = self.connection.rows(text, selection.parameters, settings_of(selection))
        first = self.traces(selection, limit=limit) if limit else []
        return {name: int(value) for name, value in row.items()} | {"first": first}

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
        (row,) = self.connection.rows(self._with_parts("stats"))
        return {name: int(value or 0) for name, value in row.items()}

    def stats_by(self, what: Literal["projects", "tables"]) -> list[dict[str, Any]]:
        """What each project or table holds: see `queries/stats_projects.sql` and `stats_tables.sql`."""
        return self.connection.rows(self._with_parts(f"stats_{what}"))

    def _with_parts(self, query: str) -> str:
        return sql.query(query).replace("{parts}", self.connection.of_every_node("system.parts"))

    def compact(self) -> None:
        """Merge every table's parts now, folding retried spans away."""
        for table in ("otel_traces", "otel_traces_trace_id_ts", "traces", "rewards", "otel_logs"):
            self.connection.ddl(f"OPTIMIZE TABLE {table} FINAL")
