"""`leyden worker`: runs rollouts for a trainer elsewhere, as the collector's task queue gives them out."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from types import FrameType

from leyden.cli._shared import add_store, collector_endpoint


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("worker", help="run rollouts for a trainer elsewhere", description=__doc__)
    add_store(parser)
    parser.add_argument(
        "--collector",
        metavar="URL",
        help="keeps the task queue and takes the spans (default: $OTEL_EXPORTER_OTLP_ENDPOINT, else the store's)",
    )
    parser.add_argument(
        "--agent", required=True, metavar="AGENT", help="package.module:function, file.py:function, or a command"
    )
    parser.add_argument("--concurrency", type=_count, default=1, metavar="N", help="rollouts at a time (default: 1)")
    parser.add_argument("--queue", default="default", metavar="NAME", help="whose rollouts to take (default: default)")
    parser.add_argument("--project", metavar="NAME", help="of the spans, where the rollouts name none")
    parser.add_argument("--name", metavar="NAME", help="shown in the collector's lists (default: host and process)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from leyden_instrumentation import collector_address
    from leyden_trainers.online.runner import RunnerConfig
    from leyden_trainers.online.worker import Worker

    config = RunnerConfig(
        agent=args.agent,
        collector=args.collector or collector_endpoint(args.store) or collector_address.of(os.environ).base,
        project=args.project,
        concurrency=args.concurrency,
    )
    worker = Worker(config, args.queue, args.name or f"{socket.gethostname()}:{os.getpid()}", _say)

    def stop(_number: int, _frame: FrameType | None) -> None:
        if worker.draining:
            _say("ending what runs, and giving it back")
            worker.kill()
        else:
            _say("taking no more; what runs goes on to its end (once more ends it now)")
            worker.drain()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    _say(f"takes rollouts of the queue {args.queue} from {config.collector}, {config.concurrency} at a time")
    worker.run()
    _say(f"ran {worker.ran} rollouts")
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number above 0 is needed, not {text!r}")
    return int(text)


def _say(line: str) -> None:
    print(f"leyden worker: {line}", file=sys.stderr, flush=True)
