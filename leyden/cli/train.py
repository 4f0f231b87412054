"""`leyden train`: train a model on what a saved query selects, and record the run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from leyden.cli._selecting import add_selection, selection_of
from leyden.cli._shared import add_data_options, add_store, counted, data_options, open_store, print_json

if TYPE_CHECKING:
    from leyden_exporters.report import Report


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("train", help="train a model from the store", description=__doc__)
    add_options(parser)
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Every option of the command: a trigger keeps them for later, and checks them now."""
    add_store(parser)
    add_selection(parser, required=True, data=True, model=False)
    parser.add_argument(
        "--trainer", required=True, metavar="T", help="trl-sft, trl-dpo, trl-kto, trl-reward, torch-replay"
    )
    parser.add_argument("--model", required=True, metavar="M", help="the model to start from: a folder or a hub name")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="where the checkpoint goes; must not exist"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the trainer or of TrainingArguments",
    )
    add_data_options(parser)
    parser.add_argument("--json", action="store_true", help="the run as one JSON object, last")
    parser.add_argument("--run-id", help=argparse.SUPPRESS)  # of a run that whoever started this has announced


def run(args: argparse.Namespace) -> int:
    from leyden_trainers.job import ended_by_sigterm, train

    def on_data(report: Report) -> None:
        print(report.to_text(), file=sys.stderr)

    def on_metrics(step: int, metrics: Mapping[str, float]) -> None:
        said = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        print(f"step {step}  {said}", file=sys.stderr)

    with ended_by_sigterm(), open_store(args.store) as store:
        selection = selection_of(args, store, data=True, purpose="train")
        done = train(
            store,
            selection,
            trainer=args.trainer,
            model=args.model,
            out=args.out,
            sets=args.set,
            options=data_options(args, store, selection),
            announced=args.run_id,
            watch=counted,
            on_data=on_data,
            on_metrics=on_metrics,
        )
    if args.json:
        print_json(done.to_json())
    else:
        print(f"run {done.run_id} made {done.checkpoint} from {done.spans} LLM spans")
    return 0
