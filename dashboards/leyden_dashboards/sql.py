"""SQL files: one a panel, `queries/{page}/{panel}.sql`, and the parts they share, `queries/_parts/{name}.sql`.

A panel's file says `{name}` where the part of that name belongs. What begins with `$` is Grafana's: macros of the
ClickHouse data source and variables of the dashboard. Comment lines are for people and stay in the file.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_FOLDER = files("leyden_dashboards") / "queries"
_PART = re.compile(r"(?<!\$)\{(\w+)\}")


@cache
def statement(name: str) -> str:
    """The statement in `queries/{name}.sql`, its parts put in. Raises FileNotFoundError if one is missing."""
    lines = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("--")).strip()
    return _PART.sub(lambda part: _indented(text, part.start(), statement(f"_parts/{part[1]}")), text)


def _indented(text: str, at: int, part: str) -> str:
    """A part, its further lines as deep as the line it is put into."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return part.replace("\n", "\n" + " " * (len(line) - len(line.lstrip())))
