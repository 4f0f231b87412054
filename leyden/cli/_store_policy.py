"""`leyden store policy`: keep a user of a ClickHouse server to one project."""

from __future__ import annotations

import argparse

from leyden.cli._shared import add_store, open_store
from leyden.terminal import say


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    policy = actions.add_parser("policy", help="keep a user of a ClickHouse server to one project, by row policies")
    policy.add_argument("--project", required=True, metavar="P")
    policy.add_argument("--user", required=True, metavar="U", help="a user the server has; other users are not touched")
    how = policy.add_mutually_exclusive_group()
    how.add_argument("--print", action="store_true", help="only print the SQL, for who may run it")
    how.add_argument(
        "--xml", action="store_true", help="only print a users.d file, for servers that keep users in files"
    )
    add_store(policy)
    policy.set_defaults(run=_policy)


def _policy(args: argparse.Namespace) -> int:
    from leyden_store.row_policies import keep_to_project, statements, users_xml

    with open_store(args.store) as store:
        about = store.connection.database, args.project, args.user, store.connection.cluster
        if args.xml:
            print(users_xml(*about), end="")
        elif args.print:
            say(";\n".join(statements(*about)) + ";")
        else:
            tables = keep_to_project(store.connection, args.project, args.user)
            say(f"{args.user} sees {args.project} alone in {', '.join(tables)}")
    return 0
