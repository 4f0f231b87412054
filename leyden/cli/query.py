"""`leyden query save|list|show|run|delete`: named, versioned selections of rollouts and turns."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from leyden.cli._selecting import add_filters, add_selection, filters_of, parameters_given, selection_of, sql_text
from leyden.cli._shared import add_limit, add_store, open_store, print_json
from leyden.terminal import say

if TYPE_CHECKING:
    from leyden_store.saved_queries import Details, SavedQuery


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("query", help="save and list selections", description=__doc__)
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    save = actions.add_parser("save", help="save a query; the same name again makes a new version")
    add_store(save)
    save.add_argument("name", metavar="NAME")
    what = save.add_mutually_exclusive_group()
    what.add_argument("--where", default="", metavar="SQL", help="traces with a span for which this holds")
    what.add_argument(
        "--sql", metavar="TEXT|@FILE", help="a SELECT of TraceId, or of TraceId and SpanId; may hold {name:Type}"
    )
    add_filters(save)
    save.add_argument("--description", default="", metavar="TEXT")
    save.set_defaults(run=_save, misused=save.error)

    listing = actions.add_parser("list", help="every saved query")
    add_store(listing)
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=_list)

    show = actions.add_parser("show", help="one saved query: SQL, owner, versions, last use, size")
    add_store(show)
    show.add_argument("name", metavar="NAME")
    show.add_argument("--version", type=int, metavar="N")
    show.add_argument("--json", action="store_true", help="one JSON object")
    show.set_defaults(run=_show)

    preview = actions.add_parser("run", help="preview what a query selects")
    add_store(preview)
    preview.add_argument("name", nargs="?", metavar="NAME", help="a saved query; or use the flags below")
    add_selection(preview)
    add_limit(preview, 10)
    preview.add_argument("--json", action="store_true", help="one JSON object")
    preview.set_defaults(run=_run, misused=preview.error)

    delete = actions.add_parser("delete", help="take a saved query out of use")
    add_store(delete)
    delete.add_argument("name", metavar="NAME")
    delete.set_defaults(run=_delete)


def _save(args: argparse.Namespace) -> int:
    from dataclasses import replace

    filters = replace(filters_of(args), where=args.where)
    if args.sql is None and not filters:
        args.misused(
            "--where, --sql or a filter is required (--agent, --model, --since, --reward, --has-tool, --group)"
        )
    with open_store(args.store) as store:
        if args.sql is None:
            sql = filters.sql()
        else:
            sql = sql_text(args.sql).strip().rstrip(";").rstrip()
            if filters:
                sql = f"SELECT * FROM ({sql}\n) WHERE TraceId IN ({filters.sql()})"
        saved = store.queries.save(args.name, sql, description=args.description)
        details = store.queries.details(saved)
    said = f"it selects {details.traces} traces now"
    if details.parameters:
        said = "it takes " + ", ".join(f"--param {name}=…" for name in details.parameters)
    say(f"saved {saved.name!r} version {saved.version}; {said}")
    return 0


def _list(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        found = store.queries.all()
    for saved in found:
        if args.json:
            print_json(saved.to_json())
        else:
            say(f"{saved.name}  version {saved.version}  {' '.join(saved.sql.split())}")
    return 0


def _show(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        saved = store.queries.get(args.name, args.version)
        details = store.queries.details(saved)
    if args.json:
        print_json({**saved.to_json(), **details.to_json()})
    else:
        say("\n".join(_told(saved, details)))
    return 0


def _told(saved: SavedQuery, details: Details) -> list[str]:
    lines = [f"{saved.name}  version {saved.version}  by {saved.owner}  {saved.created_at:%Y-%m-%d %H:%M}"]
    lines.append(f"versions  {', '.join(map(str, details.versions))}")
    used = f"{details.used_at:%Y-%m-%d %H:%M} ({details.used_for})" if details.used_at else "never"
    lines.append(f"last used  {used}")
    if details.traces is not None:
        lines.append(f"selects  {details.traces:,} traces now")
    if details.rows_to_read is not None:
        lines.append(f"reads  about {details.rows_to_read:,} rows")
    if details.parameters:
        lines.append("takes  " + ", ".join(f"{name} ({kind})" for name, kind in details.parameters.items()))
    if saved.description:
        lines.append(saved.description)
    return [*lines, "", saved.sql]


def _run(args: argparse.Namespace) -> int:
    if args.name is not None:
        if args.query or args.where or args.sql:
            args.misused("give a saved query's NAME, or --query, --where or --sql, not both")
        args.query = args.name
    with open_store(args.store) as store:
        selection = selection_of(args, store, purpose="preview")
        made = store.preview(selection, limit=args.limit)
    if args.json:
        print_json({"sql": selection.sql, "parameters": parameters_given(args), **made})
        return 0
    from leyden.draw_traces import draw_traces

    say(f"{made['traces']:,} traces, {made['rollouts']:,} rollouts, {made['llm_spans']:,} LLM spans")
    draw_traces(made["first"])
    return 0


def _delete(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        store.queries.delete(args.name)
    say(f"deleted {args.name!r}; runs made from it keep its SQL")
    return 0
