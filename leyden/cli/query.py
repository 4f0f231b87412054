"""`leyden query save|list|show|delete`: named, versioned selections of rollouts and turns."""

from __future__ import annotations

import argparse
from pathlib import Path

from leyden.cli._shared import add_store, open_store, print_json


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("query", help="save and list selections", description=__doc__)
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    save = actions.add_parser("save", help="save a query; the same name again makes a new version")
    add_store(save)
    save.add_argument("name", metavar="NAME")
    what = save.add_mutually_exclusive_group(required=True)
    what.add_argument("--where", metavar="SQL", help="traces with a span for which this holds")
    what.add_argument("--sql", metavar="TEXT|@FILE", help="a SELECT of TraceId, or of TraceId and SpanId")
    save.add_argument("--description", default="", metavar="TEXT")
    save.set_defaults(run=_save)

    listing = actions.add_parser("list", help="every saved query")
    add_store(listing)
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=_list)

    show = actions.add_parser("show", help="one saved query")
    add_store(show)
    show.add_argument("name", metavar="NAME")
    show.add_argument("--version", type=int, metavar="N")
    show.add_argument("--json", action="store_true", help="one JSON object")
    show.set_defaults(run=_show)

    delete = actions.add_parser("delete", help="take a saved query out of use")
    add_store(delete)
    delete.add_argument("name", metavar="NAME")
    delete.set_defaults(run=_delete)


def _save(args: argparse.Namespace) -> int:
    from leyden_store.selection import Selection

    with open_store(args.store) as store:
        saved = store.queries.save(
            args.name, Selection.where(args.where).sql if args.where else _text(args.sql), description=args.description
        )
        matching = store.connection.rows(f"SELECT count() AS n FROM ({store.queries.selection(saved.name).trace_ids})")
    print(f"saved {saved.name!r} version {saved.version}; it selects {matching[0]['n']} traces now")
    return 0


def _list(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        found = store.queries.all()
    for saved in found:
        if args.json:
            print_json(saved.to_json())
        else:
            print(f"{saved.name}  version {saved.version}  {' '.join(saved.sql.split())}")
    return 0


def _show(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        saved = store.queries.get(args.name, args.version)
    if args.json:
        print_json(saved.to_json())
        return 0
    print(f"{saved.name}  version {saved.version}  by {saved.owner}  {saved.created_at:%Y-%m-%d %H:%M}")
    if saved.description:
        print(saved.description)
    print(saved.sql)
    return 0


def _delete(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        store.queries.delete(args.name)
    print(f"deleted {args.name!r}; runs made from it keep its SQL")
    return 0


def _text(sql: str) -> str:
    from leyden_store.errors import QueryRefused

    if not sql.startswith("@"):
        return sql
    try:
        return Path(sql[1:]).read_text()
    except OSError as error:
        raise QueryRefused(f"cannot read the query from {sql[1:]}: {error.strerror}") from error
