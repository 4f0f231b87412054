"""`leyden export`: write a data set, and say what was kept and what was dropped, by reason."""

from __future__ import annotations

import argparse
from pathlib import Path

from leyden.cli._selecting import add_selection, selection_of
from leyden.cli._shared import add_data_options, add_store, counted, data_options, open_store, print_json


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("export", help="write a data set", description=__doc__)
    add_store(parser)
    add_selection(parser, data=True)
    parser.add_argument(
        "--format", required=True, metavar="F", help="turns, trajectories, trl-sft, trl-sft-tokens, spans, otlp, …"
    )
    parser.add_argument("--out", type=Path, metavar="PATH", help="a file; the suffix chooses .jsonl or .parquet")
    parser.add_argument(
        "--explain",
        metavar="ROLLOUT",
        help="write nothing: show one rollout's chains, tokens by mask, reward, and why each turn was kept or dropped",
    )
    parser.add_argument(
        "--tokenizer", metavar="M", help="with --explain, text instead of token ids: a folder or hub name"
    )
    add_data_options(parser)
    parser.add_argument("--json", action="store_true", help="the report (or explanation) as one JSON object")
    parser.set_defaults(run=run, misused=parser.error)


def run(args: argparse.Namespace) -> int:
    if args.explain is not None:
        return _explain(args)
    if args.out is None or args.tokenizer is not None:
        args.misused(
            "--tokenizer goes with --explain" if args.out else "say where to: --out PATH (or --explain ROLLOUT)"
        )

    from leyden.exporting import export

    with open_store(args.store) as store:
        selection = selection_of(args, store, data=True, purpose="export")
        options = data_options(args, store, selection)
        made = export(store, selection, form=args.format, out=args.out, options=options, watch=counted)
    if args.json:
        print_json(made.to_json())
        return 0
    print(made.summary)
    print(f"wrote {made.rows} rows to {made.path} (data set {made.dataset_id})")
    return 0


def _explain(args: argparse.Namespace) -> int:
    if args.format != "trajectories" or args.out is not None:
        args.misused("--explain goes with --format trajectories, and without --out")

    from leyden.explaining import explain_rollout, text_decoder

    decode = None if args.tokenizer is None else text_decoder(args.tokenizer)
    with open_store(args.store) as store:
        selection = selection_of(args, store, data=True, purpose="export")
        made = explain_rollout(store, selection, args.explain, data_options(args, store, selection), decode)
    if args.json:
        print_json(made.to_json())
        return 0
    from rich.console import Console

    from leyden.draw_rollout import draw_rollout

    Console(soft_wrap=True).print(draw_rollout(made))
    return 0
