"""The flags that select: a saved query, SQL, or what a person would say: `--agent`, `--since 7d`, `--reward '>0.5'`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leyden_store.filters import Filters
    from leyden_store.lightning import LightningStore
    from leyden_store.selection import Selection


def add_selection(
    parser: argparse.ArgumentParser, *, required: bool = False, data: bool = False, model: bool = True
) -> None:
    """`--query`, `--where`, `--sql` and the filters.

    data: the command takes `add_data_options` too, whose --agent and --has-tool choose turns, and whose --reward
    names the reward or compares it
    model: False where --model is something else to the command
    """
    group = parser.add_mutually_exclusive_group(required=required)
    group.add_argument("--query", metavar="NAME", help="a saved query; NAME@3 is its version 3")
    group.add_argument(
        "--where", metavar="SQL", help="traces with a span for which this holds, e.g. \"ServiceName = 'my-agent'\""
    )
    group.add_argument(
        "--sql", metavar="TEXT|@FILE", help="a SELECT of TraceId, or of TraceId and SpanId; may hold {name:Type}"
    )
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="a value for the query's {NAME:Type}"
    )
    parser.add_argument("--project", default="", metavar="NAME", help="nothing of another project")
    add_filters(parser, data=data, model=model)


def add_filters(parser: argparse.ArgumentParser, *, data: bool = False, model: bool = True) -> None:
    """The filters alone, as `leyden query save` turns them into SQL."""
    group = parser.add_argument_group("which traces (all given must hold)")
    if model:
        group.add_argument(
            "--model", action="append", dest="models", metavar="NAME", help="that called this model; may be repeated"
        )
    group.add_argument("--group", action="append", metavar="ID", help="attempts at this task; may be repeated")
    group.add_argument("--since", default="", metavar="TIME", help="7d, 12h, 30m ago, or 2026-01-31[T08:00]")
    group.add_argument("--until", default="", metavar="TIME", help="before that")
    if not data:
        group.add_argument("--agent", action="append", metavar="NAME", help="of this agent; may be repeated")
        group.add_argument(
            "--has-tool", action="append", metavar="NAME", help="that called or ran this tool; may be repeated"
        )
        group.add_argument(
            "--reward", action="append", metavar="[NAME]OP X", help="whose rollout earned so: '>0.5', 'accuracy>=0.9'"
        )


def filters_of(args: argparse.Namespace, *, data: bool = False) -> Filters:
    """The filters that `add_filters` read."""
    from leyden_store.filters import Filters, is_comparison

    return Filters(
        agents=() if data else args.agent or (),
        models=getattr(args, "models", None) or (),
        tools=() if data else args.has_tool or (),
        groups=args.group or (),
        reward=[one for one in args.reward or () if not data or is_comparison(one)],
        since=args.since,
        until=args.until,
    )


def selection_of(
    args: argparse.Namespace, store: LightningStore, *, data: bool = False, purpose: str = "read"
) -> Selection:
    """The selection that `add_selection` read. Raises QueryNotFound, QueryRefused, QueryFailed."""
    name, at, version = (args.query or "").rpartition("@")
    by_version = bool(at) and version.isdigit() and name != ""
    return store.select(
        query=None if args.query is None else name if by_version else args.query,
        version=int(version) if by_version else None,
        where=args.where,
        sql=None if args.sql is None else sql_text(args.sql),
        parameters=parameters_given(args),
        filters=filters_of(args, data=data),
        project=args.project,
        purpose=purpose,
    )


def parameters_given(args: argparse.Namespace) -> dict[str, str]:
    """`--param NAME=VALUE` as a mapping. Raises QueryRefused."""
    from leyden_store.errors import QueryRefused

    given = {}
    for one in args.param:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise QueryRefused(f"--param {one!r} is not NAME=VALUE")
        given[name] = value
    return given


def sql_text(sql: str) -> str:
    """The SQL itself, or what the file named by `@FILE` holds. Raises QueryRefused."""
    from leyden_store.errors import QueryRefused

    if not sql.startswith("@"):
        return sql
    try:
        return Path(sql[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QueryRefused(f"cannot read the query from {sql[1:]}: {getattr(error, 'strerror', error)}") from error
