"""SQL files: `schema/NNNN_name.sql` (migrations, in order) and `queries/name.sql` (what the readers ask)."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

_PACKAGE = files("leyden_store")


@cache
def query(name: str) -> str:
    """The statement in `queries/{name}.sql`."""
    (statement,) = statements((_PACKAGE / "queries" / f"{name}.sql").read_text())
    return statement


def proto() -> Path:
    """The file of the Protobuf schema that ClickHouse reads OTLP trace requests with."""
    return Path(str(_PACKAGE / "schema" / "otlp_traces.proto"))


def migrations() -> list[tuple[int, str, list[str]]]:
    """Every migration: its number, its name, its statements."""
    found = sorted(f.name for f in (_PACKAGE / "schema").iterdir() if re.fullmatch(r"\d{4}_\w+\.sql", f.name))
    return [
        (int(name[:4]), name.removesuffix(".sql"), statements((_PACKAGE / "schema" / name).read_text()))
        for name in found
    ]


def statements(text: str) -> list[str]:
    """Split a file at the semicolons that end lines; comment lines are for people."""
    without_comments = re.sub(r"(?m)^\s*--.*$", "", text)
    return [s.strip() for s in re.split(r";\s*(?:\n|$)", without_comments) if s.strip()]
