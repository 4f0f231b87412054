"""`leyden serve`: the Lightning Server, OpenAI's API over a model of ours or an upstream, recording every call."""

from __future__ import annotations

import argparse

from leyden_trainers.policy_server.__main__ import add_options, serve


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("serve", help="serve a model to agents", description=__doc__)
    add_options(parser)
    parser.set_defaults(run=serve)
