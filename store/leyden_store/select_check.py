"""What a selection may be: one SELECT over the store's own tables, checked on its syntax tree.

Stands on top of the token check in `guard` and before the engine's `readonly`: three readings of one text, by unlike
parsers, so that what slips through one is caught by another. What cannot be parsed here is refused, not passed on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from leyden_store.errors import QueryRefused
from leyden_store.guard import check
from leyden_store.tables import PROJECT_TABLES, TABLES

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # what it falls back on is refused here, with our words

_NEVER = re.compile(
    r"""dict\w* | joinget\w* | file | \w*evaluate | get\w*(setting|macro|port|header|version|release)s? | hostname
      | fqdn | (global)?(not)?(null)?in(ignoreset)? | current(user|database|schemas?|roles|profiles)
      | current(queryid|catalog|version) | user | \w*user | server\w+ | uptime | version | tcpport | filesystem\w*
      | sleep\w* | queryid | query_id | initialqueryid | initial_query_id | executable\w* | hascolumnintable
      | addressto\w* | demangle | throwif | getmacro | zookeeper\w* | buildid | naivebayes\w* | remote\w*
      | url | s3 | partitionid | enabledroles | defaultroles | shardnum | shardcount | displayname | globalvariable
      | blockserialized\w* | lookup\w* | evalmlmethod | predict\w* | ai\w+ | llm\w* | \w*python\w* | database
      | schema | connection\w*id""",
    re.VERBOSE,
)
"""Functions that tell of the server, wait, or reach beyond the tables; `in(x, t)` reads the table t."""


def check_select(sql: str, *, project: str = "") -> None:
    """Raise QueryRefused, saying which part and why, unless `sql` is one SELECT over the store's tables.

    project: when given, tables whose rows name no project are refused too
    """
    check(sql)
    tree = _parsed(sql)
    if not isinstance(tree, exp.Query):
        raise QueryRefused(f"a selection is a SELECT, not {_words(tree)}")
    named = {cte.alias for cte in tree.find_all(exp.CTE)}
    for node in tree.walk():
        _check_node(node, named, PROJECT_TABLES if project else TABLES, project)


def _parsed(sql: str) -> exp.Expr:
    try:
        found = [tree for tree in sqlglot.parse(sql, dialect="clickhouse") if tree is not None]
    except (SqlglotError, RecursionError, ValueError) as error:
        said = re.sub(r"\x1b\[\d*m", "", str(error).partition("\n")[0]).rstrip(". ") or "it is nested too deeply"
        raise QueryRefused(f"the query cannot be parsed, so it is not run: {said}") from error
    if len(found) != 1:
        raise QueryRefused("one statement at a time: write one SELECT")
    return found[0]


def _check_node(node: exp.Expr, named: set[str], tables: frozenset[str], project: str) -> None:
    match node:
        case exp.Table():
            _check_table(node, named, tables, project)
        case exp.In():
            _check_in(node, named, tables)
        case exp.Placeholder() if str(node.args.get("kind")).lower() == "identifier":
            raise QueryRefused("a parameter stands for a value, not for a name: {name:Identifier} is not allowed")
        case exp.Command() | exp.DML() | exp.DDL() if not isinstance(node, exp.Query):
            raise QueryRefused(f"only SELECT is allowed here, not {_words(node)}")
        case exp.Into():
            raise QueryRefused("only reading is allowed here, not INTO")
        case exp.Columns() | exp.Apply():
            names = {str(part.this).lower() for part in node.find_all(exp.Var)}
            if any(_reaches_out(name) for name in names):
                raise QueryRefused(f"the function {', '.join(sorted(names))} is not allowed")
        case exp.Query():
            for clause in ("settings", "format", "into"):
                if node.args.get(clause):
                    raise QueryRefused(f"{clause.upper()} is not for a selection; leave it out")
        case exp.Func():
            name = node.name if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) else node.sql_name()
            for said in {name.lower(), name.lower().replace("_", "")}:
                if _reaches_out(said):
                    raise QueryRefused(f"the function {name}(…) is not allowed: it reaches beyond the store's tables")
        case _:
            pass


def _check_table(node: exp.Table, named: set[str], tables: frozenset[str], project: str) -> None:
    if isinstance(node.this, exp.Func):
        name = node.this.name or node.this.sql_name()
        if name.lower() not in ("numbers", "numbers_mt"):
            raise QueryRefused(f"the table function {name}(…) is not allowed; read the store's tables")
        return
    if not isinstance(node.this, exp.Identifier):
        raise QueryRefused(f"{node.sql('clickhouse')} is no table's name; write it plainly")
    if node.args.get("db") or node.args.get("catalog"):
        raise QueryRefused(
            f"{node.sql('clickhouse')} names a database; read the store's own tables, by their names alone"
        )
    if node.name not in tables | named:
        why = (
            f"has no project, and this is kept to {project!r}"
            if project and node.name in TABLES
            else "is not one of them"
        )
        raise QueryRefused(f"a selection reads {', '.join(sorted(tables))}; {node.name} {why}")


def _check_in(node: exp.In, named: set[str], tables: frozenset[str]) -> None:
    """`x IN name` and `x IN (name)` read a table of that name."""
    listed = node.args.get("expressions") or []
    candidates = [node.args.get("field"), listed[0] if len(listed) == 1 else None]
    for one in candidates:
        one = one.unnest() if isinstance(one, exp.Paren) else one
        if isinstance(one, exp.Column | exp.Dot | exp.Identifier) and (
            one.find(exp.Dot) or one.args.get("table") or one.name not in tables | named
        ):
            raise QueryRefused(f"IN {one.sql('clickhouse')} would read a table of that name; write a list or a SELECT")


def _reaches_out(name: str) -> bool:
    return _NEVER.fullmatch(name) is not None


def _words(tree: exp.Expr) -> str:
    return next(_upper_words(tree), type(tree).__name__.upper())


def _upper_words(tree: exp.Expr) -> Iterator[str]:
    said = str(tree.this) if isinstance(tree, exp.Command) else type(tree).__name__
    if said:
        yield said.upper()
