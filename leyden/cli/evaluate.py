"""`leyden eval`: run an agent on tasks under one prompt, model or checkpoint, and record what it earns and takes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leyden.cli._shared import add_store, open_store, print_json
from leyden.cli.compare import add_verdict, tell
from leyden.terminal import say

if TYPE_CHECKING:
    from leyden_store.evaluations import Evaluation
    from leyden_store.lightning import LightningStore
    from leyden_trainers.online.runner import Ran
    from leyden_trainers.online.tasks import Task


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("eval", help="evaluate a prompt, model or checkpoint", description=__doc__)
    add_store(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--tasks", metavar="FILE", help='JSON Lines of {"id", "input", "reference"?, …}')
    what.add_argument("--query", metavar="NAME", help="a saved query: the tasks that its rollouts attempted")
    parser.add_argument(
        "--agent", required=True, metavar="A", help="module:function, file.py:function, or a command with {input}"
    )
    parser.add_argument("--prompt", metavar="NAME@WHICH", help="the version or label that leyden.prompt(NAME) gives")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", metavar="M", help="http://HOST:PORT/v1/NAME, or a name at $OPENAI_BASE_URL")
    model.add_argument("--checkpoint", type=Path, metavar="DIR", help="a folder, served for as long as it takes")
    parser.add_argument(
        "--reward", metavar="R", help="a reward function, as for `leyden score`, or the name of a reward agents give"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the function")
    parser.add_argument("--attempts", type=int, default=1, metavar="N", help="rollouts a task (default: 1)")
    parser.add_argument("--name", default="", metavar="NAME", help="what to call it (default: what is evaluated)")
    parser.add_argument("--runner", default="local", metavar="R", help="how agents are started (default: local)")
    parser.add_argument(
        "--runner-set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the runner; repeatable"
    )
    parser.add_argument("--concurrency", type=int, default=8, metavar="N", help="rollouts at a time (default: 8)")
    parser.add_argument("--timeout", type=float, default=300.0, metavar="S", help="seconds a rollout (default: 300)")
    parser.add_argument("--wait", type=float, default=30.0, metavar="S", help="seconds until rollouts are stored (30)")
    parser.add_argument(
        "--reward-wait", type=float, default=0.0, metavar="S", help="seconds for rewards that somebody posts (0)"
    )
    parser.add_argument("--against", metavar="ID", help="compare with this evaluation, by id or name")
    add_verdict(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden.collecting import collecting
    from leyden_exporters.errors import OptionsInvalid
    from leyden_exporters.scoring import find_reward
    from leyden_exporters.scoring.plugin import is_reward_function
    from leyden_trainers.evaluation.comparing import compare
    from leyden_trainers.evaluation.evaluating import Plan, evaluate
    from leyden_trainers.evaluation.rolling import Rolling
    from leyden_trainers.evaluation.subjects import served
    from leyden_trainers.online.gathering import Gathering
    from leyden_trainers.online.runner import start_runner

    if args.attempts < 1:
        raise OptionsInvalid("every task is attempted at least once")
    if args.require and not args.against:
        raise OptionsInvalid("--require needs --against: what it is to be no worse than")
    sys.path.insert(0, os.getcwd())  # a function of the user's own lies beside them
    function = find_reward(args.reward, _settings(args.set)) if is_reward_function(args.reward or "") else None
    with collecting(args.store) as collector, open_store(args.store) as store:
        before = store.evaluations.get(args.against) if args.against else None
        prompt = store.prompts.find(args.prompt) if args.prompt else None
        tasks = _tasks(args, store)
        settings = {
            "agent": args.agent,
            "collector": collector.url,
            "concurrency": args.concurrency,
            "timeout_s": args.timeout,
            **_settings(args.runner_set),
        }
        with closing(start_runner(args.runner, settings)) as runner, served(args.model, args.checkpoint) as policy:
            gathering = Gathering(store, collector.url, collector.token)
            rolling = Rolling(runner, gathering, function, args.wait, args.reward_wait, _watched)
            of_prompt = f"{prompt.name}@{prompt.version}" if prompt else ""
            plan = Plan(
                name=args.name or of_prompt or (args.checkpoint.name if args.checkpoint else args.model) or args.agent,
                agent=args.agent,
                tasks=tasks,
                policy=policy,
                tasks_from=args.tasks or f"query {args.query}",
                prompt=prompt,
                checkpoint=str(args.checkpoint.absolute()) if args.checkpoint else "",
                attempts=args.attempts,
                reward=function.name if function else args.reward,
                config={"runner": args.runner, "source": f"{function.name}@{function.version}" if function else ""},
            )
            done = evaluate(plan, rolling)
        verdict = None if before is None else compare(store.evaluations, before, done, reward=plan.reward)
    if args.json:
        print_json({**done.to_json(), "comparison": verdict.to_json() if verdict else None})
    else:
        say("\n".join(lines(done)))
    return tell(verdict, args, quiet=args.json) if verdict else 0


def lines(evaluation: Evaluation) -> list[str]:
    """An evaluation in words."""
    told = evaluation.summary
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in told.get("outcomes", {}).items())
    found = [f"{evaluation.evaluation_id}  {evaluation.name}  {told.get('tasks', 0)} tasks: {outcomes}"]
    for name, one in told.get("rewards", {}).items():
        without = f", {one['without']} rollouts without" if one["without"] else ""
        found.append(f"  {name}  {_mean(one)} over {one['tasks']} tasks{without}")
    found += [f"  {name}  {_mean(told[name])}" for name in ("output_tokens", "cost", "latency_s") if told.get(name)]
    if told.get("without_prompt"):
        found.append(f"  {told['without_prompt']} rollouts did not use the prompt")
    return [*found, f"  {evaluation.error}"] if evaluation.error else found


def _mean(one: dict[str, Any]) -> str:
    interval = "" if one["low"] is None else f" [{one['low']:.4g}, {one['high']:.4g}]"
    return f"{one['mean']:.4g}{interval}"


def _tasks(args: argparse.Namespace, store: LightningStore) -> list[Task]:
    from leyden_trainers.online.tasks import read_tasks, tasks_of

    if args.tasks is not None:
        return read_tasks(args.tasks)
    name, at, version = args.query.rpartition("@")
    by_version = bool(at) and version.isdigit()
    selection = store.select(
        query=name if by_version else args.query, version=int(version) if by_version else None, purpose="eval"
    )
    return tasks_of(store, selection)


def _settings(given: list[str]) -> dict[str, str]:
    from leyden_exporters.errors import OptionsInvalid

    pairs = [one.partition("=") for one in given]
    wrong = [name for name, equals, _ in pairs if not equals]
    if wrong:
        raise OptionsInvalid(f"{wrong[0]!r} is no setting: write KEY=VALUE")
    return {name: value for name, _, value in pairs}


def _watched(ended: Iterable[Ran], count: int) -> Iterator[Ran]:
    """The rollouts as they end, with their number shown on a terminal."""
    if not sys.stderr.isatty():
        yield from ended
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(ended, "rollouts", total=count, console=Console(stderr=True), transient=True)
