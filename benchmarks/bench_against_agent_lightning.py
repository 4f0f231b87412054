"""Span trees to training data, against Agent Lightning 0.3's TracerTraceToTriplet on equal span trees, in one run.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install agentlightning==0.3.0
    python benchmarks/bench_against_agent_lightning.py --peer-python /tmp/peer/bin/python [--rollouts 1000] [--json]

One core, everything in memory before the clock starts, seconds of processor time, the best of three. The peer turns a
list of its own span objects into triplets, one a turn, a reward on some. Ours goes on to merged trajectories with masks
and advantages, and a report of every span:

    from columns   Arrow tables as the store answers `queries/skim.sql`, which is how our spans are kept
    from objects   Python span objects with attribute maps and lists of token ids, which is how the peer's are kept
    read           the same objects, every message read (what an export made of messages does)

Beside these, not compared: `store`, from an embedded store on disk, its query included, by the wall clock. The peer
runs in its own interpreter, so that its dependencies never meet ours. Without it the script measures only ours.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any

_START_NS = 1_700_000_000_000_000_000
_BATCH = 384
"""Rollouts read at once, as the store does."""


def main() -> None:
    """Print one line per measurement, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", metavar="PATH", help="an interpreter that has agentlightning 0.3.0")
    parser.add_argument("--rollouts", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--prompt", type=int, default=200, help="mean prompt length in tokens")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.as_peer:
        print(json.dumps(measure_peer(args)))
        return

    ours = measure_ours(args)
    figures: dict[str, Any] = {
        f"{name}_rollouts_per_s": round(args.rollouts / seconds) for name, seconds in ours.items() if name != "sampled"
    }
    peer = run_peer(args)
    if isinstance(peer, str):
        print(f"the peer is not measured: {peer}", file=sys.stderr)
    else:
        if peer["sampled"] != ours["sampled"]:
            sys.exit(f"not the same work: the peer sees {peer['sampled']} sampled tokens, we train {ours['sampled']}")
        figures["peer_rollouts_per_s"] = round(args.rollouts / peer["seconds"])
        for name in ("columns", "objects", "read"):
            figures[f"ratio_{name}"] = round(peer["seconds"] / ours[name], 1)
    if args.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<26}{value:>12,}")


def measure_ours(args: argparse.Namespace) -> dict[str, float]:
    """Seconds from spans to trajectory columns, each way, and the sampled tokens among them."""
    from leyden_exporters.build import trajectory_table
    from leyden_exporters.skimmable import SpanSource, StoreSource, TableSource
    from leyden_store.ingest import OtlpWriter, delimited
    from leyden_store.lightning import LightningStore
    from leyden_store.otlp import encode_traces
    from leyden_store.skim.store import skim_tables
    from leyden_store.spans import Span

    pieces = [
        [Span(**span) for tree in trees for span in tree]
        for trees in batches(span_trees(args.rollouts, args.turns, args.prompt))
    ]
    objects = SpanSource(pieces)
    _, report = trajectory_table(objects)
    measured = {
        "objects": best_of_three(lambda: trajectory_table(objects)),
        "read": best_of_three(lambda: trajectory_table(iter(objects))),
        "sampled": report.trained_tokens,
    }
    with TemporaryDirectory() as folder, LightningStore.open(f"chdb://{folder}/store") as store:
        writer = OtlpWriter(store.connection)
        for number, piece in enumerate(pieces):
            writer.write(delimited([encode_traces(piece)]), token=str(number))
        store.compact()
        stored = StoreSource(store)
        measured["store"] = best_of_three(lambda: trajectory_table(stored), time.perf_counter)
        tables = TableSource(list(skim_tables(store)))
        _, report = trajectory_table(tables)
        if report.trained_tokens != measured["sampled"]:
            sys.exit("the ways differ: another number of tokens is trained from columns than from objects")
        measured["columns"] = best_of_three(lambda: trajectory_table(tables))
    return measured


def batches(trees: Iterator[Any]) -> Iterator[list[Any]]:
    """The trees in pieces, as a store would give them."""
    while piece := list(islice(trees, _BATCH)):
        yield piece


def run_peer(args: argparse.Namespace) -> dict[str, Any] | str:
    """What the peer's interpreter measured, or why it did not."""
    if args.peer_python is None:
        return "give --peer-python, an interpreter with agentlightning==0.3.0"
    sizes = [f"--{name}={getattr(args, name)}" for name in ("rollouts", "turns", "prompt")]
    try:
        done = subprocess.run(
            [args.peer_python, __file__, "--as-peer", *sizes], capture_output=True, text=True, check=False
        )
    except OSError as error:
        return f"{args.peer_python}: {error}"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def measure_peer(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds from spans to triplets, and the sampled tokens among them; runs in the peer's interpreter."""
    from agentlightning.adapter.triplet import TracerTraceToTriplet
    from agentlightning.types import OtelResource, Span, TraceStatus

    def peers(span: dict[str, Any], number: int) -> Any:
        return Span(
            rollout_id=span["rollout_id"],
            attempt_id="0",
            sequence_id=number,
            trace_id=span["trace_id"],
            span_id=span["span_id"],
            parent_id=span["parent_span_id"] or None,
            name=span["name"],
            status=TraceStatus(status_code="OK"),
            attributes=span["attributes"],
            events=[],
            links=[],
            start_time=span["start_ns"] / 1e9,
            end_time=span["end_ns"] / 1e9,
            context=None,
            parent=None,
            resource=OtelResource(attributes={}, schema_url=""),
        )

    trees = [
        [peers(span, number) for number, span in enumerate(tree)]
        for tree in span_trees(args.rollouts, args.turns, args.prompt)
    ]
    adapter = TracerTraceToTriplet()
    made = [triplet for tree in trees for triplet in adapter.adapt(tree)]
    sampled = sum(len(triplet.response["token_ids"]) for triplet in made)
    return {"seconds": best_of_three(lambda: [adapter.adapt(tree) for tree in trees]), "sampled": sampled}


def span_trees(rollouts: int, turns: int, mean_prompt: int) -> Iterator[list[dict[str, Any]]]:
    """Conversations as the peer's tracer records them: an agent, its calls with token ids, and a reward at the end."""
    source = random.Random(0)
    step = max(2 * mean_prompt // (turns + 1), 4)
    for number in range(rollouts):
        trace_id, start = f"{number + 1:032x}", _START_NS + number * 1_000_000_000_000

        def span(place: int, parent: str, name: str, attributes: dict[str, Any], length: int = 1) -> dict[str, Any]:
            return {
                "trace_id": trace_id,  # noqa: B023 - called within this round of the loop
                "span_id": f"{number * 100 + place + 1:016x}",  # noqa: B023
                "parent_span_id": parent,
                "name": name,
                "start_ns": start + place * 1_000_000_000,  # noqa: B023
                "end_ns": start + (place + length) * 1_000_000_000 - 1_000_000,  # noqa: B023
                "rollout_id": f"r{number}",  # noqa: B023
                "group_id": f"g{number // 8}",  # noqa: B023
                "attributes": attributes,
            }

        root = span(0, "", "agent", {"agent.name": "worker"}, turns + 2)
        tree, prompt = [root], [source.randrange(150_000) for _ in range(step)]
        for turn in range(turns):
            response = [source.randrange(150_000) for _ in range(step // 2)]
            call = _call(f"reply-{number}-{turn}", prompt, response)
            tree.append(span(turn + 1, root["span_id"], "openai.chat.completion", call))
            prompt = prompt + response + [source.randrange(150_000) for _ in range(step - len(response))]
        reward = {"agentlightning.reward.0.name": "reward", "agentlightning.reward.0.value": source.random()}
        tree.append(span(turns + 1, root["span_id"], "agentlightning.annotation", reward))
        yield tree


def _call(reply: str, prompt: list[int], response: list[int]) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "small",
        "gen_ai.response.model": "small",
        "gen_ai.response.id": reply,
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": "You are a helpful agent.",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": "What is the sum?",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "It is seven.",
        "gen_ai.completion.0.finish_reason": "stop",
        "prompt_token_ids": prompt,
        "response_token_ids": response,
    }


def best_of_three(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Seconds, of processor time unless said otherwise; slower rounds measure what else the machine was doing."""
    times = []
    gc.collect()
    gc.freeze()  # what was made beforehand is no part of the work: the collector need not walk it, on either side
    for _ in range(3):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


if __name__ == "__main__":
    main()
