"""What several commands share: options, JSON output, and opening the store."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from leyden.posting import Collector
from leyden_store.errors import LeydenError

if TYPE_CHECKING:
    from leyden_exporters.options import Options, Retokenise
    from leyden_store.lightning import LightningStore
    from leyden_store.selection import Selection
    from leyden_store.turns import Rollout

_DSN_HELP = (
    "chdb:///FOLDER, clickhouse://USER:PASSWORD@HOST:8123/DATABASE or clickhouses://… "
    "(default: $LEYDEN_STORE, else ./.leyden/store)"
)


def add_store(parser: argparse.ArgumentParser) -> None:
    """`--store`."""
    parser.add_argument("--store", metavar="DSN", help=_DSN_HELP)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """How turns become training data."""
    group = parser.add_argument_group("training data")
    group.add_argument(
        "--reward",
        action="append",
        metavar="NAME|[NAME]OP X",
        help="the reward to use (default: 'reward', else the only one); compared ('>0.5'), which rollouts",
    )
    group.add_argument(
        "--advantage", default="grpo", choices=["grpo", "dr_grpo", "rloo", "reinforce", "reward"], help="default: grpo"
    )
    group.add_argument(
        "--per-turn",
        choices=["process", "returns", "gae"],
        help="give each turn an advantage of its own: from its reward, its return to go, or GAE",
    )
    group.add_argument(
        "--credit",
        default="last_turn",
        choices=["linked", "last_turn", "rollout_wide", "first_occurrence", "siblings", "time_nearest"],
        help="with --per-turn, the turn that earned a reward which names none (default: last_turn)",
    )
    group.add_argument("--gamma", type=float, default=1.0, metavar="X", help="discount per turn (default: 1)")
    group.add_argument(
        "--lambda", type=float, default=0.95, dest="gae_lambda", metavar="X", help="GAE's (default: 0.95)"
    )
    group.add_argument(
        "--values", default="value", metavar="NAME", help="the score that is GAE's value estimate (default: value)"
    )
    group.add_argument("--max-tokens", type=int, metavar="N", help="longest trajectory, in tokens")
    group.add_argument(
        "--overlong", default="cut", choices=["cut", "turns", "drop"], help="what happens to longer ones (default: cut)"
    )
    group.add_argument("--train-shared", action="store_true", help="train a shared response in every branch, not once")
    group.add_argument(
        "--reward-weight", action="append", metavar="NAME=X", help="weigh several rewards into one; may be repeated"
    )
    group.add_argument(
        "--reward-from",
        default="auto",
        choices=["auto", "rollout", "last_turn", "turns_sum", "turns_mean"],
        help="where a rollout's reward is looked for (default: auto)",
    )
    group.add_argument("--min-reward", type=float, metavar="X", help="only rollouts that earned at least this")
    group.add_argument("--require-reward", action="store_true", help="leave out rollouts without a reward")
    group.add_argument("--require-logprobs", action="store_true", help="leave out turns without logprobs")
    group.add_argument("--drop-truncated", action="store_true", help="leave out turns that ran into the token limit")
    group.add_argument("--agent", action="append", metavar="NAME", help="only turns of this agent; may be repeated")
    group.add_argument("--agent-matching", metavar="REGEX", help="only turns of agents in whose name this is found")
    group.add_argument(
        "--depth",
        action="append",
        type=int,
        metavar="N",
        help="only turns so deep in agents, 1 the outermost; repeatable",
    )
    group.add_argument("--reply-matching", metavar="REGEX", help="only turns in whose reply this is found")
    group.add_argument(
        "--has-tool", action="append", metavar="NAME", help="only turns that call this tool; may be repeated"
    )
    group.add_argument(
        "--per-agent", action="store_true", help="no row crosses agents; a column `agent` says whose it is"
    )
    group.add_argument("--last-attempt", action="store_true", help="of a rollout tried again, only the last attempt")
    group.add_argument(
        "--max-staleness", type=int, metavar="N", help="only turns of a policy version at most N behind the newest"
    )
    group.add_argument(
        "--policy-version", action="append", metavar="V", help="only turns sampled by these weights; may be repeated"
    )
    group.add_argument(
        "--retokenise",
        metavar="M",
        help="ids by this tokenizer's chat template (a folder or hub name) where the server gave none; not for RL",
    )


def data_options(args: argparse.Namespace, store: LightningStore, selection: Selection) -> Options:
    """The options that `add_data_options` read; the store says which policy version of the selection is the newest."""
    from leyden_exporters.options import Advantage, Credit, Options, Overlong, PerTurn, RewardFrom
    from leyden_store.selection import EVERYTHING

    return Options(
        reward=_reward_named(args.reward or ()),
        advantage=Advantage(args.advantage),
        per_turn=PerTurn(args.per_turn) if args.per_turn else None,
        credit=Credit(args.credit),
        gamma=args.gamma,
        gae_lambda=args.gae_lambda,
        values=args.values,
        reward_weights=_weights(args.reward_weight or ()),
        reward_from=RewardFrom(args.reward_from),
        max_tokens=args.max_tokens,
        overlong=Overlong(args.overlong),
        train_shared=args.train_shared,
        min_reward=args.min_reward,
        require_reward=args.require_reward,
        require_logprobs=args.require_logprobs,
        drop_truncated=args.drop_truncated,
        agents=frozenset(args.agent) if args.agent else None,
        agent_pattern=args.agent_matching,
        depths=frozenset(args.depth) if args.depth else None,
        reply_pattern=args.reply_matching,
        tools=frozenset(args.has_tool) if args.has_tool else None,
        per_agent=args.per_agent,
        last_attempt=args.last_attempt,
        policy_versions=frozenset(args.policy_version) if args.policy_version else None,
        retokenise=_retokenise(args.retokenise),
        max_staleness=args.max_staleness,
        newest_version=None if args.max_staleness is None else _newest_version(store, selection),
        selection=args.query or args.where or (selection.sql if selection.sql != EVERYTHING else "everything"),
    )


def _weights(given: Sequence[str]) -> dict[str, float]:
    """Name → weight, of `NAME=X`."""
    from leyden_exporters.errors import OptionsInvalid

    weights = {}
    for one in given:
        name, equals, weight = one.rpartition("=")
        try:
            weights[name] = float(weight)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise OptionsInvalid(f"--reward-weight takes NAME=X, for example accuracy=0.7, not {one!r}")
    return weights


def _retokenise(tokenizer: str | None) -> Retokenise | None:
    if tokenizer is None:
        return None
    from leyden.explaining import load_tokenizer
    from leyden_exporters.retokenise import retokeniser

    return retokeniser(load_tokenizer(tokenizer))


def _reward_named(given: Sequence[str]) -> str | None:
    """The reward's name among what --reward was given; comparisons select, and name none."""
    from leyden_exporters.errors import OptionsInvalid
    from leyden_store.filters import is_comparison

    names = [one for one in given if not is_comparison(one)]
    if len(names) > 1:
        raise OptionsInvalid(f"one reward is used, not {len(names)}: --reward {names[0]} or --reward {names[1]}")
    return names[0] if names else None


@contextmanager
def open_store(dsn: str | None) -> Iterator[LightningStore]:
    """Open the store. Where a running collector holds it, everything the collector has acknowledged is stored first."""
    from leyden_store.lightning import LightningStore

    with LightningStore.open(dsn) as store:
        gateway = store.connection.gateway
        if gateway is not None:
            _flush(Collector.holding(gateway))
        yield store


def collector_endpoint(dsn: str | None) -> str | None:
    """The collector that holds the embedded store, if one does; nothing when the environment names one."""
    from leyden_store import dsn as dsns
    from leyden_store.holder import read_holder

    if "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ:
        return None
    target = dsns.parse(dsn)
    held = read_holder(target.path) if isinstance(target, dsns.Embedded) else None
    return Collector.holding(held).url if held and held.url else None


def counted(rollouts: Iterable[Rollout]) -> Iterable[Rollout]:
    """The rollouts, with a bar on a terminal as they pass; silent in a pipe. What goes on from before has no total."""
    from leyden_exporters.skimmable import StoreSource, watched
    from leyden_exporters.sources import Skimmable

    if not sys.stderr.isatty() or not isinstance(rollouts, Skimmable):
        return rollouts
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("rollouts read"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task("", total=rollouts.count() if isinstance(rollouts, StoreSource) else None)

    def passed(count: int | None) -> None:
        if count is None:  # Some of those that were counted had nothing to say, or were parts of another.
            progress.update(task, total=progress.tasks[0].completed)
            progress.stop()
            return
        progress.start()
        progress.advance(task, count)

    return watched(rollouts, passed)


def add_limit(parser: argparse.ArgumentParser, default: int) -> None:
    """`--limit`, for commands that list."""
    what = f"the newest N (default: {default})"
    parser.add_argument("--limit", type=_how_many, default=default, metavar="N", help=what)


def _how_many(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows: give 0 or more")
    return int(text)


def print_json(value: Any) -> None:
    """One JSON value on one line."""
    print(json.dumps(value, ensure_ascii=False, default=str))


def _newest_version(store: LightningStore, selection: Selection) -> int | None:
    from leyden_exporters.choosing import newest_of

    text = f"SELECT DISTINCT PolicyVersion AS version FROM otel_traces WHERE TraceId IN ({selection.trace_ids})"
    return newest_of(row["version"] for row in store.sql(text, selection.parameters).to_pylist())


def _flush(collector: Collector) -> None:
    try:
        collector.flush()
    except LeydenError as error:
        print(f"leyden: the collector has not stored everything yet ({error}); showing what is stored", file=sys.stderr)
