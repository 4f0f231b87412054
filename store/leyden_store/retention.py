"""Retention: how long a project's spans are kept. ClickHouse removes what is older by itself.

One TTL a table says it for all projects, a clause each. Partitions are days (weeks for summaries), so that a part of
which every row has expired is dropped unread; one that others keep is rewritten without the expired. A project that has
no rule is kept for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from leyden_store.connection import Connection
from leyden_store.guard import quoted

_NANOS = "intDiv(toUnixTimestamp64Nano(Timestamp), 1000000000)"
_TIMES = {
    "otel_traces": _NANOS,
    "otel_logs": _NANOS,
    "traces": "toInt64(toUnixTimestamp(Hour))",
    "rewards": _NANOS,
    "annotations": _NANOS,
}
"""Tables that know their project, with the Unix seconds of a row. `otel_traces_trace_id_ts` does not; it holds ids."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Spans of a project are kept for so many days after they began."""

    project: str
    days: int


def rules(connection: Connection) -> list[Rule]:
    """Every rule, by project."""
    rows = connection.rows("SELECT Project, Days FROM retention FINAL WHERE Days > 0 ORDER BY Project")
    return [Rule(row["Project"], row["Days"]) for row in rows]


def retain(connection: Connection, project: str, days: int) -> list[Rule]:
    """Keep a project's spans for `days` days, 0 for ever; every rule afterwards.

    What is older already goes in the background, within minutes.
    """
    connection.insert("retention", [{"Project": project, "Days": days, "SetAt": datetime.now(UTC)}])
    made = rules(connection)
    for table, time in _TIMES.items():
        if not connection.rows(f"EXISTS TABLE {table}")[0]["result"]:
            continue
        if made:
            # A DateTime ends in 2106: what would be kept for longer must not begin again at 1970.
            ttl = ", ".join(
                f"toDateTime(toUInt32(least({time} + {rule.days * 86400}, 4294967295)))"
                f" DELETE WHERE Project = {quoted(rule.project)}"
                for rule in made
            )
            connection.ddl(f"ALTER TABLE {table} MODIFY TTL {ttl}")
        else:
            connection.ddl(f"ALTER TABLE {table} REMOVE TTL")
    return made
