"""Clusters: the schema's statements for a ClickHouse cluster, made from the same files, as text.

A table whose rows have a trace id becomes two: `<name>_local`, Replicated, on every node, and `<name>`, Distributed on
the shards by trace id, which readers and writers use. A trace's rows lie on one shard, so that replacing, deduplicating
and summing up stay local. Other tables are small: every node has the whole of them. Landing tables (engine Null) are on
every node; what they take in goes to the trace's shard, and the views of stored spans run there.
"""

from __future__ import annotations

import re
from functools import cache

from leyden_store import sql

_CREATE = re.compile(
    r"CREATE TABLE IF NOT EXISTS (?P<name>\w+)\s*(?P<columns>\(.*\)|AS \w+)\s*ENGINE = (?P<engine>\w*)"
    r"(?P<arguments>\([^)]*\))?(?P<rest>.*)",
    re.DOTALL,
)
_VIEW = re.compile(r"(CREATE MATERIALIZED VIEW IF NOT EXISTS \w+) TO (\w+) AS\s+(.*)", re.DOTALL)
_ALTER = re.compile(r"ALTER TABLE (\w+)\s+(.*)", re.DOTALL)
_OPTIMIZE = re.compile(r"OPTIMIZE TABLE (\w+)(.*)", re.DOTALL)
_SYSTEM = re.compile(r"(SYSTEM [A-Z ]+[A-Z]) (\w+)")
_FROM = re.compile(r"\b(FROM|JOIN)\s+(\w+)\b(?!\s*\()")
_COLUMN = re.compile(r"\b(\w+)\.(?=\w)")
_NAMED = r"^((?:CREATE OR REPLACE|CREATE|DROP) (?:FUNCTION|VIEW|TABLE)(?: IF (?:NOT )?EXISTS)? \w+)"
_SHARDED = re.compile(r"^\s*TraceId\s", re.MULTILINE)


@cache
def sharded_tables() -> frozenset[str]:
    """The schema's tables whose rows have a trace id."""
    tables = filter(None, (_CREATE.fullmatch(statement) for _, _, made in sql.migrations() for statement in made))
    return frozenset(t["name"] for t in tables if t["engine"] != "Null" and _SHARDED.search(t["columns"]))


def clustered(statement: str, cluster: str, shared_out: frozenset[str]) -> list[str]:
    """A statement of the schema for a cluster. `shared_out`: the tables that are sharded.

    `{database}`, `{shard}` and `{replica}` are macros of the servers. A statement that reads or fills stays as it is.
    """
    statement, on = statement.strip(), f"ON CLUSTER `{cluster}`"
    table, view, alter = _CREATE.fullmatch(statement), _VIEW.fullmatch(statement), _ALTER.fullmatch(statement)
    if table and table["engine"] == "Null":
        return [statement.replace(table["name"], f"{table['name']} {on}", 1)]
    if table:
        return _replicated(table, on, cluster, table["name"] in shared_out)
    if view:
        landing = re.search(r"\bFROM otlp_", view[3]) is not None
        target = view[2] if landing or view[2] not in shared_out else part_of(view[2])
        return [f"{view[1]} {on} TO {target} AS\n{view[3] if landing else _local(view[3], shared_out)}"]
    if about := _OPTIMIZE.fullmatch(statement):
        return [f"OPTIMIZE TABLE {_stored(about[1], shared_out)} {on}{about[2]}"]
    if about := _SYSTEM.fullmatch(statement):
        return [f"{about[1]} {on} {_stored(about[2], shared_out)}"]
    if alter and alter[1] in shared_out:
        made = [f"ALTER TABLE {part_of(alter[1])} {on} {alter[2]}"]
        changed = [line for line in alter[2].splitlines() if re.search(r"\b(ADD|DROP) COLUMN\b", line)]
        columns = [re.sub(r" CODEC\(.*", "", line.strip()).rstrip(",") for line in changed]
        if columns:
            made.append(f"ALTER TABLE {alter[1]} {on} {', '.join(columns)}")
        return made
    if alter:
        query = alter[2] if "FROM otlp_" in alter[2] else _local(alter[2], shared_out)
        return [f"ALTER TABLE {alter[1]} {on} {query if alter[2].startswith('MODIFY QUERY') else alter[2]}"]
    return [re.sub(_NAMED, rf"\1 {on}", statement, count=1)]


def part_of(table: str) -> str:
    """What a sharded table's part on a node is called."""
    return f"{table}_local"


def _stored(table: str, shared_out: frozenset[str]) -> str:
    return part_of(table) if table in shared_out else table


def _replicated(table: re.Match[str], on: str, cluster: str, shared_out: bool) -> list[str]:
    name = table["name"]
    stored = part_of(name) if shared_out else name
    # Without a shard in its path every node is a replica of the one table.
    path = f"/clickhouse/tables/{{database}}/{'{shard}/' if shared_out else ''}{name}"
    arguments = [f"'{path}'", "'{replica}'" if shared_out else "'{shard}-{replica}'"]
    if table["arguments"] and table["arguments"] != "()":
        arguments.append(table["arguments"][1:-1])
    rest = table["rest"].replace("non_replicated_deduplication_window", "replicated_deduplication_window")
    engine = f"ENGINE = Replicated{table['engine']}({', '.join(arguments)}){rest}"
    made = [f"CREATE TABLE IF NOT EXISTS {stored} {on}\n{table['columns']}\n{engine}"]
    if shared_out:
        made.append(
            f"CREATE TABLE IF NOT EXISTS {name} {on} AS {stored}\n"
            f"ENGINE = Distributed(`{cluster}`, currentDatabase(), {stored}, cityHash64(TraceId))"
        )
    return made


def _local(query: str, shared_out: frozenset[str]) -> str:
    """A view's query, over the sharded tables' rows of its own node."""
    read = _FROM.sub(lambda found: f"{found[0]}_local" if found[2] in shared_out else found[0], query)
    return _COLUMN.sub(lambda found: f"{found[1]}_local." if found[1] in shared_out else found[0], read)
