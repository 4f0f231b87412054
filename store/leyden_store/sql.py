"""SQL files: `schema/NNNN_name.sql` (migrations, in order), `schema/views/*.sql` (definitions) and `queries/name.sql`
(what the readers ask)."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

_PACKAGE = files("leyden_store")


@cache
def query(name: str) -> str:
    """The statement in `queries/{name}.sql`."""
    (statement,) = statements((_PACKAGE / "queries" / f"{name}.sql").read_text(encoding="utf-8"))
    return statement


def proto(signal: str = "traces") -> Path:
    """The file of the Protobuf schema that ClickHouse reads OTLP requests of a signal (traces, logs) with."""
    return Path(str(_PACKAGE / "schema" / f"otlp_{signal}.proto"))


def migrations() -> list[tuple[int, str, list[str]]]:
    """Every migration: its number, its name, its statements."""
    found = sorted(f.name for f in (_PACKAGE / "schema").iterdir() if re.fullmatch(r"\d{4}_\w+\.sql", f.name))
    return [
        (int(name[:4]), name.removesuffix(".sql"), statements((_PACKAGE / "schema" / name).read_text(encoding="utf-8")))
        for name in found
    ]


def view_functions() -> list[str]:
    """The functions that the views' texts use, each after those it uses itself."""
    return statements((_PACKAGE / "schema" / "views" / "functions.sql").read_text(encoding="utf-8"))


def views() -> list[str]:
    """Every landing table and materialized view, in the order of their files."""
    found = sorted(f.name for f in (_PACKAGE / "schema" / "views").iterdir() if f.name.endswith(".sql"))
    return [
        statement
        for name in found
        if name != "functions.sql"
        for statement in statements((_PACKAGE / "schema" / "views" / name).read_text(encoding="utf-8"))
    ]


def statements(text: str) -> list[str]:
    """Split a file at the semicolons that end lines; comment lines are for people."""
    without_comments = re.sub(r"(?m)^\s*--.*$", "", text)
    return [s.strip() for s in re.split(r";\s*(?:\n|$)", without_comments) if s.strip()]
