"""Data sets: what was exported, from which spans, with which result. `lineage` says what became of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from leyden_store import audit
from leyden_store.audit import Action
from leyden_store.connection import Connection
from leyden_store.errors import LeydenError
from leyden_store.runs import new_id
from leyden_store.span_sets import SpanKey, SpanSet


class DatasetNotFound(LeydenError):
    """No data set has that id."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One export.

    kind:   file or snapshot; path: where it was written
    sha256: of the file, or of a snapshot's data; the same rows give the same hash on any machine
    report: kept and dropped, by reason; manifest: a snapshot's manifest, else {}
    """

    dataset_id: str
    form: str
    path: str
    kind: str = "file"
    query: str = ""
    query_version: int = 0
    sql: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 0
    spans: int = 0
    spans_hash: str = ""
    sha256: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """What `leyden datasets --json` prints."""
        return {
            "dataset_id": self.dataset_id,
            "kind": self.kind,
            "format": self.form,
            "path": self.path,
            "rows": self.rows,
            "spans": self.spans,
            "spans_hash": self.spans_hash,
            "sha256": self.sha256,
            "query": self.query,
            "query_version": self.query_version,
            "sql": self.sql,
            "parameters": dict(self.parameters),
            "report": dict(self.report),
            "manifest": dict(self.manifest),
            "created_at": self.created_at.isoformat() if self.created_at else None,
        }


class Datasets:
    """The data sets of a store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def record(self, made: Dataset, spans: Iterable[SpanKey]) -> Dataset:
        """Register an export and the spans in it; it with its id. An id that is given is kept."""
        used = SpanSet.of(spans)
        dataset_id = made.dataset_id or new_id()
        used.record(self._connection, "dataset", dataset_id)
        row = {
            "DatasetId": dataset_id,
            "Format": made.form,
            "Path": made.path,
            "Kind": made.kind,
            "Query": made.query,
            "QueryVersion": made.query_version,
            "Sql": made.sql,
            "Parameters": _json(made.parameters),
            "Rows": made.rows,
            "Spans": len(used),
            "SpansHash": used.hash,
            "Sha256": made.sha256,
            "Report": _json(made.report),
            "Manifest": _json(made.manifest) if made.manifest else "",
            "CreatedAt": datetime.now(UTC),
        }
        self._connection.insert("datasets", [row])
        audit.done(
            self._connection, Action.EXPORT, f"{made.form} of {made.query or made.sql} to {made.path}", made.rows
        )
        return self.get(dataset_id)

    def all(self) -> list[Dataset]:
        """Every data set, newest first."""
        return self._read("", {})

    def get(self, dataset_id: str) -> Dataset:
        """One, by its id, its hash, or a beginning of either that only it has. Raises DatasetNotFound."""
        found = self._read(
            "WHERE startsWith(DatasetId, {id:String}) OR startsWith(Sha256, {id:String})", {"id": dataset_id}
        )
        exact = [one for one in found if dataset_id in (one.dataset_id, one.sha256)]
        if exact or len(found) == 1:
            return (exact or found)[0]
        if found:
            raise DatasetNotFound(
                f"{len(found)} data sets begin with {dataset_id!r}: {', '.join(one.dataset_id for one in found[:5])}"
            )
        raise DatasetNotFound(f"no data set is called {dataset_id!r}; list them with: leyden datasets")

    def spans(self, kind: str, subject_id: str) -> list[SpanKey]:
        """The spans a data set (`dataset`) or a run (`run`) was made of."""
        rows = self._connection.rows(
            "SELECT DISTINCT TraceId, SpanId FROM lineage WHERE Kind = {kind:String} AND SubjectId = {id:String}"
            " ORDER BY TraceId, SpanId",
            {"kind": kind, "id": subject_id},
        )
        return [(row["TraceId"], row["SpanId"]) for row in rows]

    def _read(self, where: str, parameters: Mapping[str, Any]) -> list[Dataset]:
        rows = self._connection.rows(
            f"SELECT * FROM datasets FINAL {where} ORDER BY CreatedAt DESC, DatasetId", parameters
        )
        return [
            Dataset(
                dataset_id=row["DatasetId"],
                form=row["Format"],
                path=row["Path"],
                kind=row["Kind"],
                query=row["Query"],
                query_version=row["QueryVersion"],
                sql=row["Sql"],
                parameters=json.loads(row["Parameters"] or "{}"),
                rows=row["Rows"],
                spans=row["Spans"],
                spans_hash=row["SpansHash"],
                sha256=row["Sha256"],
                report=json.loads(row["Report"] or "{}"),
                manifest=json.loads(row["Manifest"] or "{}"),
                created_at=row["CreatedAt"],
            )
            for row in rows
        ]


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), sort_keys=True, default=str)
