"""`leyden export`: write a data set, and say what was kept and what was dropped, by reason."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from leyden.cli._selecting import add_selection, selection_of
from leyden.cli._shared import add_data_options, add_store, counted, data_options, open_store, print_json
from leyden.terminal import say

if TYPE_CHECKING:
    from leyden_exporters.curation import Recipe


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("export", help="write a data set", description=__doc__)
    add_store(parser)
    add_selection(parser, data=True)
    parser.add_argument(
        "--format", required=True, metavar="F", help="turns, trajectories, trl-sft, trl-sft-tokens, spans, otlp, …"
    )
    parser.add_argument(
        "--out",
        metavar="PATH|URL",
        help="a file, by suffix .jsonl, .jsonl.zst or .parquet; without a suffix a snapshot; s3://… and gs://… too",
    )
    _add_snapshot(parser)
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


def _add_snapshot(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("snapshots and curation")
    group.add_argument("--snapshot", action="store_true", help="a folder with manifest and card, whatever its name")
    group.add_argument("--data", choices=["parquet", "jsonl", "jsonl.zst"], help="what its data files are")
    group.add_argument("--shard-rows", type=int, metavar="N", help="rows a data file holds at most")
    group.add_argument("--resume", action="store_true", help="go on where an export of the same to there was cut off")
    group.add_argument("--recipe", type=Path, metavar="FILE", help="curation steps, splits and seed, as TOML")
    group.add_argument(
        "--step",
        action="append",
        default=[],
        metavar="NAME[:KEY=VALUE,…]",
        help="a curation step, in the order given: length, dedup, decontaminate, balance, best-of-n, top-k, "
        "reward-gap, sample; e.g. dedup:near=0.8",
    )
    group.add_argument(
        "--split", action="append", default=[], metavar="NAME=FRACTION", help="a part by groups, e.g. validation=0.1"
    )
    group.add_argument("--seed", type=int, metavar="N", help="draws splits and samples (default: the recipe's, else 0)")


def run(args: argparse.Namespace) -> int:
    if args.explain is not None:
        return _explain(args)
    if args.out is None or args.tokenizer is not None:
        args.misused(
            "--tokenizer goes with --explain" if args.out else "say where to: --out PATH (or --explain ROLLOUT)"
        )

    from leyden.exporting import Plan, export

    plan = Plan(
        recipe=_recipe(args),
        snapshot=args.snapshot,
        data=args.data,
        shard_rows=args.shard_rows,
        resume=args.resume,
        tokenizer=args.retokenise and Path(args.retokenise).name,
    )
    with open_store(args.store) as store:
        selection = selection_of(args, store, data=True, purpose="export")
        options = data_options(args, store, selection)
        made = export(store, selection, form=args.format, out=args.out, options=options, watch=counted, plan=plan)
    if args.json:
        print_json(made.to_json())
        return 0
    say(made.summary)
    say(f"wrote {made.rows} rows to {made.path} (data set {made.dataset_id})")
    return 0


def _recipe(args: argparse.Namespace) -> Recipe:
    """The recipe's file with what the flags add to it."""
    from dataclasses import replace

    from leyden_exporters.curation import Recipe, Splits, read_recipe, step_of
    from leyden_exporters.errors import OptionsInvalid

    recipe = Recipe() if args.recipe is None else read_recipe(args.recipe)
    fractions = dict(recipe.splits.fractions)
    for one in args.split:
        name, _, fraction = one.partition("=")
        try:
            fractions[name] = float(fraction)
        except ValueError as error:
            raise OptionsInvalid(f"--split {one!r} is not NAME=FRACTION") from error
    seed = recipe.splits.seed if args.seed is None else args.seed
    steps = (*recipe.steps, *map(step_of, args.step))
    return replace(recipe, steps=steps, splits=Splits(fractions, seed))


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
    from leyden.draw_rollout import draw_rollout
    from leyden.showing import show

    show(draw_rollout(made), soft_wrap=True)
    return 0
