"""`leyden audit`: who read content, exported, trained and changed keys."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from leyden.cli._shared import add_limit, add_store, open_store, print_json
from leyden.terminal import say


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("audit", help="who read, exported, trained, changed keys", description=__doc__)
    add_store(parser)
    parser.add_argument("--since", metavar="TIME", help="a date or time as ISO 8601 writes it; UTC without an offset")
    add_limit(parser, 100)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden_store.audit import AuditLog

    since = _moment(args.since) if args.since else None
    with open_store(args.store) as store:
        found = AuditLog(store.connection).read(since=since, limit=args.limit)
    for entry in found:
        if args.json:
            print_json(entry.to_json())
        else:
            who = f"{entry.name} ({entry.key_id})" if entry.key_id else entry.name or "somebody"
            subject = " ".join(entry.subject.split())
            say(f"{entry.at:%Y-%m-%d %H:%M:%S}  {who}  {entry.action}  {entry.rows} rows  {subject}")
    return 0


def _moment(text: str) -> datetime:
    from leyden_store.errors import QueryRefused

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise QueryRefused(f"--since {text!r} is no time; write it like 2026-01-31 or 2026-01-31T09:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
