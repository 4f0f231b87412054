"""`leyden keys create|list|revoke`: who may ask a collector, for what."""

from __future__ import annotations

import argparse

from leyden.cli._shared import add_store, open_store, print_json
from leyden.terminal import say


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("keys", help="make and end API keys", description=__doc__)
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    create = actions.add_parser("create", help="make a key; it is shown this once")
    create.add_argument("name", metavar="NAME", help="who or what has it")
    create.add_argument(
        "--scope", action="append", required=True, choices=["ingest", "read", "write", "admin"], help="may be repeated"
    )
    create.add_argument("--project", default="", metavar="P", help="the only project it is good for")
    create.set_defaults(run=_create)

    listing = actions.add_parser("list", help="every key, without the keys themselves")
    listing.set_defaults(run=_list)

    revoke = actions.add_parser("revoke", help="end a key; collectors learn it within seconds")
    revoke.add_argument("key_id", metavar="KEY_ID")
    revoke.set_defaults(run=_revoke)
    for action in (create, listing, revoke):
        add_store(action)
        action.add_argument("--json", action="store_true", help="one JSON object a line")


def _create(args: argparse.Namespace) -> int:
    from leyden_store import audit
    from leyden_store.audit import Action
    from leyden_store.keys import Keys, Scope

    with open_store(args.store) as store:
        key, secret = Keys(store.connection).create(args.name, map(Scope, args.scope), project=args.project)
        audit.done(store.connection, Action.KEY_CREATED, f"{key.key_id} {key.name}")
    if args.json:
        print_json({**key.to_json(), "key": secret})
    else:
        say(f"made the key {key.key_id} for {key.name}; it is not shown again:\n{secret}")
    return 0


def _list(args: argparse.Namespace) -> int:
    from leyden_store.keys import Keys

    with open_store(args.store) as store:
        found = Keys(store.connection).all()
    for key in found:
        if args.json:
            print_json(key.to_json())
        else:
            state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "in force"
            scopes = ",".join(sorted(key.scopes))
            say(f"{key.key_id}  {key.name}  {scopes}  {key.project or 'every project'}  {state}")
    return 0


def _revoke(args: argparse.Namespace) -> int:
    from leyden_store import audit
    from leyden_store.audit import Action
    from leyden_store.keys import Keys

    with open_store(args.store) as store:
        key = Keys(store.connection).revoke(args.key_id)
        audit.done(store.connection, Action.KEY_REVOKED, f"{key.key_id} {key.name}")
    if args.json:
        print_json(key.to_json())
    else:
        say(f"revoked {key.key_id} ({key.name})")
    return 0
