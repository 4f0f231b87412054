"""Grafana's way with a query, without Grafana: conditional macros, variables, then the ClickHouse data source's macros.

The order and the rules are the data source's (grafana-clickhouse-datasource 4): its front end resolves
`$__conditionalAll` and the dashboard's variables, its back end the macros about time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

ALL = "$__all"

Value = str | Sequence[str]
"""A variable's value: text, or the values chosen of many."""


class UnknownMacro(Exception):
    """A macro or a variable was left in the query."""


@dataclass(frozen=True)
class Asked:
    """What the page asks with: the time range, the interval its width gives, and the variables."""

    start: datetime
    end: datetime
    interval_s: int = 60
    variables: Mapping[str, Value] = field(default_factory=dict)


def expand(sql: str, asked: Asked) -> str:
    """The statement that reaches the store. Raises UnknownMacro when something of Grafana's is left."""
    text = _time(_variables(_conditional(sql, asked), asked), asked)
    left = re.search(r"\$\{?\w+", text)
    if left:
        raise UnknownMacro(f"{left[0]} is neither a macro nor a variable of the page")
    return text


def _conditional(sql: str, asked: Asked) -> str:
    """`$__conditionalAll(condition, $variable)`, innermost last: 1=1 when all or nothing is chosen."""
    macro = "$__conditionalAll("
    while (at := sql.rfind(macro)) >= 0:
        condition, variable, end = _arguments(sql, at + len(macro))
        chosen = asked.variables[variable.strip().removeprefix("$")]
        nothing = chosen in ("", ALL) or not chosen or (not isinstance(chosen, str) and ALL in chosen)
        sql = sql[:at] + ("1=1" if nothing else condition) + sql[end:]
    return sql


def _arguments(sql: str, at: int) -> tuple[str, str, int]:
    depth, commas = 1, []
    for position in range(at, len(sql)):
        match sql[position]:
            case "(":
                depth += 1
            case ")":
                depth -= 1
            case "," if depth == 1:
                commas.append(position)
        if depth == 0:
            (comma,) = commas
            return sql[at:comma], sql[comma + 1 : position], position + 1
    raise UnknownMacro("a $__conditionalAll is not closed")


def _variables(sql: str, asked: Asked) -> str:
    """`${name:singlequote}`: every chosen value quoted, single quotes in it escaped, joined by commas."""

    def quoted(found: re.Match[str]) -> str:
        value = asked.variables[found[1]]
        values = [value] if isinstance(value, str) else value
        return ",".join("'" + text.replace("'", "\\'") + "'" for text in values)

    return re.sub(r"\$\{(\w+):singlequote\}", quoted, sql)


def _time(sql: str, asked: Asked) -> str:
    start, end = f"toDateTime({int(asked.start.timestamp())})", f"toDateTime({int(asked.end.timestamp())})"
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 >= {start} AND \1 <= {end}", sql)
    sql = re.sub(
        r"\$__timeInterval\((\w+)\)",
        rf"toStartOfInterval(toDateTime(\1), INTERVAL {max(asked.interval_s, 1)} second)",
        sql,
    )
    sql = re.sub(r"\$__interval_s\b", str(max(asked.interval_s, 1)), sql)
    return re.sub(r"\$__toTime\b", end, re.sub(r"\$__fromTime\b", start, sql))
