"""Migrations: bring a store's schema to this version, forward only."""

from __future__ import annotations

from leyden_store import sql
from leyden_store.connection import Connection
from leyden_store.errors import SchemaTooNew

_CREATE = """
CREATE TABLE IF NOT EXISTS schema_migrations (Version UInt32, Name String, AppliedAt DateTime DEFAULT now())
ENGINE = ReplacingMergeTree ORDER BY Version
"""


def migrate(connection: Connection) -> list[str]:
    """Apply what is missing, in order; the names of what was applied.

    Statements are idempotent (IF NOT EXISTS) and a migration is recorded after its last, so one that was cut off is
    simply run again. Raises SchemaTooNew when the store knows a migration that this Leyden does not.
    """
    if connection.gateway:
        return []  # its holder has migrated it
    connection.command(_CREATE)
    known = sql.migrations()
    applied = {row["Version"] for row in connection.rows("SELECT DISTINCT Version FROM schema_migrations")}
    newest = known[-1][0]
    if applied and max(applied) > newest:
        raise SchemaTooNew(
            f"the store has schema {max(applied)}, this Leyden knows up to {newest}; "
            "upgrade leyden, or use another --store"
        )
    done = []
    for version, name, statements in known:
        if version in applied:
            continue
        for statement in statements:
            connection.command(statement)
        connection.insert("schema_migrations", [{"Version": version, "Name": name}])
        done.append(name)
    return done
