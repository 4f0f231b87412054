"""`leyden run -- CMD…`: start a command recorded, as one rollout."""

from __future__ import annotations

import argparse
import os
import sys

from leyden.cli._shared import add_store, collector_endpoint


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "run", help="run an agent recorded", description=__doc__, usage="leyden run [options] -- CMD…"
    )
    add_store(parser)
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        help="the collector (default: $OTEL_EXPORTER_OTLP_ENDPOINT, else the one that holds the store)",
    )
    parser.add_argument("--rollout-id", metavar="ID", help="default: $LEYDEN_ROLLOUT_ID, else a new one")
    parser.add_argument("--group-id", metavar="ID", help="the task this is an attempt at")
    parser.add_argument("--attempt", type=int, metavar="N")
    parser.add_argument("--project", metavar="NAME")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD…")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden_instrumentation.launch import environment

    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        print("leyden run: give a command after --, e.g. leyden run -- python agent.py", file=sys.stderr)
        return 2
    env = environment(
        os.environ,
        endpoint=args.endpoint or collector_endpoint(args.store),
        rollout_id=args.rollout_id,
        group_id=args.group_id,
        attempt=args.attempt,
        project=args.project,
    )
    try:
        os.execvpe(command[0], command, env)  # noqa: S606 - the same process, so signals and the exit code are the agent's
    except OSError as error:
        print(f"leyden run: cannot start {command[0]!r}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
