"""`leyden export`: write a data set, and say what was kept and what was dropped, by reason."""

from __future__ import annotations

import argparse
from pathlib import Path

from leyden.cli._shared import add_data_options, add_selection, add_store, counted, data_options, open_store, print_json


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("export", help="write a data set", description=__doc__)
    add_store(parser)
    add_selection(parser)
    parser.add_argument(
        "--format", required=True, metavar="F", help="turns, trajectories, trl-sft, trl-sft-tokens, spans, otlp, …"
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="PATH", help="a file; the suffix chooses .jsonl or .parquet"
    )
    add_data_options(parser)
    parser.add_argument("--json", action="store_true", help="the report as one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden.exporting import export

    with open_store(args.store) as store:
        selection = store.select(query=args.query, where=args.where)
        made = export(store, selection, form=args.format, out=args.out, options=data_options(args), watch=counted)
    if args.json:
        print_json(made.to_json())
        return 0
    print(made.summary)
    print(f"wrote {made.rows} rows to {made.path} (data set {made.dataset_id})")
    return 0
