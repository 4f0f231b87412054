"""`leyden train`: train a model on what a saved query selects, and record the run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from leyden.cli._selecting import add_selection, selection_of
from leyden.cli._shared import add_data_options, add_store, counted, data_options, open_store, print_json
from leyden.collecting import collecting
from leyden.terminal import say

if TYPE_CHECKING:
    from leyden_exporters.report import Report


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("train", help="train a model from the store", description=__doc__)
    add_options(parser)
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Every option of the command: a trigger keeps them for later, and checks them now."""
    add_store(parser)
    add_selection(parser, data=True, model=False)
    parser.add_argument(
        "--trainer", metavar="T", help="trl-sft, trl-dpo, trl-kto, trl-reward, torch-replay, trl-grpo, prompt-opt"
    )
    parser.add_argument("--model", metavar="M", help="the model to start from: a folder or a hub name")
    parser.add_argument(
        "--out", metavar="DIR|URL", help="where the checkpoint goes, a folder or s3://…, gs://…; must not exist"
    )
    parser.add_argument(
        "--resume", metavar="RUN_ID", help="go on with a run that was cut off; nothing else need be said"
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
    from leyden_trainers.job import CollectorAt, ended_by_sigterm, resume, train
    from leyden_trainers.plugin import OnlineTrainer, find_trainer

    if fault := _misused(args):
        print(f"leyden train: {fault}; see leyden train --help", file=sys.stderr)
        return 2
    online = isinstance(find_trainer(args.trainer or _trainer_of(args)), OnlineTrainer)
    selects = any((args.query, args.where, args.sql))
    if not selects and not online and not args.resume:
        print(f"leyden train: {args.trainer} needs --query, --where or --sql; see leyden train --help", file=sys.stderr)
        return 2

    def on_data(report: Report) -> None:
        print(report.to_text(), file=sys.stderr)

    def on_metrics(step: int, metrics: Mapping[str, float]) -> None:
        said = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        print(f"step {step}  {said}", file=sys.stderr)

    with ExitStack() as stack:
        stack.enter_context(ended_by_sigterm())
        collector = stack.enter_context(collecting(args.store)) if online else None
        store = stack.enter_context(open_store(args.store))
        at = CollectorAt(collector.url, collector.token) if collector else None
        if args.resume:
            done = resume(store, args.resume, on_metrics=on_metrics, collector=at)
        else:
            selection = selection_of(args, store, data=True, purpose="train")
            done = train(
                store,
                selection if selects else None,
                trainer=args.trainer,
                model=args.model,
                out=args.out,
                sets=args.set,
                options=data_options(args, store, selection),
                announced=args.run_id,
                collector=at,
                watch=counted,
                on_data=on_data,
                on_metrics=on_metrics,
            )
    if args.json:
        print_json(done.to_json())
    else:
        say(f"run {done.run_id} made {done.checkpoint} from {done.spans} LLM spans")
    return 0


def _misused(args: argparse.Namespace) -> str:
    given = [f"--{name}" for name in ("trainer", "model", "out") if getattr(args, name)]
    if args.resume:
        return f"--resume goes on with what was asked for then: leave out {', '.join(given)}" if given else ""
    missing = [f"--{name}" for name in ("trainer", "model", "out") if not getattr(args, name)]
    return f"the following arguments are required: {', '.join(missing)}" if missing else ""


def _trainer_of(args: argparse.Namespace) -> str:
    with open_store(args.store) as store:
        return store.runs.get(args.resume).trainer
