"""What several commands share: options, JSON output, and opening the store."""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leyden_exporters.options import Options
    from leyden_store.lightning import LightningStore
    from leyden_store.turns import Rollout

_DSN_HELP = (
    "chdb:///FOLDER, clickhouse://USER:PASSWORD@HOST:8123/DATABASE or clickhouses://… "
    "(default: $LEYDEN_STORE, else ./.leyden/store)"
)


def add_store(parser: argparse.ArgumentParser) -> None:
    """`--store`."""
    parser.add_argument("--store", metavar="DSN", help=_DSN_HELP)


def add_selection(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """`--query` or `--where`."""
    group = parser.add_mutually_exclusive_group(required=required)
    group.add_argument("--query", metavar="NAME", help="a saved query")
    group.add_argument(
        "--where", metavar="SQL", help="traces with a span for which this holds, e.g. \"ServiceName = 'my-agent'\""
    )


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """How turns become training data."""
    group = parser.add_argument_group("training data")
    group.add_argument("--reward", metavar="NAME", help="the reward to use (default: 'reward', else the only one)")
    group.add_argument(
        "--advantage", default="grpo", choices=["grpo", "dr_grpo", "rloo", "reinforce", "reward"], help="default: grpo"
    )
    group.add_argument("--max-tokens", type=int, metavar="N", help="longest trajectory, in tokens")
    group.add_argument("--min-reward", type=float, metavar="X", help="only rollouts that earned at least this")
    group.add_argument("--require-reward", action="store_true", help="leave out rollouts without a reward")
    group.add_argument("--require-logprobs", action="store_true", help="leave out turns without logprobs")
    group.add_argument("--drop-truncated", action="store_true", help="leave out turns that ran into the token limit")
    group.add_argument("--agent", action="append", metavar="NAME", help="only turns of this agent; may be repeated")


def data_options(args: argparse.Namespace) -> Options:
    """The options that `add_data_options` read."""
    from leyden_exporters.options import Advantage, Options

    return Options(
        reward=args.reward,
        advantage=Advantage(args.advantage),
        max_tokens=args.max_tokens,
        min_reward=args.min_reward,
        require_reward=args.require_reward,
        require_logprobs=args.require_logprobs,
        drop_truncated=args.drop_truncated,
        agents=frozenset(args.agent) if args.agent else None,
        selection=args.query or args.where or "everything",
    )


@contextmanager
def open_store(dsn: str | None) -> Iterator[LightningStore]:
    """Open the store. Where a running collector holds it, everything the collector has acknowledged is stored first."""
    from leyden_store.lightning import LightningStore

    with LightningStore.open(dsn) as store:
        gateway = store.connection.gateway
        if gateway is not None:
            _flush(gateway.url.removesuffix("/clickhouse"))
        yield store


def counted(rollouts: Iterable[Rollout]) -> Iterator[Rollout]:
    """The rollouts, with their number shown on a terminal as they pass; silent in a pipe."""
    if not sys.stderr.isatty():
        yield from rollouts
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("rollouts read"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(rollouts, total=None)


def print_json(value: Any) -> None:
    """One JSON value on one line."""
    print(json.dumps(value, ensure_ascii=False, default=str))


def _flush(collector: str) -> None:
    request = urllib.request.Request(f"{collector}/api/flush", method="POST")  # noqa: S310 - the collector's own URL
    try:
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310
    except (OSError, urllib.error.HTTPError) as error:
        print(f"leyden: the collector has not stored everything yet ({error}); showing what is stored", file=sys.stderr)
