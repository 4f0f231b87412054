"""Erasure: what belongs to a session, rollout, user or trace leaves every table, and a search proves that it did.

What was erased leaves a tombstone, a hash of its id: spans of it that come late are counted and stored nowhere.
Sessions and rollouts are turned away by their own ids too; a user is not, since whoever comes back is a new matter.

Traces are erased whole, except where one holds several rollouts: then only the spans that stand under the erased one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from leyden_store import rows, sql
from leyden_store._deleting import Rows, count, delete, hashes_of, of_spans, of_traces, pieces, tables, wait_for_disk
from leyden_store._placing import places
from leyden_store.connection import Connection
from leyden_store.errors import StoreError
from leyden_store.selection import Selection
from leyden_store.span_sets import SpanKey
from leyden_store.tree import build

Kind = Literal["session", "rollout", "user", "trace", "where"]


class NotErased(StoreError):
    """Rows that were to be erased are still there."""


@dataclass(frozen=True, slots=True)
class Use:
    """A data set or run that was made of spans. path: its file or checkpoint; spans: how many of these it used."""

    kind: str
    id: str
    path: str
    spans: int


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be erased: whole traces, single spans of traces that hold more, the rollouts that end with them, and
    who had used them."""

    kind: Kind
    name: str
    traces: Sequence[str]
    rollouts: Sequence[str]
    spans: Sequence[SpanKey]
    response_ids: Sequence[str]
    span_count: int
    used_by: Sequence[Use]


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did. rows: by table, retries counted; mentions: rows elsewhere whose texts name the id."""

    target: Target
    rows: Mapping[str, int] = field(default_factory=dict)
    mentions: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What `leyden store erase --json` prints."""
        return {
            "kind": self.target.kind,
            "traces": len({*self.target.traces, *(trace for trace, _ in self.target.spans)}),
            "spans": self.target.span_count,
            "rows": dict(self.rows),
            "used_by": [asdict(use) for use in self.target.used_by],
            "mentions": dict(self.mentions),
        }


_USER_KEYS = ("user.id", "enduser.id", "langfuse.user.id")
_CONDITIONS: dict[str, str] = {
    "session": "SessionId = {name:String}",
    "rollout": "RolloutId = {name:String}",
    "trace": "TraceId = {name:String}",
    "user": "UserId = {name:String}"
    + "".join(
        f" OR {column}['{key}'] = {{name:String}}"
        for key in _USER_KEYS
        for column in ("SpanAttributes", "ResourceAttributes")
    ),
}


def find(connection: Connection, kind: Kind, name: str) -> Target:
    """What belongs to a session, rollout, user or trace, or to the traces with a span for which a condition holds."""
    chosen = Selection.where(name).sql if kind == "where" else _of(_CONDITIONS[kind])
    parameters = {} if kind == "where" else {"name": name}
    traces = sorted(row["TraceId"] for row in connection.rows(chosen, parameters))
    spans: list[SpanKey] = []
    if kind == "rollout":
        shared = _shared(connection, traces, name)
        traces = [trace for trace in traces if trace not in shared]
        spans = [key for trace in sorted(shared) for key in _under(connection, trace, name)]
    replies: list[str] = []
    span_count = 0
    for found in (*of_traces(traces), *of_spans(spans)):
        (row,) = connection.rows(
            "SELECT uniqExact(TraceId, SpanId) AS spans, groupUniqArrayIf(reply, reply != '') AS replies FROM (SELECT"
            f" TraceId, SpanId, SpanAttributes['gen_ai.response.id'] AS reply FROM otel_traces WHERE {found.where})",
            found.parameters,
        )
        span_count += row["spans"]
        replies += row["replies"]
    rollouts = [name] if kind == "rollout" else _ending_with(connection, traces)
    return Target(kind, name, traces, rollouts, spans, replies, span_count, used_by(connection, traces, spans))


def used_by(connection: Connection, traces: Sequence[str], spans: Sequence[SpanKey] = ()) -> list[Use]:
    """The data sets (snapshots among them) and runs that were made of spans of these traces, or of these spans."""
    found: dict[tuple[str, str], int] = {}
    for of in (*of_traces(traces), *of_spans(spans)):
        for row in connection.rows(
            "SELECT Kind, SubjectId, uniqExact(TraceId, SpanId) AS spans FROM lineage"
            f" WHERE {of.where} GROUP BY Kind, SubjectId",
            of.parameters,
        ):
            key = (row["Kind"], row["SubjectId"])
            found[key] = found.get(key, 0) + row["spans"]
    paths = {
        (row["kind"], row["id"]): row["path"]
        for row in connection.rows(
            "SELECT 'dataset' AS kind, DatasetId AS id, Path AS path FROM datasets FINAL"
            " UNION ALL SELECT 'run', RunId, Checkpoint FROM runs FINAL"
        )
    }
    return [Use(kind, id_, paths.get((kind, id_), ""), n) for (kind, id_), n in sorted(found.items())]


def erase(
    connection: Connection, target: Target, *, flush: Callable[[], None] = lambda: None, from_disk: bool = True
) -> Erased:
    """Erase a target for good. `flush` is called once late spans are turned away: it brings in what is still spooled.

    from_disk: wait until the files that held it are gone, some seconds
    Raises NotErased when a search finds any of it afterwards, StoreError when its files stay.
    """
    now = datetime.now(UTC)
    _bury(connection, target, now)
    flush()
    touched = {table for table, found in _matching(connection, target) if count(connection, table, found)}
    with wait_for_disk(connection, sorted(touched)) if from_disk else nullcontext():
        deleted = _delete_all(connection, target)
        if target.spans:
            _summarise(connection, sorted({trace for trace, _ in target.spans}))
    connection.insert(
        "erasures",
        [
            {
                "ErasedAt": now,
                "Kind": target.kind,
                "Hash": hashes_of(connection, [target.name])[0],
                "Traces": len(target.traces),
                "Spans": target.span_count,
                "Datasets": [use.id for use in target.used_by if use.kind == "dataset"],
                "Runs": [use.id for use in target.used_by if use.kind == "run"],
            }
        ],
    )
    return Erased(target, deleted, _mentions(connection, target))


def _delete_all(connection: Connection, target: Target) -> dict[str, int]:
    """Delete and search until nothing is found; how many rows of which tables went."""
    deleted: dict[str, int] = {}
    for _ in range(3):  # an insert that began before the tombstone may end after a deletion
        for table, found in _matching(connection, target):
            n = count(connection, table, found)
            if n:
                deleted[table] = deleted.get(table, 0) + n
                delete(connection, table, found)
        left = [table for table, found in _matching(connection, target) if count(connection, table, found)]
        if not left:
            return deleted
    raise NotErased(f"some of it is still in {', '.join(left)}; run the erasure again")


def _of(condition: str) -> str:
    return f"SELECT DISTINCT TraceId FROM otel_traces WHERE {condition}"


def _shared(connection: Connection, traces: Sequence[str], rollout: str) -> set[str]:
    """Those of the traces that hold other rollouts too."""
    return {
        row["TraceId"]
        for found in of_traces(traces)
        for row in connection.rows(
            _of(f"{found.where} AND RolloutId NOT IN ('', {{rollout:String}})"),
            {**found.parameters, "rollout": rollout},
        )
    }


def _ending_with(connection: Connection, traces: Sequence[str]) -> list[str]:
    """Rollouts that have no span outside these traces."""
    named: set[str] = set()
    for found in of_traces(traces):
        for row in connection.rows(
            f"SELECT DISTINCT RolloutId FROM otel_traces WHERE RolloutId != '' AND {found.where}", found.parameters
        ):
            named.add(row["RolloutId"])
    inside = set(traces)
    for found in pieces("RolloutId", sorted(named)):
        for row in connection.rows(
            f"SELECT DISTINCT RolloutId, TraceId FROM otel_traces WHERE {found.where}", found.parameters
        ):
            if row["TraceId"] not in inside:
                named.discard(row["RolloutId"])
    return sorted(named)


def _under(connection: Connection, trace: str, rollout: str) -> list[SpanKey]:
    """The spans of a trace that stand under a rollout."""
    bounds = {"trace_ids": trace, "start_ns": 0, "end_ns": 2**63 - 1}
    tree = build(list(rows.spans(connection.table(sql.query("spans"), bounds))))
    return [key for key, place in places(tree).items() if place.rollout == rollout]


def _matching(connection: Connection, target: Target) -> Iterator[tuple[str, Rows]]:
    """Every table, with the rows in it that are the target's, as its columns let them be told."""
    for table, columns in tables(connection).items():
        if "TraceId" in columns:
            yield from ((table, found) for found in of_traces(target.traces))
        if {"TraceId", "SpanId"} <= columns:
            yield from ((table, found) for found in of_spans(target.spans))
        # The summary of a trace that keeps other spans is made anew instead.
        if "RolloutId" in columns and not (table == "traces" and target.spans):
            yield from ((table, found) for found in pieces("RolloutId", target.rollouts))
        if target.kind == "session" and "SessionId" in columns:
            yield table, Rows("SessionId", [target.name])
        if "ResponseId" in columns:
            unnamed = "RolloutId = '' AND TraceId = ''"
            yield from ((table, found) for found in pieces("ResponseId", target.response_ids, unnamed))


def _mentions(connection: Connection, target: Target) -> dict[str, int]:
    """Rows of other tables whose texts name what was erased: a report, a saved query. Theirs to keep or to change."""
    if target.kind == "where":
        return {}
    found = {}
    for table, columns in tables(connection).items():
        if "TraceId" not in columns:
            (row,) = connection.rows(
                f"SELECT countIf(position(formatRowNoNewline('TSV', *), {{name:String}}) > 0) AS n FROM {table}",
                {"name": target.name},
            )
            if row["n"]:
                found[table] = int(row["n"])
    return found


def _bury(connection: Connection, target: Target, now: datetime) -> None:
    names = [("trace", trace) for trace in target.traces] + [("rollout", rollout) for rollout in target.rollouts]
    if target.kind == "session":
        names.append(("session", target.name))
    hashes = hashes_of(connection, [name for _, name in names])
    connection.insert(
        "tombstones",
        [{"Kind": kind, "Hash": h, "ErasedAt": now} for (kind, _), h in zip(names, hashes, strict=True)],
    )


def _summarise(connection: Connection, traces: Sequence[str]) -> None:
    """Make the summaries of traces that lost some of their spans anew, as the views make them."""
    for found in of_traces(traces):
        for table in ("traces", "otel_traces_trace_id_ts"):
            delete(connection, table, found)
            made = re.compile(rf"CREATE MATERIALIZED VIEW IF NOT EXISTS \w+ TO {table} AS\s")
            (view,) = (text for text in sql.views() if made.match(text))
            query = re.sub(r"FROM otel_traces\s+WHERE ", f"FROM otel_traces WHERE {found.where} AND ", view)
            columns = ", ".join(
                row["name"]
                for row in connection.rows(
                    "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {view:String}"
                    " ORDER BY position",
                    {"view": view.split()[6]},
                )
            )
            connection.command(f"INSERT INTO {table} ({columns}) {made.sub('', query)}", found.parameters)
