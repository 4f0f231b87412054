"""Which rows a reader sees: filters for ClickHouse's setting `additional_table_filters`, which no query can lift.

It applies wherever a table is named: in subqueries, joins, views and under FINAL. The functions that read tables by
pattern (`merge`, `mergeTreeIndex`, …) pass it by, so `guard.check` refuses them.
"""

from __future__ import annotations

from collections.abc import Mapping

from leyden_store.connection import Connection
from leyden_store.guard import quoted

CLOSED = ("api_keys", "audit_log")
"""What no reader sees."""

_THROUGH = {
    "otel_traces_trace_id_ts": "TraceId IN (SELECT TraceId FROM traces WHERE Project = {project})",
    "lineage": "TraceId IN (SELECT TraceId FROM traces WHERE Project = {project})",
    "run_metrics": "RunId IN (SELECT RunId FROM runs WHERE Project = {project})",
}
"""Tables without a project, whose rows belong to something that has one. Any other such table stays empty."""

_SHARED = {"schema_migrations"}


def table_filters(connection: Connection, project: str) -> str:
    """The setting's value for a reader of one project, or of every project when that is ""."""
    filters = dict.fromkeys(CLOSED, "0")
    if project:
        filters = {**_of_project(connection, quoted(project)), **filters}
    return _map(filters)


def _of_project(connection: Connection, project: str) -> dict[str, str]:
    """A filter for every table there is: one that a later version adds is closed until it has a project."""
    rows = connection.rows(
        "SELECT table AS of_table, countIf(name = 'Project') > 0 AS has FROM system.columns"
        " WHERE database = currentDatabase() GROUP BY table"
    )
    filters = {}
    for row in rows:
        name = row["of_table"]
        if name in _SHARED:
            continue
        if row["has"]:
            filters[name] = f"Project = {project}"
        else:
            filters[name] = _THROUGH.get(name, "0").format(project=project)
    return filters


def _map(values: Mapping[str, str]) -> str:
    """A map as the text of a setting."""
    return "{" + ", ".join(f"{quoted(name)}: {quoted(value)}" for name, value in values.items()) + "}"
