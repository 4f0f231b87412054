"""Migrations: bring a store's schema to this version, forward only.

Numbered files make and change tables that keep rows; each runs once. Definitions (landing tables, views) follow their
text (`leyden_store.definitions`). Numbers only grow, but need not be without gaps.
"""

from __future__ import annotations

from leyden_store import definitions, sql
from leyden_store._schema_lock import schema_lock
from leyden_store.connection import Connection
from leyden_store.errors import SchemaTooNew

_CREATE = """
CREATE TABLE IF NOT EXISTS schema_migrations (Version UInt32, Name String, AppliedAt DateTime DEFAULT now())
ENGINE = ReplacingMergeTree ORDER BY Version
"""


def migrate(connection: Connection) -> list[str]:
    """Apply what is missing, in order; the names of what was applied.

    Statements are idempotent (IF NOT EXISTS) and a migration is recorded after its last, so one that was cut off is
    simply run again. Of several processes that migrate one server at once, one does it and the others wait.
    Raises SchemaTooNew when the store knows a migration that this Leyden does not.
    """
    if connection.gateway:
        return []  # its holder has migrated it
    if not _missing(connection) and not definitions.outdated(connection):
        return []
    with schema_lock(connection):
        connection.ddl(_CREATE)
        done = []
        for version, name, statements in _missing(connection):
            for statement in statements:
                connection.ddl(statement)
            connection.insert("schema_migrations", [{"Version": version, "Name": name}])
            done.append(name)
        return done + definitions.apply(connection)


def _missing(connection: Connection) -> list[tuple[int, str, list[str]]]:
    known = sql.migrations()
    if not connection.rows("EXISTS TABLE schema_migrations")[0]["result"]:
        return known
    applied = {row["Version"] for row in connection.rows("SELECT DISTINCT Version FROM schema_migrations")}
    newest = known[-1][0]
    if applied and max(applied) > newest:
        raise SchemaTooNew(
            f"the store has schema {max(applied)}, this Leyden knows up to {newest}; "
            "upgrade leyden, or use another --store"
        )
    return [migration for migration in known if migration[0] not in applied]
