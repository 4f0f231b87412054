"""Definitions: what the schema has without data of its own, re-created whenever its text changes.

`schema/views/*.sql` holds the landing tables (engine Null) and the materialized views. Numbered migrations are for
tables that keep rows; a definition is edited in place, and the next start brings a store to it.

A running collector's inserts never fall between: landing tables gain columns by ALTER before the views read them and
lose them after, and a view's query is exchanged by one `ALTER … MODIFY QUERY`, so that every insert sees the old or the
new whole. A view with another target or source gets another name: the one that is defined no more is dropped after the
new one stands, and rows seen by both fold away like a retry's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from leyden_store import sql
from leyden_store.connection import Connection

_CREATE = """
CREATE TABLE IF NOT EXISTS schema_definitions
(
    Name String, Kind LowCardinality(String), Hash String, Leyden String, Dropped Bool,
    AppliedAt DateTime64(6) DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree(AppliedAt) ORDER BY Name
"""

_OBJECT = re.compile(r"CREATE\s+(?P<kind>TABLE|MATERIALIZED VIEW)\s+IF NOT EXISTS\s+(?P<name>\w+)\s")
_FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION\s+(\w+)\s")

_FORMER = {"otlp_traces": "table", "otlp_traces_mv": "view"}
"""What migrations made before definitions were recorded, and nothing defines any more."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A landing table or a view. hash: of its text and of every function's, whatever the comments."""

    name: str
    kind: Literal["table", "view"]
    statement: str
    hash: str


def definitions() -> tuple[list[str], list[Definition]]:
    """The functions' statements, and every definition: tables first, then views, each in the order of the files."""
    functions = sql.view_functions()
    shared = hashlib.sha256("\n".join(functions).encode())
    found = []
    for statement in sql.views():
        matched = _OBJECT.match(statement)
        if matched is None:
            raise ValueError(f"schema/views holds what is neither a table nor a materialized view: {statement[:80]}")
        digest = shared.copy()
        digest.update(statement.encode())
        kind: Literal["table", "view"] = "table" if matched["kind"] == "TABLE" else "view"
        found.append(Definition(matched["name"], kind, statement, digest.hexdigest()))
    return functions, sorted(found, key=lambda definition: definition.kind)


def outdated(connection: Connection) -> bool:
    """Whether `apply` has anything to do. The store must have been migrated once."""
    return _difference(connection, definitions()[1]) != ([], {})


def apply(connection: Connection) -> list[str]:
    """Bring the store's definitions to this version's; the names of what was changed.

    What a later Leyden wrote is left as it is: collectors of two versions on one server do not undo each other.
    Call it under the migration lock.
    """
    functions, defined = definitions()
    changed, vanished = _difference(connection, defined)
    if not changed and not vanished:
        return []
    tag = hashlib.sha256(connection.database.encode()).hexdigest()[:8]
    names = {found[1]: f"{found[1]}_{tag}" for found in map(_FUNCTION.match, functions) if found}

    def own(text: str) -> str:
        return re.sub(r"\bleyden_\w+", lambda word: names.get(word[0], word[0]), text)

    existing = _existing(connection)
    dropped: list[str] = []
    try:
        for function in functions:
            connection.ddl(own(function))
        # A landing table made `AS` another changes with it, whatever its own text says.
        for definition in sorted({*changed, *(d for d in defined if d.kind == "table")}, key=defined.index):
            statement = own(definition.statement)
            if existing.get(definition.name) != definition.kind:
                connection.ddl(statement)
            elif definition.kind == "view":
                query = re.split(r"\bAS\s", statement, maxsplit=1)[1]
                connection.ddl(f"ALTER TABLE {definition.name} MODIFY QUERY {query}")
            else:
                dropped += _widen(connection, definition.name, statement)
    finally:
        for name in names.values():
            connection.ddl(f"DROP FUNCTION IF EXISTS {name}")
    # Tables first: a landing table without a view would swallow what a collector not yet upgraded sends; without the
    # table it is refused, and waits in that collector's spool.
    for name, kind in sorted(vanished.items(), key=lambda item: item[1]):
        connection.ddl(f"DROP {'VIEW' if kind == 'view' else 'TABLE'} IF EXISTS {name}")
    for statement in dropped:
        connection.ddl(statement)
    connection.ddl(_CREATE)
    connection.insert(
        "schema_definitions",
        [{"Name": d.name, "Kind": d.kind, "Hash": d.hash, "Leyden": _leyden(), "Dropped": False} for d in changed]
        + [
            {"Name": name, "Kind": kind, "Hash": "", "Leyden": _leyden(), "Dropped": True}
            for name, kind in vanished.items()
        ],
    )
    return [d.name for d in changed] + list(vanished)


def _difference(connection: Connection, defined: Iterable[Definition]) -> tuple[list[Definition], dict[str, str]]:
    """What must be applied, and what is defined no more: names and kinds."""
    if not connection.rows("EXISTS TABLE schema_definitions")[0]["result"]:
        existing = _existing(connection)
        return list(defined), {name: kind for name, kind in _FORMER.items() if existing.get(name) == kind}
    known = {
        row["Name"]: row
        for row in connection.rows("SELECT Name, Kind, Hash, Leyden, Dropped FROM schema_definitions FINAL")
    }
    ours = _number(_leyden())
    mine = [d for d in defined if d.name not in known or _number(known[d.name]["Leyden"]) <= ours]
    changed = [d for d in mine if d.name not in known or known[d.name]["Hash"] != d.hash]
    names = {d.name for d in defined}
    vanished = {
        name: row["Kind"]
        for name, row in known.items()
        if name not in names and not row["Dropped"] and _number(row["Leyden"]) <= ours
    }
    return changed, vanished


def _existing(connection: Connection) -> Mapping[str, str]:
    rows = connection.rows("SELECT name, engine FROM system.tables WHERE database = currentDatabase()")
    return {row["name"]: "view" if row["engine"] == "MaterializedView" else "table" for row in rows}


def _widen(connection: Connection, name: str, statement: str) -> list[str]:
    """Give a landing table the columns its text has now; the statements that later take off those it has no more.

    The engine itself reads the new text: a table of it stands beside the old one for a moment.
    """
    beside = f"{name}__next"
    connection.ddl(f"DROP TABLE IF EXISTS {beside}")
    connection.ddl(re.sub(rf"\b{name}\b", beside, statement, count=1))
    before, after = _columns(connection, name), _columns(connection, beside)
    connection.ddl(f"DROP TABLE {beside}")
    for column, type_ in after.items():
        if column not in before:
            connection.ddl(f"ALTER TABLE {name} ADD COLUMN `{column}` {type_}")
        elif before[column] != type_:
            connection.ddl(f"ALTER TABLE {name} MODIFY COLUMN `{column}` {type_}")
    return [f"ALTER TABLE {name} DROP COLUMN `{column}`" for column in before if column not in after]


def _columns(connection: Connection, table: str) -> dict[str, str]:
    # What is worked out from others is no column that rows arrive with: as an ordinary one it would arrive empty.
    rows = connection.rows(
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
        " AND default_kind != 'MATERIALIZED' ORDER BY position",
        {"table": table},
    )
    return {row["name"]: row["type"] for row in rows}


def _leyden() -> str:
    try:
        return version("leyden")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0"


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", release)[:3])
