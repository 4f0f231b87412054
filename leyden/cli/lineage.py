"""`leyden lineage ID`: from a span to data sets, runs, checkpoints and the rollouts these sampled; and back."""

from __future__ import annotations

import argparse

from leyden.cli._shared import add_store, open_store, print_json
from leyden.terminal import say

_SHOWN = 5
"""Rollouts named; of more their number is said."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("lineage", help="what something was made of, and what of it", description=__doc__)
    add_store(parser)
    parser.add_argument(
        "id", metavar="ID", help="of a span, trace, rollout, data set, run or checkpoint, or its beginning"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    with open_store(args.store) as store:
        found = store.lineage(args.id)
    if args.json:
        print_json(found.to_json())
        return 0
    say(f"{found.kind} {found.id}")
    if found.sampled_by:
        say(f"  sampled by  {', '.join(found.sampled_by)}")
    for one in found.made_by:
        say(f"  which is checkpoint  {one['policy_version']} of run {one['run_id']}  {one['path']}")
    say(f"  made of {found.spans:,} spans of {_some(found.rollouts)}")
    for one in found.datasets:
        say(f"  data set  {one['dataset_id']}  {one['format']}  {one['rows']} rows  {one['path']}")
    for one in found.runs:
        say(f"  run  {one['run_id']}  {one['trainer']}  {one['status']}")
    for one in found.checkpoints:
        say(f"  checkpoint  {one['policy_version']}  of run {one['run_id']}  {one['path']}")
    if found.sampled:
        say(f"  which sampled {_some(found.sampled)}")
    return 0


def _some(rollouts: list[str]) -> str:
    more = f" and {len(rollouts) - _SHOWN:,} more" if len(rollouts) > _SHOWN else ""
    return f"{len(rollouts):,} rollouts: {', '.join(rollouts[:_SHOWN])}{more}" if rollouts else "no rollouts"
