"""Backup and restore: a folder with every table's rows, readable by any ClickHouse, embedded or server.

Each table is one file in ClickHouse's Native format, zstd inside, as of the moment its own copy begins; what the views
make anew from the spans (summaries) is not copied. The manifest names the schema, the columns and the files' hashes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from leyden_store._deleting import tables
from leyden_store.connection import Connection
from leyden_store.errors import StoreError

_DERIVED = {"traces", "otel_traces_trace_id_ts"}
_OURS = {"schema_migrations", "schema_definitions"}
_CHUNK = 1 << 20


class BackupUnusable(StoreError):
    """The folder is no backup, is damaged, or does not fit the store."""


@dataclass(frozen=True, slots=True)
class Backup:
    """rows: by table, retries counted; bytes: of the files."""

    path: Path
    rows: dict[str, int]
    bytes: int


def backup(connection: Connection, folder: Path) -> Backup:
    """Copy the store into a folder that is not there yet. Raises BackupUnusable, StoreError."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise BackupUnusable(f"{folder} is there already; name a new folder") from error
    except OSError as error:
        raise BackupUnusable(f"cannot make {folder}: {error.strerror}") from error
    rows: dict[str, int] = {}
    files: dict[str, Any] = {}
    for table in sorted(set(tables(connection)) - _DERIVED - _OURS):
        path = folder / f"{table}.native.zst"
        columns = _columns(connection, table)
        connection.save(f"SELECT {', '.join(columns)} FROM {table}", path)
        rows[table] = connection.rows(f"SELECT count() AS n FROM {table}")[0]["n"]
        files[table] = {"file": path.name, "sha256": _sha256(path), "columns": columns}
    (version,) = connection.rows("SELECT max(Version) AS version FROM schema_migrations")
    manifest = {"leyden_backup": 1, "schema": version["version"], "at": datetime.now(UTC).isoformat(), "tables": files}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return Backup(folder, rows, sum(path.stat().st_size for path in folder.iterdir()))


def restore(connection: Connection, folder: Path) -> Backup:
    """Fill an empty store from a backup, whose files are checked first. Raises BackupUnusable."""
    if connection.gateway:
        raise BackupUnusable("a collector holds this store; restore into a new one, then start the collector on it")
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        files = {table: (folder / made["file"], made) for table, made in manifest["tables"].items()}
        damaged = [path.name for path, made in files.values() if _sha256(path) != made["sha256"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupUnusable(f"{folder} is no backup of a store: {error}") from error
    if damaged:
        raise BackupUnusable(f"{', '.join(damaged)} in {folder} is not what was written: take another backup")
    (newest,) = connection.rows("SELECT max(Version) AS version FROM schema_migrations")
    if manifest["schema"] > newest["version"]:
        raise BackupUnusable(f"{folder} was made by a later Leyden (schema {manifest['schema']}); upgrade leyden")
    if connection.rows("SELECT 1 AS there FROM otel_traces LIMIT 1"):
        raise BackupUnusable("the store is not empty; restore into a new one")
    # Tombstones last: the spans of a backup are what was kept after its erasures.
    for table, (path, made) in sorted(files.items(), key=lambda item: item[0] == "tombstones"):
        connection.load(f"INSERT INTO {table} ({', '.join(made['columns'])})", path)
    rows = {table: connection.rows(f"SELECT count() AS n FROM {table}")[0]["n"] for table in files}
    return Backup(folder, rows, sum(path.stat().st_size for path in folder.iterdir()))


def _columns(connection: Connection, table: str) -> list[str]:
    return [
        f"`{row['name']}`"
        for row in connection.rows(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
            " AND default_kind NOT IN ('ALIAS', 'MATERIALIZED') ORDER BY position",
            {"table": table},
        )
    ]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()
