"""Where a store's collector spools, unless told otherwise, and keeps its task queue."""

from __future__ import annotations

from pathlib import Path

from leyden_store import dsn as dsns

TASKS_FILE = "tasks.sqlite"
"""The task queue's name in a spool folder."""


def spool_folder(store: str | None) -> Path:
    """The spool folder of a DSN's store: in an embedded store's own, else `./.leyden/spool/…`. Raises DsnInvalid."""
    target = dsns.parse(store)
    if isinstance(target, dsns.Embedded):
        return target.path / "spool"
    return Path(".leyden/spool").absolute() / f"{target.host}-{target.port}-{target.database}"
