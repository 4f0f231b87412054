"""The `leyden` command: one module a subcommand, each with its words and a call into the part that does the work.

Modules import the parts only when run: `leyden run` must start fast and work where only the base install is.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from leyden.cli import (
    audit,
    compare,
    datasets,
    demo,
    doctor,
    evals,
    evaluate,
    export,
    ingest,
    keys,
    label,
    lineage,
    prompt,
    query,
    run,
    runs,
    score,
    search,
    serve,
    sessions,
    store,
    trace,
    traces,
    train,
    trigger,
    turns,
    up,
    worker,
)
from leyden.terminal import visible
from leyden_store.errors import LeydenError

_COMMANDS = (
    up,
    run,
    serve,
    worker,
    doctor,
    ingest,
    traces,
    trace,
    turns,
    query,
    prompt,
    export,
    datasets,
    lineage,
    label,
    score,
    train,
    trigger,
    evaluate,
    compare,
    evals,
    runs,
    search,
    sessions,
    store,
    keys,
    audit,
    demo,
)

_EXTRA_OF = {
    "torch": "trainers",
    "trl": "trainers",
    "transformers": "trainers",
    "datasets": "trainers",
    "openai": "trainers",
    "ray": "ray",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Exit codes: 0 done, 1 failed, 2 misused, 130 interrupted."""
    parser = _Parser(prog="leyden", description="Record what agents do, keep it in ClickHouse, train on it.")
    parser.add_argument("--version", action="version", version=f"leyden {version('leyden')}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for command in _COMMANDS:
        command.add(commands)
    args = parser.parse_args(argv)
    try:
        code: int = args.run(args)
        return code
    except LeydenError as error:
        if args.debug:
            raise
        return _say(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if args.debug or error.name is None:
            raise
        extra = _EXTRA_OF.get(error.name.partition(".")[0], "collector")
        return _say(f"this needs {error.name}, which is not installed: pip install 'leyden[{extra}]'")
    except BrokenPipeError:
        # The reader of our output (head, less) is gone: nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; the usage is one `--help` away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _say(message: str, code: int = 1) -> int:
    print(f"leyden: {visible(message)}", file=sys.stderr)
    return code
