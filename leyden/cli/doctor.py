"""`leyden doctor [-- CMD…]`: is this environment fit to record an agent, and what is captured of CMD?"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from leyden.cli._shared import add_store, collector_endpoint, print_json
from leyden.terminal import say

if TYPE_CHECKING:
    from leyden_instrumentation.doctor_findings import Finding

_COLOURS = {"ok": "32", "warn": "33", "fault": "31"}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "doctor",
        help="find what keeps an agent from being recorded",
        description=__doc__,
        usage="leyden doctor [options] [-- CMD…]",
    )
    add_store(parser)
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        help="the collector (default: $OTEL_EXPORTER_OTLP_ENDPOINT, else the one that holds the store)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD…")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden_instrumentation.doctor import examine

    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    env = dict(os.environ)
    endpoint = args.endpoint or collector_endpoint(args.store)
    if endpoint is not None:
        env["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        env.pop("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", None)
    try:
        report = examine(env, command)
    except OSError as error:
        print(f"leyden doctor: cannot start {' '.join(command[:1])!r}: {error.strerror}", file=sys.stderr)
        return 2
    if args.json:
        print_json(report.as_json())
    else:
        say(f"the environment of {report.python}\n")
        _print(report.findings)
        say(f"\n{_number(report.faults, 'fault')}, {_number(report.warnings, 'warning')}")
    return 1 if report.faults else 0


def _print(findings: list[Finding]) -> None:
    width = max(len(f.subject) for f in findings)
    for finding in findings:
        level = f"{finding.level:<5}"
        if sys.stdout.isatty():
            level = f"\x1b[{_COLOURS[finding.level]}m{level}\x1b[0m"
        say(f"{level}  {finding.subject:<{width}}  {finding.says}")
        if finding.fix is not None:
            say(f"{'':<5}  {'':<{width}}  → {finding.fix}")


def _number(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'s' * (count != 1)}"
