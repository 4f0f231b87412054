"""What SQL a reader may run: one statement that reads tables, and no function that reaches out of the store.

ClickHouse's `readonly` refuses writes but lets the functions `file`, `url`, `s3`, … through in some places, and
`INTO OUTFILE` in the embedded engine. This reads the statement's tokens as ClickHouse's lexer does
(src/Parsers/Lexer.cpp) and refuses what it cannot be sure of. It stands before `readonly`, not instead of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from leyden_store.errors import QueryRefused

_STARTS = {"select", "with", "(", "from", "explain", "describe", "desc", "show", "exists"}

_TOKEN = re.compile(
    r"""(?P<space>\s+ | --[^\n]* | /\*(?:(?!/\*).)*?\*/)
      | (?P<string>'(?:[^'\\]|\\.)*')
      | (?P<quoted>`(?:[^`\\]|\\.)*` | "(?:[^"\\]|\\.)*")
      | (?P<word>\w+)
      | (?P<sign>[-+*/%=<>!(),.;:?@\[\]{}|^&~])""",
    re.VERBOSE | re.DOTALL,
)

_SOURCES = re.compile(
    r"""filesystem | url | s3 | gcs | oss | cosn | hdfs | hive | azureblobstorage | remote | remotesecure
      | cluster | clusterallreplicas | \w+cluster | mysql | postgresql | mongodb | redis | sqlite | jdbc | odbc
      | ytsaurus | bigquery | executable | executablepool | python | eval | input | dictionary | arrowstream
      | arrowflight | prometheusquery\w* | deltalake\w* | iceberg\w* | hudi\w* | paimon\w* | s3queue | fuzzquery
      | loop | merge | mergetree\w+""",
    re.VERBOSE,
)
"""Table functions that read what is not the store's, or its tables past the filters on them."""

_FUNCTIONS = re.compile(
    r"file | catboostevaluate | ai(classify|embed|extract|filter|generate|redact|similarity|translate)", re.VERBOSE
)
"""Scalar functions that do. A function can be meant without being called (`arrayMap(file, x)`, `* APPLY file`)."""

_TABLE_FUNCTIONS = {
    "numbers", "numbers_mt", "zeros", "zeros_mt", "generateseries", "generate_series", "generaterandom", "primes",
    "values", "view", "null", "format", "viewifpermitted",
}  # fmt: skip
"""Those that may stand behind FROM: they make rows, or read tables that are named."""


def check(sql: str) -> None:
    """Raise QueryRefused, saying which part, unless `sql` is one statement that only reads tables."""
    tokens = _tokens(sql)
    while tokens and tokens[-1] == ";":
        tokens.pop()
    if not tokens:
        raise QueryRefused("the query is empty; write a SELECT")
    if tokens[0].lower() not in _STARTS:
        raise QueryRefused(f"only reading is allowed here, not {tokens[0].upper()}; write a SELECT")
    if ";" in tokens:
        raise QueryRefused("one statement at a time: there is a ; inside the query")
    names = [token.lower() for token in tokens]
    for before, name, after in zip(["", *names], names, [*names[1:], ""], strict=False):
        if (name, after) in (("into", "outfile"), ("parallel", "with")):
            raise QueryRefused(f"only reading is allowed here, not {name.upper()} {after.upper()}")
        if _FUNCTIONS.fullmatch(name) and before not in (".", "as"):
            raise QueryRefused(
                f"the function {name} reaches out of the store; a column of that name is written table.{name}"
            )
        if before in ("from", "join") and (name == "'" or "/" in name):
            raise QueryRefused("a file is no table here; read the store's tables")
        if after == "(" and (_SOURCES.fullmatch(name) or (before in ("from", "join") and _foreign(name))):
            raise QueryRefused(f"the table function {name}(…) is not allowed; read the store's tables")


_SYSTEM = {
    "one", "numbers", "numbers_mt", "databases", "tables", "columns", "functions", "table_functions", "settings",
    "formats", "data_type_families", "time_zones", "build_options", "keywords", "aggregate_function_combinators",
}  # fmt: skip
"""What of `system` says nothing of anybody's data but the names and sizes of tables."""


def check_project(sql: str) -> None:
    """Raise QueryRefused when `sql`, already checked, reads what cannot be narrowed to one project."""
    names = [token.lower() for token in _tokens(sql)]
    for name, sign, member in zip(names, names[1:], names[2:], strict=False):
        if sign == "." and (name == "information_schema" or (name == "system" and member not in _SYSTEM)):
            raise QueryRefused(f"{name}.{member} is not for keys of one project; read the store's tables")


def quoted(text: str) -> str:
    """A string literal of ClickHouse's."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def settings_clause(settings: Mapping[str, str | int | float]) -> str:
    """Settings as they stand behind SET or SETTINGS: `name = value, …`."""
    return ", ".join(f"{name} = {quoted(v) if isinstance(v, str) else v}" for name, v in settings.items())


def _foreign(name: str) -> bool:
    """Whether a name behind FROM that has a ( is a table function we do not know."""
    return re.fullmatch(r"\w+", name) is not None and name not in _TABLE_FUNCTIONS


def _tokens(sql: str) -> list[str]:
    """Words, quoted names without their quotes, signs; a string is `'`, comments are left out."""
    found: list[str] = []
    position = 0
    while position < len(sql):
        token = _TOKEN.match(sql, position)
        if token is None:
            raise QueryRefused(f"the query cannot be read at {sql[position : position + 20]!r}")
        position = token.end()
        match token.lastgroup:
            case "space":
                pass
            case "string":
                found.append("'")
            case "quoted":
                if "\\" in token[0]:
                    raise QueryRefused(f"the name {token[0]} has an escape in it; write names plainly")
                found.append(token[0][1:-1])
            case _:
                found.append(token[0])
    return found
